"""The oldest Postgres that is supported: the verbs of the queue and the store, on 15."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

BINARIES = Path("/usr/lib/postgresql/15/bin")
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BINARIES / "postgres").exists(), reason="no Postgres 15: apt install postgresql-15"),
]


@pytest.fixture
def fifteen() -> Iterator[str]:
    home = Path(tempfile.mkdtemp(prefix="pg15"))
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []
    (home / "password").write_text("secret")
    subprocess.run(
        [*prefix, BINARIES / "initdb", "-D", home / "data", "-U", "owner", "-A", "scram-sha-256", "--pwfile",
         home / "password", "--no-sync"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    server = subprocess.Popen(
        [*prefix, BINARIES / "postgres", "-D", home / "data", "-k", home, "-c", "listen_addresses="],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"host={home} user=owner password=secret dbname=postgres"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(url).close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def test_queue_and_store_work_on_postgres_15(fifteen: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "tests/queue", "tests/store",
         "tests/house/test_sql.py"],
        cwd=ROOT,
        env={**os.environ, "TEST_DATABASE_URL": fifteen},
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
