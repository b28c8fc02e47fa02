"""Ten seconds of log and progress: a bar above the log, and a result that grows while the script runs.

    path  f/examples/ten_seconds     language  python3     summary  Ten seconds of log, progress and a streamed result

Each job has a token for this API in its environment; here it tells how far it is. What a generator yields is streamed,
and together it is the result.
"""

import json
import os
import time
from urllib.request import Request, urlopen


def set_progress(percent: int) -> None:
    """0 to 99; the end makes it 100."""
    address = "{BASE_INTERNAL_URL}/api/w/{WM_WORKSPACE}/job_metrics/set_progress/{WM_JOB_ID}".format_map(os.environ)
    headers = {"Authorization": f"Bearer {os.environ['WM_TOKEN']}", "Content-Type": "application/json"}
    urlopen(Request(address, json.dumps({"percent": percent}).encode(), headers, method="POST"), timeout=10).close()


def main(seconds: float = 10.0, steps: int = 20):
    """Count, slowly.

    Args:
        seconds: How long it takes.
        steps: Into how many steps they are cut.
    """
    for step in range(1, steps + 1):
        time.sleep(seconds / steps)
        print(f"step {step} of {steps} is done", flush=True)
        set_progress(step * 99 // steps)
        yield f"{step} "
    yield "and that was all"
