"""The commands of `postmill`, and their help."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


@dataclass(frozen=True, slots=True)
class Commands:
    """What `__main__` knows how to start."""

    up: Callable[[bool], None]
    server: Callable[[], None]
    worker: Callable[[int | None], None]
    migrate: Callable[[], None]
    doctor: Callable[[], bool]
    cache: Callable[[], None]
    prune: Callable[[bool], None]


def _cache(commands: Commands) -> "typer.Typer":
    import typer

    cache = typer.Typer(help="Packages that are installed on this machine for scripts.", invoke_without_command=True)

    @cache.callback()
    def show(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            commands.cache()

    @cache.command()
    def prune(
        everything: bool = typer.Option(False, "--all", help="Also environments that fit; not those in use."),
    ) -> None:
        """Remove leftovers, downloads, and environments until the rest fits POSTMILL_CACHE_SIZE."""
        commands.prune(everything)

    return cache


def run_cli(commands: Commands) -> None:
    """Read the command line and run the command."""
    import typer

    import postmill

    app = typer.Typer(
        name="postmill",
        help="Scripts become forms, webhooks, schedules and flows that colleagues can run.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
    )

    @app.command()
    def up(
        reload: bool = typer.Option(False, "--reload", help="Start again when a file of the package changes."),
    ) -> None:
        """Start everything: embedded Postgres (without DATABASE_URL), API and UI on one port, and the workers."""
        commands.up(reload)

    @app.command()
    def server() -> None:
        """Serve API and UI, and look after the queue."""
        commands.server()

    @app.command()
    def worker(
        slots: int | None = typer.Option(None, min=1, help="Jobs at once; POSTMILL_SLOTS, else the cores."),
    ) -> None:
        """Claim jobs and run them."""
        commands.worker(slots)

    @app.command()
    def migrate() -> None:
        """Bring the database to this version."""
        commands.migrate()

    @app.command()
    def doctor() -> None:
        """Say what is wrong with this installation, and what to do."""
        if not commands.doctor():
            raise typer.Exit(1)

    app.add_typer(_cache(commands), name="cache")

    @app.command()
    def version() -> None:
        """Print the version."""
        print(postmill.__version__)

    app(standalone_mode=True)
