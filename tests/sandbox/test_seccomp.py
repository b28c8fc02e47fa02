"""The table of refused calls: the filter read as the kernel reads it, and real calls in processes that are sealed."""

import errno
import os
import re
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from postmill.sandbox import seccomp
from postmill.sandbox.seccomp import RULES, Rule, program

ROOT = Path(__file__).parents[2]
NATIVE = os.uname().machine
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL = "allow", "kill"
ALWAYS = [rule for rule in RULES if not rule.when]
SEAL = "from postmill.sandbox import seccomp; seccomp.no_new_privs(); seccomp.install(seccomp.program({}))\n"


def number_of(rule: Rule, machine: str) -> int | None:
    return rule.x86_64 if machine == "x86_64" else rule.aarch64


def verdict(filter_: bytes, architecture: int, number: int, *arguments: int) -> str | int:
    """What the filter answers: 'allow', 'kill', or an errno. Classic BPF, as far as filters use it."""
    whole = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *(each & (2**64 - 1) for each in whole))
    steps = list(struct.iter_unpack("=HBBI", filter_))
    at = accumulator = 0
    while True:
        code, true, false, operand = steps[at]
        at += 1
        if code == 0x20:
            assert operand % 4 == 0
            accumulator = struct.unpack_from("<I", data, operand)[0]
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x06:
            if operand in (0x7FFF0000, 0x80000000):
                return ALLOW if operand == 0x7FFF0000 else KILL
            assert operand >> 16 == 5
            return int(operand) & 0xFFFF
        else:
            holds = {0x15: accumulator == operand, 0x25: accumulator > operand}
            holds |= {0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}
            at += true if holds[code] else false


def ask(name: str, *arguments: int, machine: str = "x86_64", allow: frozenset[str] = frozenset()) -> str | int:
    number = next(number_of(rule, machine) for rule in RULES if rule.name == name)
    assert number is not None
    return verdict(program(machine=machine, allow=allow), MACHINES[machine], number, *arguments)


def sealed(code: str, *, seal: str = SEAL.format("")) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, behind the filter."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", seal + code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


# The table -----------------------------------------------------------------------------------------------------------


def test_each_number_stands_for_one_call_and_each_rule_says_why() -> None:
    for machine in MACHINES:
        numbers = {(rule.name, number_of(rule, machine)) for rule in RULES} - {(rule.name, None) for rule in RULES}
        assert max(Counter(number for _, number in numbers).values()) == 1
        assert max(Counter(name for name, _ in numbers).values()) == 1
        assert all(number is not None and number <= seccomp.NEWEST for _, number in numbers)
    assert all(len(rule.why) > 5 for rule in RULES)


def test_new_calls_have_one_number_on_all_machines() -> None:
    for rule in RULES:
        if (rule.x86_64 or 0) >= 424 or (rule.aarch64 or 0) >= 424:
            assert rule.x86_64 == rule.aarch64


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("needs the kernel's headers")
    known = {name: int(number) for name, number in re.findall(r"__NR_(\w+)\s+(\d+)", Path(header).read_text())}
    told = {rule.name: number_of(rule, machine) for rule in RULES}
    newest = max(number for number in known.values() if number < 512)
    assert {name: number for name, number in told.items() if number is not None and number <= newest} == {
        name: known[name] for name in told if name in known and known[name] <= newest
    }


# The filter ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES)
def test_every_unconditional_refusal_answers_with_its_error(machine: str) -> None:
    for rule in ALWAYS:
        if number_of(rule, machine) is not None:
            assert ask(rule.name, machine=machine) == rule.answer


@pytest.mark.parametrize("machine", MACHINES)
def test_no_other_call_is_refused(machine: str) -> None:
    refused = {number_of(rule, machine) for rule in RULES}
    whole = program(machine=machine)
    for number in set(range(seccomp.NEWEST + 1)) - refused:
        assert verdict(whole, MACHINES[machine], number, *[2**64 - 1] * 6) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_that_is_newer_than_the_table_is_answered_as_an_old_kernel_would(machine: str) -> None:
    for number in (seccomp.NEWEST + 1, 600, 0x3FFFFFFF, 0xFFFFFFFF):
        assert verdict(program(machine=machine), MACHINES[machine], number) == errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_kill(machine: str) -> None:
    for architecture in (0x40000003, 0x40000028, *(set(MACHINES.values()) - {MACHINES[machine]})):
        assert verdict(program(machine=machine), architecture, 1) == KILL


def test_calls_of_x32_kill() -> None:
    assert verdict(program(machine="x86_64"), MACHINES["x86_64"], 0x40000000 | 101) == KILL


