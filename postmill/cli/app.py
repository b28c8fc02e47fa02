"""The commands of `postmill`, and their help."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commands:
    """What `__main__` knows how to start."""

    up: Callable[[bool], None]
    server: Callable[[], None]
    worker: Callable[[int | None], None]
    migrate: Callable[[], None]
    doctor: Callable[[], bool]


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

    @app.command()
    def version() -> None:
        """Print the version."""
        print(postmill.__version__)

    app(standalone_mode=True)
