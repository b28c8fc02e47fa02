"""Landlock, really: each process that is sealed is one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from postmill.sandbox import landlock

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(landlock.abi() < 3, reason="this kernel has no Landlock, or one before ABI 3")

# What an interpreter needs, wherever it was installed.
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", os.path.realpath(sys.base_prefix), sys.prefix)


def sealed(
    code: str,
    *,
    read: tuple[str, ...] = (),
    write: tuple[str, ...] = (),
    scope: bool = True,
    before: str = "",
    seal: bool = True,
) -> str:
    """Run Python in a process of its own, with these paths; the name of the error that ended it, or what it printed."""
    restrict = (
        "from postmill.sandbox import landlock, seccomp; seccomp.no_new_privs(); "
        f"landlock.restrict(read={(*SYSTEM, *read)!r}, write={write!r}, scope={scope})\n"
        if seal
        else ""
    )
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    whole = (
        f"import os, socket, subprocess, sys\n{before}\n{restrict}try:\n{lines}"
        "except OSError as error: print(type(error).__name__, error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", whole], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_abi_is_a_number_that_this_kernel_names() -> None:
    assert 1 <= landlock.abi() < 100


def test_what_is_not_named_is_closed_and_the_control_reads_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    code = f"print(open({str(tmp_path / 'secret')!r}).read())"
    assert sealed(code) == "PermissionError 13"
    assert sealed(code, seal=False) == "secret"
    assert sealed(f"print(os.listdir({str(tmp_path)!r}))") == "PermissionError 13"


def test_what_may_be_read_may_be_executed_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho ran")
    program.chmod(0o755)
    readable = (str(tmp_path),)
    assert sealed(f"print(open({str(tmp_path / 'file')!r}).read())", read=readable) == "content"
    assert sealed(f"print(subprocess.check_output([{str(program)!r}], text=True))", read=readable) == "ran"
    for attempt in (
        f"open({str(tmp_path / 'file')!r}, 'a')",
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"os.truncate({str(tmp_path / 'file')!r}, 0)",
        f"os.remove({str(tmp_path / 'file')!r})",
        f"os.mkdir({str(tmp_path / 'new')!r})",
        f"os.symlink('x', {str(tmp_path / 'new')!r})",
        f"os.mkfifo({str(tmp_path / 'new')!r})",
        f"os.rename({str(tmp_path / 'file')!r}, {str(tmp_path / 'new')!r})",
    ):
        assert sealed(attempt, read=readable) in ("PermissionError 13", "OSError 18"), attempt
    assert (tmp_path / "file").read_text() == "content"


def test_beneath_write_everything_works_but_making_devices(tmp_path: Path) -> None:
    code = f"""
