"""What bubblewrap is told: pure, no process is started (but a shell, to read an environment back)."""

import subprocess
from dataclasses import replace

import pytest

from postmill.model.errors import BadRequest, SandboxError
from postmill.sandbox.command import Command, Limits
from postmill.sandbox.host import UIDS, Host, first_uid
from postmill.sandbox.jail import Blob, Plan, environment, plan, slot_uid

_ROOT = Host(
    bwrap="/opt/bwrap",
    prlimit="/usr/bin/prlimit",
    setpriv="/usr/bin/setpriv",
    first_uid=200_000,
    directories=("/usr",),
    links=(("/bin", "usr/bin"),),
)
_USER = replace(_ROOT, first_uid=None, setpriv="")
_TRUE = Command(argv=("/bin/true",))


def words(made: Plan) -> list[str]:
    return ["<blob>" if isinstance(option, Blob) else option for option in made.options]


def test_root_takes_a_uid_of_the_slot_and_no_user_namespace() -> None:
    made = plan(_TRUE, Limits(), _ROOT, 200_007)
    assert "--unshare-user" not in made.options
    assert made.argv[:3] == ("/usr/bin/setpriv", "--reuid=200007", "--regid=200007")
    assert {"--clear-groups", "--no-new-privs", "--bounding-set=-all"} <= set(made.argv)


def test_an_ordinary_user_takes_a_user_namespace_that_allows_no_other() -> None:
    made = plan(_TRUE, Limits(), _USER, slot_uid(_USER, 3, 9))
    assert {"--unshare-user", "--disable-userns"} <= set(made.options)
    assert made.argv[0] == "/usr/bin/prlimit"


def test_every_jail_has_its_own_processes_and_dies_with_its_worker() -> None:
    for host in (_ROOT, _USER):
        told = plan(_TRUE, Limits(), host, 1000).options
        assert {"--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session"} <= set(told)


def test_the_job_directory_has_the_size_of_the_disk_limit() -> None:
    told = words(plan(_TRUE, Limits(disk=12345), _USER, 1000))
    at = told.index("/job")
    assert told[at - 5 : at + 1] == ["--perms", "0777", "--size", "12345", "--tmpfs", "/job"]


def test_nothing_but_temporary_directories_is_writable() -> None:
    told = words(plan(replace(_TRUE, read_only=("/opt/python",)), Limits(), _ROOT, 1000))
    assert not {"--bind", "--dev-bind", "--bind-try", "--dev-bind-try"} & set(told)


def test_parents_of_what_is_bound_are_open_to_the_slot() -> None:
    told = words(plan(replace(_TRUE, read_only=("/root/.versions/3",)), Limits(), _ROOT, 1000))
    at = told.index("/root/.versions/3")
    assert told[at - 9 : at - 1] == ["--perms", "0755", "--dir", "/root", "--perms", "0755", "--dir", "/root/.versions"]


def test_a_prefix_in_the_system_is_not_bound_twice() -> None:
    assert "/usr/lib/python" not in plan(replace(_TRUE, read_only=("/usr/lib/python",)), Limits(), _ROOT, 1000).options


def test_the_environment_is_on_no_command_line() -> None:
    made = plan(replace(_TRUE, env={"TOKEN": "very-secret"}), Limits(), _ROOT, 1000)
    assert not any("very-secret" in word for word in (*words(made), *made.argv))


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", "a\0b"])
def test_a_file_outside_of_the_job_directory_is_refused(path: str) -> None:
    with pytest.raises(BadRequest, match="not a path below"):
        plan(replace(_TRUE, files={path: b""}), Limits(), _ROOT, 1000)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A=B", "A B", "A;id", "É", "UID", "SHELLOPTS"])
def test_a_name_that_no_environment_can_hold_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="environment variable"):
        environment({name: "x"})


def test_an_environment_value_with_nul_is_refused() -> None:
    with pytest.raises(BadRequest, match="NUL"):
        environment({"A": "x\0y"})


@pytest.mark.parametrize("value", ["", "a b", "it's", "''", "$HOME `id` \\n", "line\nline\n", "ü€😀", '"'])
def test_a_shell_reads_the_environment_back_as_it_was(value: str) -> None:
    script = environment({"VALUE": value}).decode() + 'printf %s "$VALUE"'
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout.decode() == value


def test_the_reply_descriptor_is_one_that_a_shell_can_name() -> None:
    with pytest.raises(BadRequest, match="reply_fd 12"):
        plan(replace(_TRUE, reply_fd=12), Limits(), _ROOT, 1000)


def test_slots_of_one_worker_have_different_uids_above_those_of_people() -> None:
    uids = {slot_uid(_ROOT, slot, 4_000_000) for slot in range(64)}
    assert len(uids) == 64
    assert min(uids) >= 200_000
    assert max(uids) < 200_000 + UIDS


def test_uids_are_among_those_that_a_container_maps() -> None:
    assert first_uid("         0          0 4294967295\n") == 200_000
    assert first_uid("0 100000 65536\n") == 50_000
    with pytest.raises(SandboxError, match="does not map"):
        first_uid("0 1000 1\n")
