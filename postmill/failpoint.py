"""Failpoints: named places where a fault test makes this very process die, stop, fail or stall.

    POSTMILL_FAILPOINTS="after_claim:kill9@2,before_finish:delay=3"

Each entry is `name:action[@n]`; it acts on the n-th hit (the first by default), once. Actions: `kill9`, `stop`
(SIGSTOP: whoever tests sends SIGCONT), `raise`, `delay=<seconds>` (blocks the whole process). Without the variable a
call costs one comparison.
"""

import os
import signal
import time
from dataclasses import dataclass

POINTS = {
    "after_claim": "the claim is committed, nothing was started",
    "after_resolve": "arguments and modules are there, no process yet",
    "after_spawn": "the job's process runs",
    "before_log": "a piece of log is about to be written",
    "before_finish": "the process has ended, its result is read, nothing was written",
    "in_finish": "inside the finishing pipeline, before COMMIT",
    "after_finish": "the finish is committed, nobody was told",
    "before_beat": "a beat is about to be sent",
    "after_push": "the push is committed, the caller has no answer",
    "in_rescue": "inside the rescue sweep, before COMMIT",
}
"""Every failpoint, and what is true there. A test fails when one is never reached."""


class FailpointError(Exception):
    """What the action `raise` raises: nothing may expect it."""


@dataclass(slots=True)
class _Armed:
    action: str
    hits_left: int


def _parse(text: str) -> dict[str, _Armed]:
    armed = {}
    for entry in filter(None, text.split(",")):
        name, _, rest = entry.strip().partition(":")
        action, _, number = rest.partition("@")
        if name not in POINTS or action.partition("=")[0] not in ("kill9", "stop", "raise", "delay"):
            raise ValueError(f"POSTMILL_FAILPOINTS: {entry!r} is not name:action[@n]; names: {', '.join(POINTS)}")
        armed[name] = _Armed(action, int(number or 1))
    return armed


_armed = _parse(os.environ.get("POSTMILL_FAILPOINTS", ""))


def failpoint(name: str) -> None:
    """Mark the place `name`."""
    if _armed:
        _hit(name)


def _hit(name: str) -> None:
    point = _armed.get(name)
    if point is None:
        return
    point.hits_left -= 1
    if point.hits_left:
        return
    del _armed[name]
    action, _, value = point.action.partition("=")
    if action == "kill9":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "delay":
        time.sleep(float(value))
    else:
        raise FailpointError(name)
