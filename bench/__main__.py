"""Run the rows that are named (all by default), print them as a table, keep them as JSON.

python -m bench [W1 W2 push sandbox report W7 W8 W9 W10]
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import claim, jobs, processes, sandbox
from bench.figures import Figure, keep, table
from tests.faults.cluster import Cluster

ROWS = ("W1", "W2", "push", "sandbox", "report", "W7", "W8", "W9", "W10")
_WITH_CLUSTER: dict[str, Callable[[Cluster], list[Figure]]] = {
    # Idle first, while nothing has run.
    "W9": processes.idle,
    "W2": jobs.latency,
    "W1": jobs.throughput,
    "push": jobs.push_cpu,
    "report": sandbox.report,
}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    chosen = sys.argv[1:] or list(ROWS)
    unknown = set(chosen) - set(ROWS)
    if unknown:
        raise SystemExit(f"there is no row {', '.join(sorted(unknown))}; there are: {' '.join(ROWS)}")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="pm-", ignore_cleanup_errors=True) as home:
        # The product's own lease: beats as often as they are.
        with Cluster(Path(home), POSTMILL_LEASE="15", POSTMILL_SLOTS="2") as cluster:
            worker = cluster.start_worker()
            if "W10" in chosen:
                figures += processes.memories(cluster, worker)
            for row, measure in _WITH_CLUSTER.items():
                if row in chosen:
                    figures += measure(cluster)
            if "W7" in chosen:
                worker.terminate()
                worker.wait(60)
                figures += claim.claims(cluster.database_url)
    if "sandbox" in chosen:
        figures += sandbox.alone()
    if "W8" in chosen:
        figures += processes.first_page()
    figures.sort(key=lambda figure: ROWS.index(figure.id.split()[0]) if figure.id.split()[0] in ROWS else len(ROWS))
    print(f"\n{processes.machine()}\n\n{table(figures)}\n\nas JSON: {keep(figures, RESULTS)}")


if __name__ == "__main__":
    main()