os.chdir({str(tmp_path)!r})
os.makedirs('a/b'); open('a/b/c', 'w').write('content'); os.truncate('a/b/c', 3); os.mkfifo('fifo')
os.symlink('c', 'a/b/l'); os.link('a/b/c', 'a/h'); os.rename('a/b/c', 'c'); os.remove('a/h')
with socket.socket(socket.AF_UNIX) as s: s.bind('socket')
open('c', 'a').write('x'); print(open('c').read())
os.chmod('c', 0o755)
os.mknod('device', 0o020644, os.makedev(1, 3))
"""
    # The device is refused to root by Landlock, to others by the kernel.
    assert sealed(code, write=(str(tmp_path),)) in ("conx\nPermissionError 13", "conx\nPermissionError 1")


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    writable = (str(tmp_path / "in"),)
    for path in ("link", "../secret"):
        assert sealed(f"open({str(tmp_path / 'in' / path)!r})", write=writable) == "PermissionError 13"
    hard = f"os.link({str(tmp_path / 'secret')!r}, {str(tmp_path / 'in' / 'hard')!r})"
    assert sealed(hard, write=writable) in ("PermissionError 13", "OSError 18")


def test_a_single_file_can_be_named(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    named = (str(tmp_path / "one"),)
    assert sealed(f"print(open({str(tmp_path / 'one')!r}).read())", read=named) == "one"
    assert sealed(f"open({str(tmp_path / 'one')!r}, 'r+').write('x'); print(1)", write=named) == "1"
    assert sealed(f"open({str(tmp_path / 'two')!r})", read=named) == "PermissionError 13"


def test_a_path_that_is_missing_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    paths = (str(tmp_path / "missing"), str(tmp_path / "file" / "below"))
    assert sealed("print('on')", read=paths, write=paths) == "on"


def test_the_usual_devices_work_and_no_other() -> None:
    code = (
        "open('/dev/null', 'w').write('x'); open('/dev/zero', 'rb').read(1); open('/dev/urandom', 'rb').read(1)\n"
        "open('/dev/full', 'wb'); os.close(os.openpty()[0]); print('fine')\n"
    )
    assert sealed(code) == "fine"
    # Root could read the memory of the machine; the kernel itself refuses others.
    assert sealed("open('/dev/kmsg')") == "PermissionError 13" or not os.path.exists("/dev/kmsg")


def test_what_is_open_already_stays_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    before = f"file = open({str(tmp_path / 'file')!r})"
    assert sealed("print(file.read())", before=before) == "content"


def test_the_seal_holds_for_what_is_started(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    code = f"print(subprocess.run(['cat', {str(tmp_path / 'secret')!r}], stderr=-3).returncode)"
    assert sealed(code) == "1"
    assert sealed(code, seal=False) == "secret0"


_ABSTRACT = """
server = socket.socket(socket.AF_UNIX); server.bind('\\0postmill-test-%d' % os.getpid()); server.listen()
"""
_CONNECT = "socket.socket(socket.AF_UNIX).connect('\\0postmill-test-%d' % os.getpid()); print('connected')"
_SIGNAL = "os.kill(other, 0); print('signalled')"
# It ends with its pipe's other end, which no seal keeps from closing.
_OTHER = "child = subprocess.Popen(['/bin/cat'], stdin=-1, stdout=-3); other = child.pid; child.returncode = 0"
scoped = pytest.mark.skipif(landlock.abi() < 6, reason="scopes came with ABI 6")


@scoped
def test_an_abstract_socket_outside_is_out_of_reach() -> None:
    assert sealed(_CONNECT, before=_ABSTRACT) == "PermissionError 1"
    assert sealed(_CONNECT, before=_ABSTRACT, scope=False) == "connected"
    assert sealed(_ABSTRACT + _CONNECT) == "connected"


@scoped
def test_a_process_outside_cannot_be_signalled() -> None:
    assert sealed(_SIGNAL, before=_OTHER) == "PermissionError 1"
    assert sealed(_SIGNAL, before=_OTHER, scope=False) == "signalled"
    assert sealed("p = subprocess.Popen(['/bin/sleep', '20']); p.kill(); print(p.wait())") == "-9"


def test_mounts_stay_as_they_are(tmp_path: Path) -> None:
    """Tried in a user and mount namespace of its own, where it may mount otherwise, and nobody else sees it."""
    before = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
    before += "if libc.unshare(0x10000000 | 0x20000): print('none here'); sys.exit()"
    code = f"libc.mount(b'none', {bytes(tmp_path)!r}, b'tmpfs', 0, None); print(ctypes.get_errno())"
    control = sealed(before + "\n" + code, seal=False)
    if control == "none here":
        pytest.skip("needs user namespaces")
    assert control == "0"
    assert sealed(code, before=before) == "1"


def test_it_needs_no_new_privs_of_whoever_is_not_root() -> None:
    code = "from postmill.sandbox import landlock\nif os.geteuid() == 0: os.setuid(65534)\n"
    code += "landlock.restrict(read=['/usr'], write=[])"
    assert sealed(code, seal=False) == "PermissionError 1"


def test_ordinary_scripts_run_behind_the_seal(tmp_path: Path) -> None:
    writable = (str(tmp_path), "/dev/shm", "/tmp")
    program = Path(__file__).with_name("ordinary.py")
    start = f"os.chdir({str(tmp_path)!r}); sys.stdout.flush()\n"
    start += f"os.execv(sys.executable, [sys.executable, '-I', {str(program)!r}])"
    assert sealed(start, read=(str(program.parent),), write=writable) == "done"
