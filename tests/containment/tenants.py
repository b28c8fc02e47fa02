"""Two tenants, thousands of jobs, one in a hundred hostile: nothing passes from one to another, and nothing is left.

python -m tests.containment.tenants [--jobs 10000] [--hostile 0.01] [--slots 2] [--seed 1]
"""

import argparse
import asyncio
import json
import os
import random
import resource
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from postmill.environments.python import PythonEnvironments
from postmill.executors.contract import Task
from postmill.executors.registry import Executors
from postmill.sandbox.servers import Sandbox
from postmill.settings import Settings
from tests.containment import scene
from tests.containment.attacks import ATTACKS, Attack
from tests.containment.running import SCRIPTS, SMALL
from tests.containment.scene import Scene

TENANTS = ("one", "two")
_WARM_UP = 200
"""Jobs before the first count: by then every fork-server is there, and has loaded what its scripts import."""
_PYTHON = """
import builtins, os, sys, tempfile

def main(tenant: str, number: int):
    seen = {
        "memory": getattr(builtins, "kept", None),
        "environment": os.environ.get("KEPT"),
        "files": [name for place in ("/job", "/tmp", "/dev/shm") for name in os.listdir(place) if "kept" in name],
        "processes": [name for name in os.listdir("/proc") if name.isdigit() and int(name) > 2],
        "token": os.environ["WM_TOKEN"],
    }
    builtins.kept = sys.kept = tenant
    os.environ["KEPT"] = tenant
    for place in ("/job", "/tmp", "/dev/shm"):
        with open(f"{place}/kept", "w") as file:
            file.write(tenant * 1000)
    os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")
    return seen
"""
_BASH = """
tenant="$1" number="$2"
[ -z "$KEPT" ] && [ ! -e /tmp/kept ] && [ ! -e /dev/shm/kept ] || { echo "found something"; exit 1; }
echo "$tenant" | tee /tmp/kept >/dev/shm/kept
setsid sleep 60 &
echo "$WM_TOKEN"
"""


@dataclass(frozen=True, slots=True)
class Count:
    """What could leak."""

    fork_servers: int
    """One or two a tenant: with each come five processes, and two spares with descriptors of their own."""
    processes: int
    descriptors: int
    mounts: int
    cgroups: int
    worker_mb: float
    servers_mb: float
    files: int

    @classmethod
    def now(cls, sandbox: Sandbox) -> "Count":
        me = psutil.Process()
        below = me.children(recursive=True)
        servers = [each for each in below if "outer.py" in " ".join(_words(each))]
        groups = sum(1 for root in Path("/sys/fs/cgroup").glob("*") for _ in root.glob("**/postmill-jail*"))
        return cls(
            fork_servers=len(sandbox.pids()),
            processes=len(below),
            descriptors=len(os.listdir("/proc/self/fd")),
            mounts=len(Path("/proc/self/mountinfo").read_text().splitlines()),
            cgroups=groups,
            worker_mb=round(me.memory_info().rss / 1e6, 1),
            servers_mb=round(sum(_pss(each) for each in servers) / 1e6, 1),
            files=len(os.listdir(tempfile.gettempdir())),
        )


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


class Run:
    """One run over a worker's sandbox."""

    def __init__(self, sandbox: Sandbox, home: Path, where: Scene, hostile: float, seed: int) -> None:
        self._executors = Executors(sandbox, PythonEnvironments.of(Settings(home=home)))
        self._where = where
        self._hostile = hostile
        self._random = random.Random(seed)
        # Those that are over in a moment: what takes its whole timeout is in the table's own test.
        self._attacks = [
            each for each in ATTACKS if not each.limits and not each.beside and len(each.steps) == 1 and not each.leaves
        ]
        self.hostile = 0
        self.through: list[str] = []
        self.contaminated: list[str] = []
        self.failed: list[str] = []

    async def job(self, number: int, slot: int) -> None:
        """A job of one of the tenants."""
        tenant = self._random.choice(TENANTS)
        if self._random.random() < self._hostile:
            return await self._attack(self._random.choice(self._attacks), tenant, slot)
        language = self._random.choice(["python3", "python3", "bash"])
        token = f"{tenant}-{number}"
        task = Task(
            language=language,
            content=_PYTHON if language == "python3" else _BASH,
            args=json.dumps({"tenant": tenant, "number": number}),
            env={"WM_TOKEN": token},
            workspace=tenant,
        )
        outcome = await (await self._executors.start(task, SMALL, slot, lambda _: None)).wait()
        found = json.loads(outcome.result)
        clean: dict[str, object] = {"memory": None, "environment": None, "files": [], "processes": [], "token": token}
        if not outcome.ok:
            self.failed.append(outcome.result[:300])
        elif found != (clean if language == "python3" else token):
            self.contaminated.append(outcome.result[:300])

    async def _attack(self, attack: Attack, tenant: str, slot: int) -> None:
        self.hostile += 1
        mark = scene.new_mark()
        arguments = self._where.arguments() | {"mark": mark, "call": attack.call, "step": attack.steps[0], "key": 1}
        source = (SCRIPTS / attack.source).read_text()
        task = Task(attack.language, source, json.dumps(arguments), workspace=tenant)
        limits = replace(SMALL, timeout=5)
        outcome = await (await self._executors.start(task, limits, slot, lambda _: None)).wait()
        if outcome.ok and "SUCCEEDED" in outcome.result and not attack.no_network:
            self.through.append(attack.name)
        if scene.marked(mark):
            self.through.append(f"{attack.name} left a process")
            scene.end(mark)


async def tenants(jobs: int, hostile: float, slots: int, seed: int) -> dict[str, object]:
    """The run; returns its figures."""
    home = Path(tempfile.mkdtemp(prefix="tenants-", dir="/var/tmp"))
    sandbox = Sandbox(slots, SMALL)
    try:
        with scene.laid_out() as where:
            run = Run(sandbox, home, where, hostile, seed)
            numbers = iter(range(jobs + _WARM_UP))
            before: list[Count] = []

            async def work(slot: int, until: int) -> None:
                while (number := next(numbers, until)) < until:
                    await run.job(number, slot)

            await asyncio.gather(*(work(slot, _WARM_UP) for slot in range(slots)))
            await asyncio.sleep(1)
            before.append(Count.now(sandbox))
            started = time.perf_counter()
            numbers = iter(range(_WARM_UP, jobs + _WARM_UP))
            await asyncio.gather(*(work(slot, jobs + _WARM_UP) for slot in range(slots)))
            seconds = time.perf_counter() - started
            await asyncio.sleep(1)
            after = Count.now(sandbox)
    finally:
        await sandbox.close()
        shutil.rmtree(home, ignore_errors=True)
    left = [each.pid for each in psutil.Process().children(recursive=True)]
    return {
        "jobs": jobs,
        "hostile": run.hostile,
        "through": run.through,
        "contaminated": run.contaminated[:10],
        "failed": run.failed[:10],
        "jobs_a_second": round(jobs / seconds, 1),
        "before": {name: getattr(before[0], name) for name in Count.__slots__},
        "after": {name: getattr(after, name) for name in Count.__slots__},
        "processes_after_close": left,
        "worker_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--hostile", type=float, default=0.01)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = asyncio.run(tenants(given.jobs, given.hostile, given.slots, given.seed))
    print(json.dumps(found, indent=1))
    if found["through"] or found["contaminated"] or found["failed"] or found["processes_after_close"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
