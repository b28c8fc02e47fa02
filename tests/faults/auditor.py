"""The auditor: rules that hold after every scenario, read from the database and the ledger with eyes of its own.

The numbers are those of the test programme; a rule whose subject does not exist yet (schedules, flows) is not here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

RULES: Mapping[str, str] = {
    "A2 a job is queued or finished, not both": """
        SELECT id FROM job_queue JOIN job_completed USING (id)""",
    "A2 every definition is queued or finished": """
        SELECT id FROM job WHERE NOT EXISTS (SELECT FROM job_queue WHERE job_queue.id = job.id)
            AND NOT EXISTS (SELECT FROM job_completed WHERE job_completed.id = job.id)""",
    "A4 the accepted result carries the highest lease granted": """
        SELECT id, lease, attempts FROM job_completed WHERE attempts > 0 AND lease <> attempts""",
    "A8 slots taken are the jobs that hold them": """
        SELECT key, holders, taken FROM (
            SELECT key,
                (SELECT count(*) FROM job_queue WHERE concurrency_key = key AND state IN ('available', 'running'))
                    AS holders,
                (SELECT count(*) FROM concurrency_slot AS slot
                    WHERE slot.key = concurrency_key.key AND until IS NULL) AS taken
            FROM concurrency_key) AS counted WHERE holders <> taken""",
    "A8 no limit is exceeded": """
        SELECT key FROM concurrency_key WHERE slots < (
            SELECT count(*) FROM job_queue WHERE concurrency_key = key AND state = 'running')""",
    "A9 nothing runs without a live lease for longer than a rescue takes": """
        SELECT id, worker, lease_until FROM job_queue
        WHERE state = 'running' AND lease_until < now() - interval '10 s'""",
    "A11 no row of one workspace belongs to a job of another": """
        SELECT id FROM job JOIN job_queue AS other USING (id) WHERE job.workspace_id <> other.workspace_id
        UNION ALL
        SELECT id FROM job JOIN job_completed AS other USING (id) WHERE job.workspace_id <> other.workspace_id""",
    "a finished job has one result, and one only": """
        SELECT id FROM job_completed WHERE NOT deleted AND result IS NULL""",
    "a log has no gap and no overlap": """
        SELECT job_id, position FROM (
            SELECT job_id, position, lag(position + length(content), 1, 0::bigint)
                OVER (PARTITION BY job_id ORDER BY position) AS expected
            FROM job_log) AS pieces WHERE position <> expected""",
    "no blob without a job": """
        SELECT DISTINCT id FROM blob WHERE NOT EXISTS (
            SELECT FROM job_completed WHERE job_completed.id = blob.id AND result_blob)""",
}


class Auditor:
    """Remembers final states between two looks, so that one that changes is seen (A3)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._final: dict[str, tuple[str, int]] = {}

    def check(
        self,
        *,
        accepted: Iterable[str] = (),
        effects: Callable[[], Counter[str]] | None = None,
        canaries: Iterable[str] = (),
    ) -> None:
        """All rules.

        `accepted` are the ids that a client was given (A1), `effects` reads the ledger's counts (A5), `canaries` are
        secrets that may stand nowhere (A13). Jobs may run meanwhile: what is compared is read in the order that makes
        the comparison true.

        Raises:
            AssertionError: names the rule and the rows that break it.
        """
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            # One snapshot for all rules: a job that moves meanwhile is in one place.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            # Before the database is read: what is accepted later is not missing.
            known_to_client = set(accepted)
            for rule, query in RULES.items():
                rows = connection.execute(query.encode()).fetchmany(5)
                assert not rows, f"{rule}: {rows}"
            finished = connection.execute(
                b"SELECT id::text, status, lease, attempts, worker FROM job_completed"
            ).fetchall()
            queued = connection.execute(b"SELECT id::text, attempts FROM job_queue").fetchall()
            self._a1(known_to_client, [*finished, *queued])
            self._a3(finished)
            if effects is not None:
                # After it: the effects of what has finished are all there.
                self._a5(effects(), finished)
            for canary in canaries:
                self._a13(connection, canary)

    @staticmethod
    def _a1(accepted: set[str], known: list[dict[str, Any]]) -> None:
        missing = accepted - {row["id"] for row in known}
        assert not missing, f"A1 accepted and lost: {sorted(missing)[:5]} of {len(missing)}"

    def _a3(self, finished: list[dict[str, Any]]) -> None:
        for row in finished:
            state = (row["status"], row["lease"])
            before = self._final.setdefault(row["id"], state)
            assert before == state, f"A3 {row['id']} was {before} and is {state}"

    @staticmethod
    def _a5(effects: Counter[str], finished: list[dict[str, Any]]) -> None:
        for row in finished:
            count = effects[row["id"]]
            if row["status"] == "success" and row["attempts"]:
                assert count >= 1, f"A5 {row['id']} succeeded without its effect"
            assert count <= row["attempts"], f"A5 {row['id']}: {count} effects, {row['attempts']} attempts reported"

    @staticmethod
    def _a13(connection: psycopg.Connection[dict[str, Any]], canary: str) -> None:
        for table, column in (("job_log", "content"), ("job_completed", "result"), ("job", "args")):
            query = f"SELECT 1 FROM {table} WHERE {column}::text LIKE %s LIMIT 1"
            found = connection.execute(query.encode(), (f"%{canary}%",)).fetchone()
            assert found is None, f"A13 a secret stands in {table}.{column}"


def leftovers(markers: Iterable[str]) -> list[str]:
    """A12: processes of finished jobs that are still there, by a word in their command line."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if any(marker in command for marker in markers):
            found.append(f"{directory.name}: {command[:200]}")
    return found
