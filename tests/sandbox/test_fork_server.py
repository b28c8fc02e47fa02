"""Fork-servers and their spares: what is shared, what is not, and what becomes of them."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from postmill.model.errors import SandboxError
from postmill.sandbox import servers
from postmill.sandbox.command import Command, Ended, Limits, Runtime
from postmill.sandbox.host import interpreter
from postmill.sandbox.servers import Sandbox

pytestmark = pytest.mark.anyio

_LIMITS = Limits(timeout=30, kill_grace=0.2)
_RUNNER = "postmill.executors.python_runner"


def script(source: str, *, owner: str = "", imports: tuple[str, ...] = (), directory: str = "") -> Command:
    executable, prefix = interpreter()
    return Command(
        argv=(),
        call="main",
        files={"script.py": source.encode(), ".postmill/args.json": b"{}"},
        owner=owner,
        runtime=Runtime(executable=executable, prefix=prefix, runner=_RUNNER, imports=imports, directory=directory),
    )


async def run(sandbox: Sandbox, command: Command, limits: Limits = _LIMITS, slot: int = 0) -> Ended:
    return await (await sandbox.start(command, limits, slot, lambda _: None)).wait()


async def result(sandbox: Sandbox, command: Command, limits: Limits = _LIMITS, slot: int = 0) -> object:
    ended = await run(sandbox, command, limits, slot)
    assert ended.reply.startswith(b"R"), ended
    return json.loads(ended.reply[1:])


def processes(sandbox: Sandbox) -> list[psutil.Process]:
    """All that its fork-servers started."""
    return [each for pid in sandbox.pids() for each in psutil.Process(pid).children(recursive=True)]


async def _spare(sandbox: Sandbox) -> None:
    """Until the refill after the last job is done."""
    while not sandbox.spares():
        await asyncio.sleep(0.01)


async def test_twelve_jobs_in_a_row_share_no_random_byte(sandbox: Sandbox) -> None:
    source = (
        "import os, random, secrets, ssl, uuid, tempfile\n"
        "def main():\n"
        "    return [ssl.RAND_bytes(16).hex(), random.random(), os.urandom(16).hex(), str(uuid.uuid4()),\n"
        "            secrets.token_hex(), random.SystemRandom().random(), next(tempfile._get_candidate_names())]\n"
    )
    command = script(source, imports=("random", "secrets", "ssl", "uuid", "tempfile"))
    rows = [await result(sandbox, command) for _ in range(12)]
    values = [value for row in rows for value in row]  # type: ignore[attr-defined]
    assert len(set(values)) == 12 * 7


async def test_a_process_that_a_job_forks_shares_no_random_byte_with_another_job_s(sandbox: Sandbox) -> None:
    """Their pids are the same in every job, and that of the fork-server may be among them."""
    source = (
        "import os, ssl\n"
        "def main():\n"
        "    found = []\n"
        "    for _ in range(6):\n"
        "        read, write = os.pipe()\n"
        "        if os.fork() == 0:\n"
        "            os.write(write, ssl.RAND_bytes(16)); os._exit(0)\n"
        "        found.append(os.read(read, 16).hex()); os.wait()\n"
        "    return found\n"
    )
    command = script(source, imports=("ssl",))
    values = [value for _ in range(4) for value in await result(sandbox, command)]  # type: ignore[attr-defined]
    assert len(set(values)) == 24


async def test_a_job_can_leave_nothing_for_the_next(sandbox: Sandbox) -> None:
    leave = script(
        "import builtins, ctypes, json, os, signal, socket, subprocess, sys, threading\n"
        "def main():\n"
        "    builtins.mark = json.mark = sys.mark = 'left'\n"
        "    json.dumps = lambda *a, **k: 'left'\n"
        "    os.environ['MARK'] = 'left'\n"
        "    sys.path.append('/left'); sys.modules['left'] = sys\n"
        "    os.umask(0o077); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    for place in ('/job', '/tmp', '/dev/shm'):\n"
        "        open(place + '/left', 'w').write('left')\n"
        "    s = socket.socket(socket.AF_UNIX); s.bind('\\0left'); s.listen(); sys.kept = s\n"
        "    subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    libc = ctypes.CDLL(None); libc.shmget(4711, 4096, 0o1666)\n"
    )
    look = script(
        "import builtins, ctypes, json, os, signal, socket, sys\n"
        "def main():\n"
        "    s = socket.socket(socket.AF_UNIX)\n"
        "    libc = ctypes.CDLL(None)\n"
        "    return {\n"
        "        'memory': [hasattr(m, 'mark') for m in (builtins, json, sys)] + [json.dumps(1) == 'left'],\n"
        "        'modules': 'left' in sys.modules or '/left' in sys.path,\n"
        "        'environment': 'MARK' in os.environ,\n"
        "        'mask': os.umask(0o022) == 0o077,\n"
        "        'signals': signal.getsignal(signal.SIGTERM) is signal.SIG_IGN,\n"
        "        'files': [os.path.exists(place + '/left') for place in ('/job', '/tmp', '/dev/shm')],\n"
        "        'socket': s.connect_ex('\\0left') == 0,\n"
        "        'processes': [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 2],\n"
        "        'shared memory': libc.shmget(4711, 4096, 0) != -1,\n"
        "    }\n"
    )
    await run(sandbox, leave)
    found = await result(sandbox, look)
    assert found == {
        "memory": [False] * 4,
        "modules": False,
        "environment": False,
        "mask": False,
        "signals": False,
        "files": [False] * 3,
        "socket": False,
        "processes": [],
        "shared memory": False,
    }


async def test_a_spare_waits_sealed_before_there_is_a_job(sandbox: Sandbox) -> None:
    await run(sandbox, script("def main(): return 1"))
    await _spare(sandbox)
    waiting = [each for each in processes(sandbox) if "seccomp" in _sealed(each)]
    assert len(waiting) == 1
    status = Path(f"/proc/{waiting[0].pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def _sealed(process: psutil.Process) -> str:
    return "seccomp" if "Seccomp:\t2" in Path(f"/proc/{process.pid}/status").read_text() else ""


async def test_other_limits_are_those_of_a_child_made_for_the_job(sandbox: Sandbox) -> None:
    source = "import resource\ndef main(): return [resource.getrlimit(resource.RLIMIT_NOFILE)[0], _disk()]\n" + (
        "def _disk():\n    import os\n    found = os.statvfs('/job')\n"
        "    return [found.f_blocks * found.f_bsize, found.f_files]\n"
    )
    await run(sandbox, script(source))
    limits = replace(_LIMITS, files=77, disk=8 * 1024**2, inodes=50)
    assert await result(sandbox, script(source), limits) == [77, [8 * 1024**2, 50]]
    assert await result(sandbox, script(source)) == [1024, [1024**3, 100_000]]


async def test_no_network_is_none_but_a_loopback_of_its_own(sandbox: Sandbox) -> None:
    source = (
        "import os, socket\n"
        "def main():\n"
        "    own = socket.create_server(('127.0.0.1', 0))\n"
        "    socket.create_connection(own.getsockname()).close()\n"
        "    return sorted(name for _, name in socket.if_nameindex())\n"
    )
    assert await result(sandbox, replace(script(source), network="none")) == ["lo"]
    assert len(await result(sandbox, script(source))) >= 1  # type: ignore[arg-type]


async def test_a_fork_server_that_dies_takes_its_jobs_along_and_is_replaced(sandbox: Sandbox) -> None:
    first = asyncio.Event()
    started = await sandbox.start(
        script("import time\ndef main():\n    print('on', flush=True)\n    time.sleep(60)"),
        _LIMITS,
        0,
        lambda _: first.set(),
    )
    await asyncio.wait_for(first.wait(), 20)
    [pid] = sandbox.pids()
    below = processes(sandbox)
    psutil.Process(pid).kill()
    assert (await started.wait()).reason == "sandbox"
    _, alive = psutil.wait_procs(below, 10)
    assert not alive
    assert await result(sandbox, script("def main(): return 1")) == 1


async def test_no_two_workspaces_share_a_fork_server(sandbox: Sandbox) -> None:
    for owner in ("one", "two", "one"):
        await run(sandbox, script("def main(): return 1", owner=owner))
    assert len(sandbox.pids()) == 2


async def test_what_scripts_import_is_loaded_before_the_next_fork(sandbox: Sandbox) -> None:
    source = "import sys\nloaded = 'sqlite3' in sys.modules\nimport sqlite3\ndef main(): return loaded"
    command = script(source, imports=("statistics",))
    assert await result(sandbox, command) is False
    command = replace(command, runtime=replace(command.runtime, imports=("statistics", "sqlite3")))  # type: ignore[type-var]
    assert await result(sandbox, command) is False
    deadline = time.monotonic() + 20
    while await result(sandbox, command) is False:
        assert time.monotonic() < deadline


async def test_imports_that_start_threads_are_left_to_the_jobs(sandbox: Sandbox, tmp_path: Path) -> None:
    """A fork has only the thread that forked."""
    (tmp_path / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    tmp_path.chmod(0o755)
    command = script(
        "import threading, threaded\ndef main(): return threading.active_count()",
        imports=("threaded",),
        directory=str(tmp_path),
    )
    assert await result(sandbox, command) == 2
    assert await result(sandbox, command) == 2


async def test_an_import_that_fails_is_the_job_s_to_tell(sandbox: Sandbox) -> None:
    command = script("import nowhere\ndef main(): return 1", imports=("nowhere",))
    ended = await run(sandbox, command)
    assert b"ModuleNotFoundError" in ended.reply


async def test_a_fork_server_retires_after_so_many_children(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "CHILDREN_AT_MOST", 3)
    seen = set()
    for _ in range(8):
        assert await result(sandbox, script("def main(): return 1")) == 1
        seen |= set(sandbox.pids())
    assert len(seen) >= 2
    deadline = time.monotonic() + 20
    while sum(psutil.pid_exists(pid) for pid in seen) > 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_servers_and_spares_stay_below_a_bound_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_LOOK_S", 0.0)
    sandbox = Sandbox(1, memory=1)
    for owner in ("one", "two", "three"):
        await run(sandbox, script("def main(): return 1", owner=owner))
    deadline = time.monotonic() + 20
    while len(sandbox.pids()) > 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    # The one that was used last stays.
    assert sandbox.owners() == ["three"]
    await sandbox.close()


async def test_closing_leaves_no_process_and_no_descriptor(until: Callable[[Callable[[], bool]], bool]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    sandbox = Sandbox(2)
    await sandbox.start(script("import time\ndef main(): time.sleep(60)"), _LIMITS, 0, lambda _: None)
    await run(sandbox, script("def main(): return 1"), slot=1)
    below = [*processes(sandbox), *(psutil.Process(pid) for pid in sandbox.pids())]
    await sandbox.close()
    assert until(lambda: not any(each.is_running() for each in below))
    await asyncio.sleep(0.1)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


async def test_an_interpreter_that_is_not_there_is_told(sandbox: Sandbox) -> None:
    command = script("def main(): return 1")
    runtime = replace(command.runtime, executable="/nowhere/python")  # type: ignore[type-var]
    with pytest.raises(SandboxError, match="/nowhere/python"):
        await run(sandbox, replace(command, runtime=runtime))
    assert await result(sandbox, command) == 1


async def test_a_directory_appears_in_a_spare_that_was_sealed_before(sandbox: Sandbox) -> None:
    """Late binding: what is mounted for a slot reaches /shared of the child that waits in it."""
    await run(sandbox, script("def main(): return 1"))
    await _spare(sandbox)
    await sandbox.share(script("").owner, 0, "/usr/bin")
    source = "import os\ndef main(): return 'env' in os.listdir('/shared')"
    assert await result(sandbox, script(source)) is True
    await sandbox.share(script("").owner, 0, None)
    assert await result(sandbox, script(source)) is False


async def test_what_lies_below_the_machine_s_tmp_is_seen_above_the_job_s_own(sandbox: Sandbox) -> None:
    """An installation there: directories and single files, also of one directory."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        home = Path(place)
        home.chmod(0o755)
        (home / "packages").mkdir()
        (home / "packages" / "here.py").write_text("found = 'package'")
        (home / "bin").mkdir()
        for name in ("one", "two"):
            (home / "bin" / name).write_text(f"program {name}")
        source = (
            "import os, here\n"
            f"def main():\n    os.chdir({place!r})\n"
            "    open('/tmp/mine', 'w').close()\n"
            "    return [here.found, open('bin/one').read(), open('bin/two').read(), sorted(os.listdir('bin'))]\n"
        )
        command = script(source, directory=str(home / "packages"))
        command = replace(command, read_only=(str(home / "bin" / "one"), str(home / "bin" / "two")))
        assert await result(sandbox, command) == ["package", "program one", "program two", ["one", "two"]]
