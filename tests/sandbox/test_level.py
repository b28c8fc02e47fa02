"""The levels, each on this machine: what is missing for a higher one is taken away for real."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from postmill.sandbox.level import WITHOUT, probe

_REPOSITORY = Path(__file__).parents[2]
_SYSTEM_PYTHON = "/usr/bin/python3.11"
_ROOT = os.geteuid() == 0
_PROBE = "from postmill.sandbox.level import probe; found = probe(); print(found.name, found.ok, found.detail)"
_NO_NAMESPACES = """
import os
from postmill.sandbox.syscalls import CLONE_NEWUSER, unshare
uid, gid = os.getuid(), os.getgid()
unshare(CLONE_NEWUSER)
for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {uid} 1"), ("gid_map", f"1000 {gid} 1")):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
"""


def _told(program: str, python: str = sys.executable, *before: str) -> str:
    """What a program says that has nothing but the standard library and this package."""
    done = subprocess.run(
        [*before, python, "-c", program],
        capture_output=True,
        text=True,
        cwd="/",
        env={"PYTHONPATH": str(_REPOSITORY), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_this_machine_has_the_strongest_level_and_it_was_tried() -> None:
    found = probe()
    assert (found.name, found.ok) == ("L3", True), found.detail
    assert found.how == ("root" if _ROOT else "user")


@pytest.mark.skipif(not Path(_SYSTEM_PYTHON).exists(), reason="needs an interpreter that all may read")
def test_an_ordinary_user_without_user_namespaces_has_landlock_and_is_told_what_is_missing() -> None:
    """In a user namespace in which no further one can be made, as on a machine that refuses them."""
    told = _told(_NO_NAMESPACES + _PROBE, _SYSTEM_PYTHON)
    assert told.startswith("L1 True"), told
    assert "L3: " in told


@pytest.mark.skipif(not _ROOT or not Path(_SYSTEM_PYTHON).exists(), reason="needs root, and an interpreter for all")
def test_root_without_the_right_to_make_namespaces_has_slot_uids() -> None:
    told = _told(_PROBE, _SYSTEM_PYTHON, "setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
    assert told.startswith("L2 True"), told


def test_a_lower_level_lacks_all_that_a_higher_one_lacks() -> None:
    levels = list(WITHOUT.values())
    assert all(high < low for high, low in pairwise(levels))
