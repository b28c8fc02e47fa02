"""The command `postmill`. Each command builds its own parts and imports no others, so that a start is quick."""

import asyncio
import sys
from dataclasses import replace
from datetime import datetime

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


def _cache(settings: Settings) -> None:
    from postmill.environments.cache import Cache

    cache = Cache(settings.home, settings.cache_size)
    print(f"{cache.root}: {cache.used_bytes() / 1024**2:.1f} MB of {settings.cache_size / 1024**2:.0f} MB")
    for each in cache.about():
        used = datetime.fromtimestamp(each.last_used).isoformat(" ", "minutes")
        size = f"{each.size / 1024**2:.1f} MB"
        print(f"{each.key}  Python {each.python}  {each.packages:3} packages  {size:>10}  last used {used}")


def _prune(settings: Settings, everything: bool) -> None:
    from postmill.environments.cache import Cache

    cache = Cache(settings.home, settings.cache_size)
    before = cache.used_bytes()
    gone = cache.prune(everything=everything)
    print(f"removed {len(gone)} environments, {(before - cache.used_bytes()) / 1024**2:.1f} MB in all")


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
        cache=lambda: _cache(settings),
        prune=lambda everything: _prune(settings, everything),
    )
    try:
        run_cli(commands)
    except PostmillError as error:
        print(f"postmill: {error.message}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
