import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from postmill.sandbox.host import survey
from postmill.sandbox.level import probe


def test_this_machine_has_a_sandbox_that_was_tried() -> None:
    found = probe()
    assert (found.name, found.ok) == ("L3", True), found.detail
    assert found.how in ("root", "user namespaces")


def test_a_machine_without_one_is_told_so_and_why() -> None:
    found = probe(replace(survey(), bwrap="/nowhere/bwrap"))
    assert (found.name, found.ok) == ("", False)
    assert "/nowhere/bwrap" in found.detail


def test_a_jail_that_cannot_limit_is_none() -> None:
    found = probe(replace(survey(), prlimit="/nowhere/prlimit"))
    assert not found.ok
    assert "/nowhere/prlimit" in found.detail


def test_an_ordinary_user_without_user_namespaces_is_told_what_to_allow() -> None:
    """In a namespace in which no further one can be made, as on a machine that refuses them."""
    jail = ["--dev-bind", "/", "/", "--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns"]
    ask = "from postmill.sandbox.level import probe; print(probe())"
    told = subprocess.run(
        [survey().bwrap, *jail, "--", sys.executable, "-c", ask],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    assert "ok=False" in told.stdout
    assert "how='user namespaces'" in told.stdout
    assert "kernel.apparmor_restrict_unprivileged_userns=0" in told.stdout
