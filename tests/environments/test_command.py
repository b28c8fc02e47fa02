"""`postmill cache`, as one types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environments.conftest import Machine

pytestmark = pytest.mark.anyio


def postmill(home: Path, *words: str) -> str:
    env = {"PATH": os.defpath, "HOME": str(home), "POSTMILL_HOME": str(home)}
    command = [sys.executable, "-m", "postmill", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


async def test_the_command_shows_and_prunes_what_is_installed(machine: Machine) -> None:
    machine.index.add_wheel("upper", requires=("lower",))
    machine.index.add_wheel("lower")
    found = await machine.ready(await machine.resolve("upper"))
    shown = postmill(machine.home, "cache")
    assert str(machine.home) in shown
    [line] = [line for line in shown.splitlines() if found.key in line]
    assert "2 packages" in line and f"Python {found.version}" in line and "last used 2" in line
    assert "removed 0 environments" in postmill(machine.home, "cache", "prune")
    assert "removed 1 environments" in postmill(machine.home, "cache", "prune", "--all")
    assert found.key not in postmill(machine.home, "cache")
    assert not Path(found.directory).exists()


def test_a_machine_without_a_cache_has_an_empty_one(tmp_path: Path) -> None:
    assert "0.0 MB of" in postmill(tmp_path, "cache")
    assert "removed 0 environments" in postmill(tmp_path, "cache", "prune", "--all")
