"""The tables of docs/security.md. `python -m tests.containment.report` runs every attack and writes what it saw.

Run it as root, for the attacks that only root can make. `test_report.py` compares the page with `attacks.py`, and so
with what the other tests prove of each row.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.containment.attacks import ATTACKS, BUILT, LEVELS, MECHANISMS, Attack
from tests.containment.running import run, sandbox
from tests.containment.scene import Scene, laid_out

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
_LANGUAGES = {"python3": "Python", "bash": "Bash"}

Cells = Mapping[tuple[str, str], bool]
"""(attack's name, level) → whether it was held."""


def claimed() -> Cells:
    """What the table says."""
    return {(attack.name, level): attack.contained(level) for attack in ATTACKS for level in BUILT}


async def seen() -> Cells:
    """What this machine does: every attack at every level that can be made."""
    cells = {}
    with laid_out() as where:
        for level in BUILT:
            without = frozenset(MECHANISMS) - LEVELS[level]
            for attack in ATTACKS:
                cells[attack.name, level] = await _held(attack, where, without)
    return cells


async def _held(attack: Attack, where: Scene, without: frozenset[str]) -> bool:
    async with sandbox(without) as made:
        return not (await run(made, attack, where, without)).succeeded


def mechanisms() -> str:
    """The list of mechanisms, as Markdown."""
    lines = ["| Mechanism | What it is | Levels |", "| --- | --- | --- |"]
    for name, what in MECHANISMS.items():
        levels = " ".join(level for level in BUILT if name in LEVELS[level])
        lines.append(f"| {name.replace('_', ' ')} | {what} | {levels} |")
    return "\n".join(lines)


def attacks(cells: Cells) -> str:
    """The table of levels and attacks, as Markdown."""
    lines = [
        f"| Attack | In | Held by each of | The job ends with | {' | '.join(BUILT)} |",
        "| --- " * (4 + len(BUILT)) + "|",
    ]
    for attack in ATTACKS:
        names = ", ".join(name.replace("_", " ") for name in MECHANISMS if name in attack.held_by)
        ends = f"{attack.ends.name}: {attack.ends.says}" if attack.ends.name else "nothing left, nothing more"
        held = " | ".join("held" if cells[attack.name, level] else "**succeeds**" for level in BUILT)
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
    if os.geteuid() != 0:
        sys.exit("run it as root: some attacks are beyond everyone else")
    cells = asyncio.run(seen())
    PAGE.write_text(written(PAGE.read_text(), cells))
    through = [f"{name} at {level}" for (name, level), held in cells.items() if not held]
    print(f"{len(cells)} attacks, {len(through)} got through{': ' if through else ''}{', '.join(through)}")


if __name__ == "__main__":
    main()
