"""Cgroups of slots: real ones where this machine has them (v1, as root), v2 on a tree of plain files."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postmill.sandbox.cgroup import CgroupSlots, Events, give_way, open_slots
from postmill.sandbox.cgroup_place import CONTROLLERS, Nowhere, Place, find, make_room
from postmill.sandbox.command import Limits

MB = 1024**2
LIMITS = Limits(memory=100 * MB, pids=12)
_FOUND = find()
real = pytest.mark.skipif(isinstance(_FOUND, Nowhere), reason="this machine lets us have no cgroups")
has_all = pytest.mark.skipif(
    isinstance(_FOUND, Nowhere) or set(_FOUND.directories) != set(CONTROLLERS), reason="needs all three controllers"
)
_FORKS = """
import os, signal
try:
    for _ in range(40):
        if os.fork() == 0: signal.pause()
except OSError: pass
signal.pause()
"""


@pytest.fixture
def slots() -> Iterator[CgroupSlots]:
    made = open_slots(2)
    assert made is not None
    yield made
    made.close()


@contextmanager
def program(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """Python code that begins when its stdin is closed."""
    popen = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input_ = open(0).read()\n" + code], stdin=-1)
    try:
        yield popen
    finally:
        popen.kill()
        popen.wait()
        begin(popen)


def begin(popen: subprocess.Popen[bytes]) -> None:
    assert popen.stdin is not None
    popen.stdin.close()


def left() -> list[Path]:
    """Groups of this process."""
    assert isinstance(_FOUND, Place)
    return [path for base in _FOUND.directories.values() for path in base.iterdir() if f"-{os.getpid()}-" in path.name]


@has_all
def test_all_memory_of_a_slot_is_counted_together_and_a_kill_is_told(slots: CgroupSlots) -> None:
    slots.prepare(0, LIMITS)
    with program("import os\nos.fork()\nx = bytearray(70 * 1024**2)\nimport time; time.sleep(60)") as popen:
        slots.join(0, popen.pid)
        begin(popen)
        deadline = time.monotonic() + 30
        while not slots.events(0).oom_kills and time.monotonic() < deadline:
            time.sleep(0.01)
        seen = slots.events(0)
        assert seen.oom_kills >= 1
        assert 60 * MB < seen.memory_peak <= 100 * MB
        assert slots.events(1) == Events(memory_peak=slots.events(1).memory_peak)
        slots.kill(0)


@has_all
def test_processes_of_a_slot_are_counted_and_all_killed(slots: CgroupSlots, until: Callable[..., bool]) -> None:
    slots.prepare(1, LIMITS)
    with program(_FORKS) as popen:
        slots.join(1, popen.pid)
        begin(popen)
        assert until(lambda: slots.events(1).pids_hits > 0)
        assert isinstance(_FOUND, Place)
        [group] = [path for path in left() if path.parent == _FOUND.directories["pids"]]
        assert len((group / "1" / "cgroup.procs").read_text().split()) == 12
        slots.kill(1)
        assert popen.wait() == -signal.SIGKILL
        assert until(lambda: (group / "1" / "cgroup.procs").read_text() == "")


@has_all
def test_the_next_job_of_a_slot_begins_to_count_anew(slots: CgroupSlots) -> None:
    slots.prepare(0, LIMITS)
    with program("x = bytearray(300 * 1024**2)") as popen:
        slots.join(0, popen.pid)
        begin(popen)
        assert popen.wait() == -signal.SIGKILL
    assert slots.events(0).oom_kills == 1
    slots.prepare(0, Limits(memory=400 * MB, pids=12))
    assert (slots.events(0).oom_kills, slots.events(0).pids_hits) == (0, 0)
    assert slots.events(0).memory_peak < 50 * MB
    with program("x = bytearray(300 * 1024**2)") as popen:
        slots.join(0, popen.pid)
        begin(popen)
        assert popen.wait() == 0
    assert slots.events(0).oom_kills == 0


@has_all
def test_a_slot_gets_its_share_of_cpu(slots: CgroupSlots) -> None:
    slots.prepare(0, Limits(), cpus=0.1)
    code = "import time\nend = time.time() + 1\nwhile time.time() < end: pass\nassert time.process_time() < 0.5"
    with program(code) as popen:
        slots.join(0, popen.pid)
        begin(popen)
        assert popen.wait() == 0


@real
def test_nothing_is_left_when_they_are_closed_even_with_processes_in_them() -> None:
    made = open_slots(1)
    assert made is not None
    made.prepare(0, LIMITS)
    with program("import time; time.sleep(60)") as popen:
        made.join(0, popen.pid)
        made.close()
        assert popen.wait() == -signal.SIGKILL
    assert left() == []


@real
def test_what_a_dead_worker_left_is_swept_and_a_living_ones_stays(slots: CgroupSlots) -> None:
    code = "import os\nfrom postmill.sandbox.cgroup import open_slots\nopen_slots(1)\nprint(os.getpid(), flush=True)\n"
    repository = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"{code}os.kill(os.getpid(), 9)"], capture_output=True, text=True, cwd=repository
    )
    dead = done.stdout.strip()
    assert dead
    assert isinstance(_FOUND, Place)
    bases = set(_FOUND.directories.values())
    assert [path for base in bases for path in base.iterdir() if f"-{dead}-" in path.name] != []
    second = open_slots(1, mark="postmill-jail/1/other")
    assert second is not None
    try:
        assert [path for base in bases for path in base.iterdir() if f"-{dead}-" in path.name] == []
        assert left() != []
    finally:
        second.close()


@real
def test_a_group_that_is_gone_is_reported_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    made = open_slots(1)
    assert made is not None
    made.close()
    with caplog.at_level(logging.WARNING, "postmill.sandbox"):
        for _ in range(3):
            made.prepare(0, LIMITS)
            made.join(0, os.getpid())
            made.kill(0)
    assert made.events(0) == Events()
    assert len(caplog.records) == len({record.__dict__["what"] for record in caplog.records}) > 0


@pytest.mark.skipif(not Path("/sys/fs/cgroup/unified/cgroup.kill").parent.exists() or os.geteuid() != 0, reason="v2")
def test_a_v2_group_is_killed_at_once() -> None:
    group = Path(f"/sys/fs/cgroup/unified/postmill-test-{os.getpid()}")
    made = CgroupSlots(Place(2, {}), group.name, 1)
    made._roots = {"none": group}
    group.mkdir()
    (group / "0").mkdir()
    try:
        with program("import time; time.sleep(60)") as popen:
            made.join(0, popen.pid)
            made.kill(0)
            assert popen.wait() == -signal.SIGKILL
    finally:
        made.close()
    assert not group.exists()


def test_without_a_controller_jobs_give_way() -> None:
    with program("") as popen:
        give_way(popen.pid)
        assert os.getpriority(os.PRIO_PROCESS, popen.pid) == 10
    give_way(popen.pid)


# v2, on plain files ---------------------------------------------------------------------------------------------------


class Tree:
    """A machine with cgroup v2, and a process in one of its groups."""

    def __init__(self, path: Path, group: str, controllers: str) -> None:
        self.top = path / "cgroup"
        self.own = self.top / group.lstrip("/")
        self.process = path / "process"
        self.process.mkdir()
        (self.process / "cgroup").write_text(f"0::{group}\n")
        (self.process / "mountinfo").write_text(f"30 25 0:26 / {self.top} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n")
        self.group(self.own, controllers)

    def group(self, path: Path, controllers: str = "") -> None:
        """What the kernel puts into a new group."""
        path.mkdir(parents=True, exist_ok=True)
        texts = {"cgroup.controllers": controllers, "cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.type": ""}
        for name, text in texts.items():
            (path / name).write_text(text)

    def slot(self, path: Path) -> None:
        self.group(path)
        texts = {"memory.events": "low 0\noom_kill 2\n", "pids.events": "max 5\n", "memory.peak": "1000000\n"}
        for name in ("memory.max", "memory.swap.max", "cpu.max", "pids.max"):
            texts[name] = ""
        for name, text in texts.items():
            (path / name).write_text(text)


def test_a_containers_root_is_ours_and_what_runs_there_moves_down(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/", "cpuset cpu memory pids")
    tree.group(tree.own / "postmill")
    found = find(tree.process)
    assert found == Place(2, dict.fromkeys(("memory", "pids", "cpu"), tree.own))
    assert found.words == "cgroup v2 (memory, pids, cpu)"
    (tree.own / "cgroup.procs").write_text("4711\n")
    assert isinstance(found, Place)
    assert make_room(found) == found
    assert (tree.own / "postmill" / "cgroup.procs").read_text() == "4711"
    # The last of three, over the first of what a plain file keeps.
    assert (tree.own / "cgroup.subtree_control").read_text().startswith("+cpu")


def test_the_second_worker_finds_itself_a_level_down_and_looks_up(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/", "memory pids")
    tree.group(tree.own / "postmill")
    (tree.process / "cgroup").write_text("0::/postmill\n")
    assert find(tree.process) == Place(2, {"memory": tree.own, "pids": tree.own})


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's own group is delegated by who owns it")
def test_a_group_that_was_not_delegated_is_left_alone(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/system.slice/postmill.service", "cpu memory pids")
    found = find(tree.process)
    assert isinstance(found, Nowhere)
    assert "Delegate=yes" in found.words
    os.setxattr(tree.own, "trusted.delegate", b"1")
    assert find(tree.process) == Place(2, dict.fromkeys(("memory", "pids", "cpu"), tree.own))


def test_a_group_without_controllers_is_of_no_use(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/", "hugetlb")
    found = find(tree.process)
    assert isinstance(found, Nowhere)
    assert found.words == "rlimits, memory by polling (no controllers are handed down to its cgroup)"
    assert open_slots(1, found) is None


def test_a_container_sees_its_own_group_where_it_is_mounted(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/", "memory")
    (tree.process / "cgroup").write_text("0::/docker/abc\n")
    mounted = f"30 25 0:26 /docker/abc {tree.top} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
    (tree.process / "mountinfo").write_text(mounted)
    assert find(tree.process) == Place(2, {"memory": tree.own})


def test_a_machine_without_cgroups_says_so(tmp_path: Path) -> None:
    assert isinstance(find(tmp_path), Nowhere)


def test_limits_of_a_slot_in_version_two(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/", "memory pids cpu")
    root = tree.own / "name"
    tree.group(root)
    tree.slot(root / "0")
    made = CgroupSlots(Place(2, dict.fromkeys(CONTROLLERS, tree.own)), "name", 1)
    made.prepare(0, Limits(memory=5000, pids=7), cpus=0.25)
    told = [(root / "0" / name).read_text() for name in ("memory.max", "pids.max", "cpu.max", "memory.swap.max")]
    assert told == ["5000", "7", "25000 100000", "0"]
    made.join(0, 4711)
    assert (root / "0" / "cgroup.procs").read_text() == "4711"
    (root / "0" / "memory.events").write_text("oom_kill 3\n")
    (root / "0" / "pids.events").write_text("max 9\n")
    seen = made.events(0)
    assert (seen.oom_kills, seen.pids_hits) == (1, 4)