HIGH = 1 << 40
"""A bit that the kernel drops from an int: it must change no answer."""
SAMPLES = [
    ("clone", (0x01200011,), ALLOW),
    ("clone", (0x003D0F00,), ALLOW),
    ("clone", (0x10000000 | 17,), errno.EPERM),
    ("clone", (0x00020000,), errno.EPERM),
    ("unshare", (0x400,), ALLOW),
    ("unshare", (0x80,), errno.EPERM),
    ("unshare", (0x10000000,), errno.EPERM),
    ("openat", (-100, 0, 0o2, 0o6755), ALLOW),
    ("openat", (-100, 0, 0o101, 0o755), ALLOW),
    ("openat", (-100, 0, 0o101, 0o4755), errno.EPERM),
    ("openat", (-100, 0, 0o20200002, 0o2755), errno.EPERM),
    ("open", (0, 0o101, 0o4755), errno.EPERM),
    ("open", (0, 0o1, 0o4755), ALLOW),
    ("creat", (0, 0o4755), errno.EPERM),
    ("chmod", (0, 0o1777), ALLOW),
    ("chmod", (0, 0o4000), errno.EPERM),
    ("fchmod", (3, 0o2755), errno.EPERM),
    ("fchmodat", (-100, 0, 0o6755), errno.EPERM),
    ("fchmodat2", (-100, 0, 0o4755), errno.EPERM),
    ("mknod", (0, 0o010644, 0), ALLOW),
    ("mknod", (0, 0o140644, 0), ALLOW),
    ("mknod", (0, 0o020644, 0x103), errno.EPERM),
    ("mknodat", (-100, 0, 0o060644, 0x800), errno.EPERM),
    ("mknodat", (-100, 0, 0o104755, 0), errno.EPERM),
    ("ioctl", (0, 0x5401), ALLOW),
    ("ioctl", (0, 0x5412), errno.EPERM),
    ("ioctl", (0, 0x541C), errno.EPERM),
    ("ioctl", (0, HIGH | 0x5412), errno.EPERM),
    ("socket", (1, 3, 0), ALLOW),
    ("socket", (2, 1 | 0o2000000, 6), ALLOW),
    ("socket", (10, 2 | 0o4000, 0), ALLOW),
    ("socket", (16, 3 | 0o2000000, 0), ALLOW),
    ("socket", (16, 3, 9), errno.EPROTONOSUPPORT),
    ("socket", (16, 3, HIGH), ALLOW),
    ("socket", (2, 3, 1), errno.EPERM),
    ("socket", (10, 3 | 0o2000000, 58), errno.EPERM),
    ("socket", (2, 10, 0), errno.EPERM),
    ("socket", (17, 3, 0), errno.EAFNOSUPPORT),
    ("socket", (38, 5, 0), errno.EAFNOSUPPORT),
    ("socket", (40, 1, 0), errno.EAFNOSUPPORT),
    ("socket", (HIGH | 2, 3, 0), errno.EPERM),
    ("socketpair", (1, 1), ALLOW),
    ("socketpair", (30, 1), errno.EAFNOSUPPORT),
    ("personality", (0xFFFFFFFF,), ALLOW),
    ("personality", (0,), ALLOW),
    ("personality", (0x40000,), errno.EPERM),
]


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments_decide(machine: str) -> None:
    for name, arguments, answer in SAMPLES:
        if any(rule.name == name and number_of(rule, machine) is not None for rule in RULES):
            assert ask(name, *arguments, machine=machine) == answer, (name, arguments)
            assert ask(name, *arguments, machine=machine, allow=frozenset({name})) == ALLOW


def test_every_conditional_rule_has_a_sample_that_it_refuses() -> None:
    refused = {(name, answer) for name, _, answer in SAMPLES if answer != ALLOW}
    assert {(rule.name, rule.answer) for rule in RULES if rule.when} <= refused


def test_an_unknown_name_or_machine_is_an_error() -> None:
    with pytest.raises(ValueError, match="no rule names fork"):
        program(allow=frozenset({"fork"}))
    with pytest.raises(ValueError, match="no filter for 'm68k'"):
        program(machine="m68k")


# The kernel ----------------------------------------------------------------------------------------------------------

_TRY_ALL = """
import ctypes, os, sys
from postmill.sandbox.seccomp import RULES
# No terminal to hang up, and nothing that -1 for every argument could reach.
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
os.setsid()
libc = ctypes.CDLL(None, use_errno=True)
for rule in RULES:
    number = rule.x86_64 if os.uname().machine == "x86_64" else rule.aarch64
    if number is not None and not rule.when:
        ctypes.set_errno(0)
        libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)
        print(rule.name, ctypes.get_errno())
"""


def _answers(output: str) -> dict[str, int]:
    return {name: int(number) for name, number in (line.split() for line in output.splitlines())}


def test_the_kernel_refuses_each_call() -> None:
    done = sealed(_TRY_ALL)
    assert done.returncode == 0, done.stderr
    wanted = {rule.name: rule.answer for rule in ALWAYS if number_of(rule, NATIVE) is not None}
    assert _answers(done.stdout) == wanted


