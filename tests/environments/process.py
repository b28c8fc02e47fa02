"""A worker's part in a process of its own: `python -m tests.environments.process HOME INDEX COUNT < LOCK`.

Asks COUNT times at once for the environment of a lock, and prints where it is.
"""

import asyncio
import sys
from pathlib import Path

from postmill.environments.python import PythonEnvironments
from postmill.environments.sources import Sources
from postmill.sandbox.command import Command, Ended, Limits, OnOutput


async def _no_jail(command: Command, limits: Limits, on_output: OnOutput) -> Ended:
    raise AssertionError("wheels need no jail")


async def main(home: Path, index: str, count: int, lock: str) -> None:
    environments = PythonEnvironments(home, 10**10, Sources(index_url=index))
    found = await asyncio.gather(*(environments.ready(lock, _no_jail) for _ in range(count)))
    print(*sorted({each.directory for each in found}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.stdin.read()))
