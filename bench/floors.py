"""What this machine can do at best: a bare queue cycle, a bare insert, a bare process, a bare jail."""

import subprocess
import sys
import time

import psycopg

from bench.figures import percentile


def queue_cycle(url: str, count: int = 500) -> tuple[float, float]:
    """Claim and finish on one connection, with durable commits: (cycles a second, p50 in ms)."""
    times = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS floor_queue (id bigserial PRIMARY KEY, state text)")
        connection.execute("TRUNCATE floor_queue")
        connection.execute("INSERT INTO floor_queue (state) SELECT 'a' FROM generate_series(1, %s)", (count,))
        for _ in range(count):
            started = time.perf_counter()
            row = connection.execute(
                "UPDATE floor_queue SET state = 'r' WHERE id = (SELECT id FROM floor_queue WHERE state = 'a'"
                " ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id"
            ).fetchone()
            assert row is not None
            connection.execute("DELETE FROM floor_queue WHERE id = %s", row)
            times.append(time.perf_counter() - started)
        connection.execute("DROP TABLE floor_queue")
    return count / sum(times), percentile(times, 0.5) * 1000


def insert(url: str, count: int = 500) -> float:
    """One durable insert, p50 in ms."""
    times = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS floor_insert_durable (id int, args json)")
        for number in range(count):
            started = time.perf_counter()
            connection.execute("INSERT INTO floor_insert_durable VALUES (%s, '{}')", (number,))
            times.append(time.perf_counter() - started)
        connection.execute("DROP TABLE floor_insert_durable")
    return percentile(times, 0.5) * 1000


def bare_process(count: int = 40) -> float:
    """`python -c pass`, one after another: a second."""
    started = time.perf_counter()
    for _ in range(count):
        subprocess.run([sys._base_executable, "-I", "-S", "-c", "pass"], check=True)  # type: ignore[attr-defined]
    return count / (time.perf_counter() - started)
