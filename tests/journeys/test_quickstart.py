"""docs/api-quickstart.md, run as it stands, by a shell that has curl and nothing else."""

import re
import subprocess
from pathlib import Path

from tests.faults.cluster import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "api-quickstart.md"


def test_the_quickstart_page_runs(cluster: Cluster) -> None:
    cluster.start_worker()
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert len(blocks) >= 8
    script = "\nprintf '\\n=====\\n'\n".join(["set -e", *blocks])
    done = subprocess.run(
        ["sh", "-c", script],
        env={"BASE": f"http://127.0.0.1:{cluster.port}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{cluster.logs()}"
    _, _, deployed, result, _, followed, refused, canceled, ended = done.stdout.split("\n=====\n")
    assert re.fullmatch(r"[0-9a-f]{16}", deployed)
    assert result == '"Hello Ann"'
    assert '"new_logs"' in followed
    assert '"Hello Bob"' in followed
    assert refused.startswith("Bad request: arguments: times:")
    assert re.fullmatch(r"[0-9a-f-]{36}", canceled)
    assert "took too long" in ended
