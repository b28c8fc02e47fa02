"""Real jails: streaming, limits, ends, and that nothing is left."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from postmill.sandbox.command import TAIL, Command, Ended, Limits
from postmill.sandbox.servers import Sandbox

pytestmark = pytest.mark.anyio

_QUICK = Limits(timeout=30, kill_grace=0.3)


def sh(script: str, *, split_output: bool = False) -> Command:
    return Command(argv=("/bin/sh", "-c", script), split_output=split_output)


async def run(
    sandbox: Sandbox, script: str, limits: Limits = _QUICK, *, split_output: bool = False, slot: int = 0
) -> tuple[Ended, list[bytes]]:
    pieces: list[bytes] = []
    started = await sandbox.start(sh(script, split_output=split_output), limits, slot, pieces.append)
    return await started.wait(), pieces


async def test_output_and_reply_come_with_the_exit_code(sandbox: Sandbox) -> None:
    ended, pieces = await run(sandbox, "echo out; echo err >&2; echo answer >&3; exit 7")
    assert b"".join(pieces) == ended.tail == b"out\nerr\n"
    assert (ended.reason, ended.exit_code, ended.reply, ended.stdout) == ("exited", 7, b"answer\n", b"")


async def test_a_signal_is_a_negative_exit_code(sandbox: Sandbox) -> None:
    ended, _ = await run(sandbox, "kill -SEGV $$")
    assert (ended.reason, ended.exit_code) == ("exited", -signal.SIGSEGV)


async def test_stdout_and_stderr_on_one_pipe_keep_their_order(sandbox: Sandbox) -> None:
    ended, _ = await run(sandbox, "for i in $(seq 500); do echo $i; echo $i- >&2; done")
    assert ended.tail.decode().split() == [text for i in range(1, 501) for text in (f"{i}", f"{i}-")]


async def test_split_output_tells_stdout_from_the_whole(sandbox: Sandbox) -> None:
    ended, pieces = await run(sandbox, "echo out; echo err >&2", split_output=True)
    assert ended.stdout == b"out\n"
    assert sorted(b"".join(pieces).splitlines()) == [b"err", b"out"]


async def test_output_comes_before_the_end(sandbox: Sandbox) -> None:
    first = asyncio.Event()
    started = await sandbox.start(sh("echo early; sleep 60"), _QUICK, 0, lambda _: first.set())
    await asyncio.wait_for(first.wait(), 20)
    started.kill("canceled")
    assert (await started.wait()).tail == b"early\n"


async def test_only_the_end_of_long_output_is_kept(sandbox: Sandbox) -> None:
    ended, pieces = await run(sandbox, "seq 100000")
    assert sum(map(len, pieces)) == 588895
    assert len(ended.tail) == TAIL
    assert ended.tail.endswith(b"\n99999\n100000\n")


async def test_stdin_is_empty_and_no_other_descriptor_is_open(sandbox: Sandbox) -> None:
    ended, _ = await run(sandbox, "cat; ls /proc/self/fd; readlink /proc/self/fd/0")
    # 4 is ls's own view of the directory.
    assert ended.tail.split() == [b"0", b"1", b"2", b"3", b"4", b"/dev/null"]


async def test_stdout_and_stderr_can_be_opened_by_name(sandbox: Sandbox) -> None:
    ended, _ = await run(sandbox, "echo a >/dev/stdout; echo b >/dev/stderr")
    assert ended.tail == b"a\nb\n"


async def test_a_timeout_sends_sigterm_first(sandbox: Sandbox) -> None:
    ended, _ = await run(
        sandbox,
        "trap 'echo cleaned; exit 5' TERM; echo begun; while :; do sleep 0.05; done",
        Limits(timeout=0.3, kill_grace=20),
    )
    assert (ended.reason, ended.exit_code) == ("timeout", 5)
    # In between the shell may tell that its sleep got the signal too.
    assert ended.tail.startswith(b"begun\n") and ended.tail.endswith(b"cleaned\n")


async def test_a_timeout_reaches_every_process_of_the_job(sandbox: Sandbox) -> None:
    ended, _ = await run(
        sandbox,
        "(trap 'echo child; exit' TERM; while :; do sleep 0.05; done) & trap 'wait; exit 5' TERM; wait; wait",
        Limits(timeout=0.3, kill_grace=20),
    )
    assert ended.reason == "timeout"
    assert ended.tail.endswith(b"child\n")


async def test_one_who_ignores_sigterm_is_killed_after_the_grace(sandbox: Sandbox) -> None:
    ended, _ = await run(sandbox, "trap '' TERM; while :; do sleep 60; done", Limits(timeout=0.2, kill_grace=0.2))
    assert ended.reason == "timeout"
    assert ended.exit_code == -signal.SIGKILL


async def test_the_first_reason_of_a_kill_stays(sandbox: Sandbox) -> None:
    started = await sandbox.start(sh("sleep 60"), _QUICK, 0, lambda _: None)
    started.kill("lost_lease")
    started.kill("canceled")
    ended = await started.wait()
    started.kill("shutdown")
    assert ended.reason == "lost_lease"


async def test_killing_the_pidfd_ends_the_whole_tree(
    mark: str, marked: Callable[[], list[int]], until: Callable[[Callable[[], bool]], bool], sandbox: Sandbox
) -> None:
    begun = asyncio.Event()
    started = await sandbox.start(sh(f"setsid sleep {mark} & echo; sleep 60"), _QUICK, 0, lambda _: begun.set())
    await asyncio.wait_for(begun.wait(), 20)
    assert until(lambda: bool(marked()))
    signal.pidfd_send_signal(started.pidfd, signal.SIGKILL)
    await started.wait()
    assert not marked()


async def test_a_daemon_that_left_its_session_dies_with_the_job(
    mark: str, marked: Callable[[], list[int]], sandbox: Sandbox
) -> None:
    ended, _ = await run(
        sandbox, f"(setsid sh -c 'setsid sleep {mark} &' >/dev/null 2>&1 </dev/null 3>&- &); echo done"
    )
    assert (ended.reason, ended.exit_code, ended.tail) == ("exited", 0, b"done\n")
    assert not marked()


async def test_a_grandchild_that_keeps_the_pipes_open_does_not_delay_the_end(
    mark: str, marked: Callable[[], list[int]], sandbox: Sandbox
) -> None:
    ended, _ = await run(sandbox, f"sleep {mark} & echo done")
    assert (ended.reason, ended.tail) == ("exited", b"done\n")
    assert not marked()


async def test_a_cancelled_wait_kills_the_tree_first(
    mark: str, marked: Callable[[], list[int]], sandbox: Sandbox
) -> None:
    begun = asyncio.Event()
    started = await sandbox.start(sh(f"echo; sleep {mark}"), _QUICK, 0, lambda _: begun.set())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait_for(begun.wait(), 20)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not marked()


async def test_a_cancelled_start_leaves_nothing(
    mark: str, marked: Callable[[], list[int]], until: Callable[[Callable[[], bool]], bool]
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    sandbox = Sandbox(1)
    # While its fork-server is made, and while it forks: there is no spare with such a limit.
    for pids in (90, 91):
        limits = Limits(pids=pids)
        starting = asyncio.create_task(sandbox.start(sh(f"sleep {mark}"), limits, 0, lambda _: None))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await run(sandbox, "true")
    assert until(lambda: not marked())
    await sandbox.close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_kill_right_after_the_start_is_no_failure_of_the_sandbox(sandbox: Sandbox) -> None:
    for _ in range(10):
        started = await sandbox.start(sh("sleep 60"), _QUICK, 0, lambda _: None)
        started.kill("canceled")
        assert (await started.wait()).reason == "canceled"


async def test_no_descriptor_of_the_worker_is_lost() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    sandbox = Sandbox(1)
    for split in (True, False):
        await run(sandbox, "echo x >&3; exit 3", split_output=split)
        await run(sandbox, "sleep 60", Limits(timeout=0.05, kill_grace=0))
    await sandbox.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


async def test_a_reply_as_long_as_the_limit_is_taken_and_a_longer_one_is_not(sandbox: Sandbox) -> None:
    script = "head -c {} /dev/zero >&3; echo after"
    ended, _ = await run(sandbox, script.format(300_000), Limits(result=300_000))
    assert (ended.reason, len(ended.reply)) == ("exited", 300_000)
    ended, _ = await run(sandbox, script.format(300_001), Limits(result=300_000))
    assert ended.reason == "result_limit"
    ended, _ = await run(sandbox, "cat /dev/zero >&3", Limits(result=300_000))
    assert (ended.reason, ended.tail) == ("result_limit", b"")


async def test_a_flood_of_output_does_not_grow_the_worker_nor_keep_it_from_its_work(sandbox: Sandbox) -> None:
    ticks, longest = 0, 0

    def take(piece: bytes) -> None:
        nonlocal longest
        longest = max(longest, len(piece))

    started = await sandbox.start(sh("exec cat /dev/zero"), Limits(timeout=1, kill_grace=0), 0, take)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    waiting = asyncio.create_task(started.wait())
    while not waiting.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert (await waiting).reason == "timeout"
    assert longest <= 64 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024
    assert ticks > 10


async def test_a_file_cannot_be_longer_than_the_disk_limit(sandbox: Sandbox) -> None:
    ended, _ = await run(sandbox, "head -c 3000000 /dev/zero >big; ls -s --block-size=1 big", Limits(disk=1024**2))
    assert int(ended.tail.split()[-2]) <= 1024**2


@pytest.mark.parametrize("place", ["/job", "/tmp"])
async def test_many_files_cannot_take_more_than_the_disk_limit(place: str, sandbox: Sandbox) -> None:
    script = f"cd {place}; for i in 1 2 3 4; do head -c 500000 /dev/zero >$i || echo refused; done"
    ended, _ = await run(sandbox, script, Limits(disk=1024**2))
    assert b"No space left on device" in ended.tail
    assert ended.tail.count(b"refused") == 2


async def test_there_is_a_limit_of_processes_which_counts_this_job_only(sandbox: Sandbox) -> None:
    script = "for i in $(seq 60); do sleep 20 & done; echo all"
    other = await sandbox.start(sh("for i in $(seq 30); do sleep 60 & done; wait"), Limits(pids=40), 1, lambda _: None)
    refused, _ = await run(sandbox, script, Limits(pids=20, timeout=30))
    allowed, _ = await run(sandbox, script, Limits(pids=70, timeout=30))
    other.kill("canceled")
    await other.wait()
    assert b"all" not in refused.tail
    assert allowed.tail == b"all\n"


async def test_there_is_a_limit_of_open_files(sandbox: Sandbox) -> None:
    ended, _ = await run(sandbox, "ulimit -n; ulimit -c", Limits(files=77))
    assert ended.tail.split() == [b"77", b"0"]


async def test_processes_that_together_take_too_much_memory_are_killed(sandbox: Sandbox) -> None:
    prefix = str(Path(os.path.realpath(sys.base_prefix)))
    python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    script = "import os, time\nfor i in range(4):\n  if os.fork() == 0: break\nx = b'x' * 60_000_000\ntime.sleep(60)"
    command = Command(argv=(python, "-I", "-S", "-c", script), read_only=(prefix,))
    started = await sandbox.start(command, Limits(memory=200 * 1024**2, timeout=40), 0, lambda _: None)
    ended = await started.wait()
    assert ended.reason == "memory_limit"
    assert ended.memory_peak > 200 * 1024**2


async def test_user_code_has_no_privileges(sandbox: Sandbox) -> None:
    ended, _ = await run(sandbox, "id -u; grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status")
    uid, *rest = ended.tail.decode().split("\n")
    assert int(uid) != 0
    status = dict(line.split(":\t") for line in rest if line)
    assert status.pop("NoNewPrivs") == "1"
    assert status.pop("CapBnd") in ("0000000000000000", "000001ffffffffff") and set(status.values()) == {"0" * 16}


async def test_the_system_cannot_be_written_to(sandbox: Sandbox) -> None:
    places = "/ /usr /etc /dev /run /run/postmill /proc/sys/kernel /home"
    ended, _ = await run(sandbox, f"for d in {places}; do touch $d/mine 2>/dev/null && echo $d; done; true")
    assert ended.tail == b""


async def test_nothing_of_the_job_before_is_left(sandbox: Sandbox) -> None:
    await run(sandbox, "echo secret >/job/mine; echo secret >/tmp/mine; echo secret >/dev/shm/mine")
    ended, _ = await run(sandbox, "cat /job/mine /tmp/mine /dev/shm/mine 2>/dev/null; ls -A /job /tmp /dev/shm")
    assert b"secret" not in ended.tail
    assert b"mine" not in ended.tail


async def test_the_init_of_the_jail_tells_nothing_of_the_worker(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://postmill:tell-nobody@host/db")
    ended, _ = await run(sandbox, "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
    assert b"PATH=" in ended.tail
    assert b"tell-nobody" not in ended.tail
    assert b"site-packages" not in ended.tail
