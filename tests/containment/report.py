"""The tables of docs/security.md. `python -m tests.containment.report` runs every attack and writes what it saw.

Run it as root, for the attacks that only root can make. `test_report.py` compares the page with `attacks.py`, and so
with what the other tests prove of each row.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pydantic

from postmill.sandbox.level import WITHOUT
from tests.containment.attacks import ATTACKS, LEVELS, MECHANISMS
from tests.containment.running import plain, run, sandbox
from tests.containment.scene import laid_out

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
SYSTEM_PYTHON = "/usr/bin/python3.11"
_NOBODY = 65534
_LANGUAGES = {"python3": "Python", "bash": "Bash"}

Cells = Mapping[tuple[str, str], bool]
"""(attack's name, level) → whether it was held."""


def claimed() -> Cells:
    """What the table says."""
    return {(attack.name, level): attack.contained(level) for attack in ATTACKS for level in LEVELS}


async def seen(level: str) -> dict[str, bool]:
    """What this process finds of a level: attack's name → whether it was held, or its job refused."""
    without = WITHOUT[level]
    held = {}
    with laid_out() as where:
        for attack in ATTACKS:
            async with sandbox(without) as made:
                # To ask for no network where none can be taken away is refused.
                found = await run(made, attack, where, without - {"network"})
                held[attack.name] = not found.succeeded and not found.left
                answer = await plain(made, attack.language)
            if answer != "42":
                raise SystemExit(f"after {attack.name!r} the next job answered {answer}")
    return held


def elsewhere(level: str) -> dict[str, bool] | str:
    """The same by a process that can have this level: L2 with an interpreter that all may read, L1 not as root.

    Returns why there is none.
    """
    if not os.access(SYSTEM_PYTHON, os.X_OK):
        return f"there is no {SYSTEM_PYTHON}"
    if os.geteuid() != 0:
        return "it takes root to be both"
    home = PAGE.parents[1]
    packages = Path(pydantic.__file__).parents[1]
    closed = [path for place in (home, packages) for path in (place, *place.parents) if not path.stat().st_mode & 0o1]
    if closed:
        return f"an ordinary user may not enter {closed[0]}"
    before = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"] if level == "L1" else []
    # Where it is root itself, its jobs have another uid: that of L2's slots.
    done = subprocess.run(
        [*before, SYSTEM_PYTHON, "-m", "tests.containment.report", level],
        env={"PYTHONPATH": f"{packages}:{home}", "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-3000:])
    return dict(json.loads(done.stdout))


def mechanisms() -> str:
    """The list of mechanisms, as Markdown."""
    lines = ["| Mechanism | What it is | Levels |", "| --- | --- | --- |"]
    for name, what in MECHANISMS.items():
        levels = " ".join(level for level in LEVELS if name in LEVELS[level])
        lines.append(f"| {name.replace('_', ' ')} | {what} | {levels} |")
    return "\n".join(lines)


def attacks(cells: Cells) -> str:
    """The table of levels and attacks, as Markdown."""
    lines = [
        f"| Attack | In | Held by each of | The job ends with | {' | '.join(LEVELS)} |",
        "| --- " * (4 + len(LEVELS)) + "|",
    ]
    for attack in ATTACKS:
        names = ", ".join(name.replace("_", " ") for name in MECHANISMS if name in attack.held_by)
        ends = f"{attack.ends.name}: {attack.ends.says}" if attack.ends.name else "nothing left, nothing more"
        held = " | ".join("held" if cells[attack.name, level] else "**succeeds**" for level in LEVELS)
        lines.append(f"| {attack.title} | {_LANGUAGES[attack.language]} | {names} | {ends.rstrip(': ')} | {held} |")
    return "\n".join(lines)


def written(page: str, cells: Cells) -> str:
    """The page with both tables as they are now.

    Raises:
        ValueError: a marker is missing.
    """
    for name, table in (("mechanisms", mechanisms()), ("attacks", attacks(cells))):
        before, opening, rest = page.partition(f"<!-- {name} -->\n")
        _, closing, after = rest.partition(f"<!-- end of {name} -->\n")
        if not opening or not closing:
            raise ValueError(f"the page has no place for its {name}")
        page = f"{before}{opening}{table}\n{closing}{after}"
    return page


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(asyncio.run(seen(sys.argv[1]))))
        return
    if os.geteuid() != 0:
        sys.exit("run it as root: some attacks are beyond everyone else")
    cells: dict[tuple[str, str], bool] = {}
    for level in LEVELS:
        held = asyncio.run(seen(level)) if level == "L3" else elsewhere(level)
        if isinstance(held, str):
            sys.exit(f"{level} cannot be had here: {held}")
        cells |= {(name, level): each for name, each in held.items()}
        through = [name for name, each in held.items() if not each]
        print(f"{level}: {len(held)} attacks, {len(through)} got through{': ' if through else ''}{', '.join(through)}")
    PAGE.write_text(written(PAGE.read_text(), cells))


if __name__ == "__main__":
    main()
