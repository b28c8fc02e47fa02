"""Looking for processes by a mark on their command line."""

import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

PATIENCE_S = 30.0


@pytest.fixture
def mark() -> str:
    """A number of seconds for `sleep` that no other process on this machine has."""
    return f"6{uuid4().int % 10**12:012d}"


@pytest.fixture
def marked(mark: str) -> Callable[[], list[int]]:
    """The processes that have the mark as an argument."""

    def look() -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark.encode() in words:
                found.append(int(path.name))
        return found

    return look


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], bool]:
    """Waits until something holds; False when it did not come."""

    def wait(holds: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if holds():
                return True
            time.sleep(0.02)
        return False

    return wait
