"""Every attack of the table, really: contained, with a clear reason on its job, nothing left, and the next job runs."""

from collections import Counter
from pathlib import Path

import pytest

from tests.containment.attacks import ATTACKS, MECHANISMS, Attack
from tests.containment.report import elsewhere
from tests.containment.running import SCRIPTS, plain, run, sandbox
from tests.containment.scene import Scene


@pytest.mark.anyio
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_an_attack_is_contained_and_the_next_job_runs(attack: Attack, where: Scene) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    files = sorted(where.home.rglob("*"))
    async with sandbox() as made:
        seen = await run(made, attack, where)
        assert not seen.succeeded, seen
        assert seen.name == attack.ends.name, seen
        assert attack.ends.says in seen.says
        assert seen.left == ()
        assert await plain(made, attack.language) == "42"
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert sorted(where.home.rglob("*")) == files


@pytest.mark.slow
@pytest.mark.parametrize("level", ["L2", "L1"])
def test_a_lower_level_holds_what_the_table_says(level: str) -> None:
    found = elsewhere(level)
    if isinstance(found, str):
        pytest.skip(f"{level} cannot be had here: {found}")
    assert found == {attack.name: attack.contained(level) for attack in ATTACKS}


def test_the_table_is_whole() -> None:
    assert len(ATTACKS) >= 60
    assert {attack.language for attack in ATTACKS} == {"python3", "bash"}
    assert max(Counter(attack.name for attack in ATTACKS).values()) == 1
    assert {name for attack in ATTACKS for name in attack.held_by} == MECHANISMS.keys()
    assert all(attack.contained("L3") for attack in ATTACKS)


def test_each_script_belongs_to_an_attack() -> None:
    assert {path.name for path in SCRIPTS.iterdir() if path.is_file()} == {
        "victim.py",
        *(attack.source for attack in ATTACKS),
    }
