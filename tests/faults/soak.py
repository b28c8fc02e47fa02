"""Twenty minutes of 20 jobs a second with a random kill every ten seconds; the auditor looks once a minute.

python -m tests.faults.soak [--minutes 20] [--rate 20] [--kill-every 10] [--seed 1]
"""

import argparse
import json
import random
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import httpx2

from tests.faults.auditor import leftovers
from tests.faults.cluster import Cluster, effect, wait_until

AUDIT_EVERY_S = 60.0
WORKERS = 2


class Soak:
    """One run: a thread that pushes, and the main thread that kills and audits."""

    def __init__(self, cluster: Cluster, rate: float, kill_every_s: float, seed: int) -> None:
        self.cluster = cluster
        self.rate = rate
        self.kill_every_s = kill_every_s
        self.random = random.Random(seed)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.kills = {"worker": 0, "server": 0, "postgres": 0}
        self.refused = 0
        self._stop = threading.Event()

    def push(self) -> None:
        """Every accepted id is kept by the client itself (A1); what was refused was not accepted."""
        with httpx2.Client(base_url=self.cluster.http.base_url, headers=self.cluster.http.headers, timeout=10) as http:
            while not self._stop.is_set():
                started = time.monotonic()
                try:
                    answer = http.post("/w/main/jobs/run/p/u/ann/effect", json={})
                    if answer.status_code == 201:
                        self.cluster.accepted.append(answer.text)
                    else:
                        self.refused += 1
                except httpx2.TransportError:
                    self.refused += 1
                time.sleep(max(0.0, 1 / self.rate - (time.monotonic() - started)))

    def kill_something(self) -> None:
        victim = self.random.choices(["worker", "server", "postgres"], [6, 2, 1])[0]
        self.kills[victim] += 1
        if victim == "worker":
            place = self.random.randrange(WORKERS)
            self.workers[place].kill()
            self.workers[place] = self.cluster.start("worker")
        elif victim == "server":
            self.cluster.server.kill()
            self.cluster.server.wait()
            self.cluster.server = self.cluster.start("server")
        else:
            self.cluster.kill_postgres()
            wait_until(lambda: not self.cluster.postgres.alive(), "Postgres is gone")
            self.cluster.postgres.start()

    def run(self, minutes: float) -> dict[str, object]:
        self.cluster.deploy("u/ann/effect", effect(self.cluster.ledger))
        self.workers = [self.cluster.start("worker") for _ in range(WORKERS)]
        pusher = threading.Thread(target=self.push)
        pusher.start()
        end = time.monotonic() + minutes * 60
        audit_at = time.monotonic() + AUDIT_EVERY_S
        audits = 0
        try:
            while time.monotonic() < end:
                time.sleep(self.kill_every_s)
                self.kill_something()
                if time.monotonic() >= audit_at:
                    self.cluster.audit()
                    audits += 1
                    audit_at += AUDIT_EVERY_S
                    print(json.dumps({"accepted": len(self.cluster.accepted), "kills": self.kills}), flush=True)
        finally:
            self._stop.set()
            pusher.join()
        wait_until(lambda: self.cluster.http.get("/health").status_code == 200, "the server is ready")
        wait_until(self._drained, "the queue is empty", 300)
        self.cluster.audit()
        for process in self.workers:
            process.terminate()
            process.wait(30)
        left = leftovers(["runner.py", "postmill-jail"])
        assert not left, left
        twice = sum(count > 1 for count in self.cluster.ledger.effects().values())
        return {
            "minutes": minutes,
            "accepted": len(self.cluster.accepted),
            "refused": self.refused,
            "kills": self.kills,
            "audits": audits + 1,
            "took_effect_twice_and_said_so": twice,
        }

    def _drained(self) -> bool:
        try:
            return bool(self.cluster.http.get("/w/main/jobs/queue/list?per_page=1").json() == [])
        except httpx2.TransportError:
            return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--kill-every", type=float, default=10, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pm-", ignore_cleanup_errors=True) as home, Cluster(Path(home)) as cluster:
        print(json.dumps(Soak(cluster, chosen.rate, chosen.kill_every, chosen.seed).run(chosen.minutes)), flush=True)


if __name__ == "__main__":
    main()
