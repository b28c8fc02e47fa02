"""A cluster a test. Its home is short: a socket's path has a limit."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pm-", ignore_cleanup_errors=True) as found:
        yield Path(found)


@pytest.fixture
def cluster(home: Path) -> Iterator[Cluster]:
    with Cluster(home) as found:
        yield found
