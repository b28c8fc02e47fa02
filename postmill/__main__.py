"""The command `postmill`. Each command builds its own parts and imports no others, so that a start is quick."""

import asyncio
import sys
from dataclasses import replace

from postmill.cli.app import Commands, run_cli
from postmill.journal import write_journal
from postmill.model.errors import PostmillError
from postmill.settings import Settings, read_settings


def _up(settings: Settings, reload: bool) -> None:
    from postmill.supervisor import Supervisor

    Supervisor(settings, reload=reload).run()


def _server(settings: Settings) -> None:
    from postmill.serve import serve

    asyncio.run(serve(settings))


def _worker(settings: Settings, slots: int | None) -> None:
    from postmill.work import work

    asyncio.run(work(replace(settings, slots=slots) if slots else settings))


async def _apply(settings: Settings) -> None:
    from postmill.process import database_url
    from postmill.store import migrate

    logins = await migrate.roles(database_url(settings))
    applied = await migrate.migrate(logins.system_url)
    print(f"applied {', '.join(applied)}" if applied else "the database is up to date")
    if logins.advice:
        print(f"second wall off: this user may not create roles. As the database's administrator run:\n{logins.advice}")


def _doctor(settings: Settings) -> bool:
    from postmill.doctor import diagnose

    return asyncio.run(diagnose(settings))


def main() -> None:
    """Read settings and command line, and run.

    Exit status 2: a setting cannot be read; 1: the command says what went wrong.
    """
    try:
        settings = read_settings()
    except PostmillError as error:
        print(f"postmill: {error.message}", file=sys.stderr)
        raise SystemExit(2) from None
    write_journal()
    commands = Commands(
        up=lambda reload: _up(settings, reload),
        server=lambda: _server(settings),
        worker=lambda slots: _worker(settings, slots),
        migrate=lambda: asyncio.run(_apply(settings)),
        doctor=lambda: _doctor(settings),
    )
    try:
        run_cli(commands)
    except PostmillError as error:
        print(f"postmill: {error.message}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
