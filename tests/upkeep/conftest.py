"""The queue's verbs, for what upkeep looks after."""

from tests.queue.conftest import queue

__all__ = ["queue"]
