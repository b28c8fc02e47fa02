"""Journeys run against real processes: the cluster of the fault tests."""

from tests.faults.conftest import cluster, home

__all__ = ["cluster", "home"]