def test_without_the_filter_the_kernel_answers_otherwise() -> None:
    """The control of the test before: as an ordinary user, the kernel itself refuses some with the same error."""
    answers = _answers(sealed(_TRY_ALL, seal="").stdout)
    alike = {rule.name for rule in ALWAYS if answers.get(rule.name) == rule.answer}
    assert len(alike) <= (0 if os.geteuid() == 0 else 30), alike


ATTEMPTS = {
    "a raw socket": ("import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "EPERM"),
    "a packet socket": ("import socket; socket.socket(17, socket.SOCK_RAW)", "EAFNOSUPPORT"),
    "a kernel crypto socket": ("import socket; socket.socket(38, socket.SOCK_SEQPACKET)", "EAFNOSUPPORT"),
    "the audit's netlink": ("import socket; socket.socket(16, socket.SOCK_RAW, 9)", "EPROTONOSUPPORT"),
    "chmod u+s": ("open(path, 'w'); os.chmod(path, 0o4755)", "EPERM"),
    "fchmod g+s": ("os.fchmod(os.open(path, os.O_CREAT | os.O_WRONLY), 0o2755)", "EPERM"),
    "open with a setuid mode": ("os.open(path, os.O_CREAT | os.O_WRONLY, 0o4755)", "EPERM"),
    "mknod of a setuid file": ("os.mknod(path, 0o104755)", "EPERM"),
    "a user namespace": ("call(272 if x86 else 97, 0x10000000)", "EPERM"),
    "a user namespace by clone": ("call(56 if x86 else 220, 0x10000000 | 17, 0, 0, 0, 0)", "EPERM"),
    "typing into the terminal": ("import fcntl; fcntl.ioctl(os.openpty()[1], 0x5412, b'x')", "EPERM"),
    "no address randomisation": ("call(135 if x86 else 92, 0x40000)", "EPERM"),
}
_PREFACE = """
import ctypes, errno, os, sys, tempfile
x86 = os.uname().machine == "x86_64"
path = os.path.join(tempfile.mkdtemp(), "file")
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "refused")
try:
    {}
except OSError as error:
    print(errno.errorcode[error.errno])
else:
    print("went through")
"""


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_is_refused(name: str) -> None:
    code, answer = ATTEMPTS[name]
    assert sealed(_PREFACE.format(code)).stdout.splitlines()[0:1] == [answer]


def test_without_the_filter_the_attempts_go_through() -> None:
    """The control of the test before, for what any user may do."""
    for name in ("chmod u+s", "fchmod g+s", "open with a setuid mode", "mknod of a setuid file"):
        assert sealed(_PREFACE.format(ATTEMPTS[name][0]), seal="").stdout == "went through\n"


def test_ordinary_scripts_run_behind_the_filter(tmp_path: Path) -> None:
    program_path = Path(__file__).with_name("ordinary.py")
    seal = f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n{SEAL.format('')}os.chdir({str(tmp_path)!r})\n"
    start = f"os.execv(sys.executable, [sys.executable, '-I', {str(program_path)!r}])"
    done = sealed(start, seal=seal)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_every_thread_is_under_the_filter() -> None:
    threads = (
        "import threading, os, tempfile\nbegun, done, seen = threading.Event(), threading.Event(), []\n"
        "path = os.path.join(tempfile.mkdtemp(), 'x'); open(path, 'w')\n"
        "def early():\n    begun.wait()\n    try: os.chmod(path, 0o4755)\n    except PermissionError: seen.append(1)\n"
        "thread = threading.Thread(target=early); thread.start()\n"
    )
    done = sealed("begun.set(); thread.join(); print(seen)", seal=threads + SEAL.format(""))
    assert done.stdout == "[1]\n", done.stderr


def test_a_filter_without_no_new_privs_is_refused() -> None:
    done = sealed("from postmill.sandbox import seccomp; seccomp.install(seccomp.program())", seal="")
    assert "[Errno 13] a filter needs no_new_privs first" in done.stderr


def test_a_filter_that_the_kernel_cannot_read_is_an_error() -> None:
    done = sealed(
        "from postmill.sandbox import seccomp; seccomp.no_new_privs(); seccomp.install(bytes(8))",
        seal="",
    )
    assert "[Errno 22] SECCOMP_SET_MODE_FILTER" in done.stderr


def test_a_rule_that_is_allowed_lets_the_call_through() -> None:
    done = sealed(
        "import os, tempfile; p = tempfile.mkdtemp() + '/x'; open(p, 'w'); os.chmod(p, 0o4755); print(1)",
        seal=SEAL.format("allow=frozenset({'chmod', 'fchmodat'})"),
    )
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize("name", ["seccomp", "landlock"])
def test_the_module_stands_alone(name: str) -> None:
    """It is read inside jails that hold nothing of this package."""
    path = ROOT / "postmill" / "sandbox" / f"{name}.py"
    code = f"import runpy; runpy.run_path({str(path)!r}); import sys; print([m for m in sys.modules if 'postm' in m])"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd="/", capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
