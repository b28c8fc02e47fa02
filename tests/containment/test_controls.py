"""Negative controls: each attack succeeds when what holds it is left out, and each mechanism named holds it alone."""

import os
from pathlib import Path

import pytest

from tests.containment.attacks import ATTACKS, Attack
from tests.containment.running import plain, run, sandbox
from tests.containment.scene import Scene

pytestmark = pytest.mark.slow
ALONE = [(attack, name) for attack in ATTACKS if len(attack.held_by) > 1 for name in sorted(attack.held_by)]


def _must_be_possible(attack: Attack) -> None:
    if attack.root and os.geteuid() != 0:
        pytest.skip("without a sandbox, this machine refuses it to everyone but root")
    if attack.needs is not None:
        path, word = attack.needs
        if not Path(path).exists() or word not in Path(path).read_text():
            pytest.skip(f"this kernel has nothing to attack: {word} is not in {path}")


@pytest.mark.anyio
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_what_holds_it_an_attack_succeeds(attack: Attack, where: Scene) -> None:
    _must_be_possible(attack)
    async with sandbox(attack.held_by) as made:
        seen = await run(made, attack, where, attack.held_by)
    assert seen.succeeded, seen


@pytest.mark.anyio
@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's machine holds some of them by itself")
@pytest.mark.parametrize(("attack", "mechanism"), ALONE, ids=lambda part: getattr(part, "name", part))
async def test_each_mechanism_of_several_holds_the_attack_alone(attack: Attack, mechanism: str, where: Scene) -> None:
    without = attack.held_by - {mechanism}
    async with sandbox(without) as made:
        seen = await run(made, attack, where, without)
        # It ran into the mechanism, not into a sandbox in which nothing runs.
        assert await plain(made, attack.language) == "42"
    assert seen.name != "SandboxError", seen
    assert not seen.succeeded, seen
