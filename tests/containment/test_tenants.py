"""A short form of `make hostile`."""

import pytest

from tests.containment.tenants import tenants

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_two_tenants_with_hostile_jobs_among_them_see_nothing_of_each_other() -> None:
    found = await tenants(jobs=600, hostile=0.1, slots=2, seed=7)
    assert found["hostile"]
    assert (found["through"], found["contaminated"], found["failed"]) == ([], [], [])
    assert found["processes_after_close"] == []
    before, after = found["before"], found["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after["mounts"] == before["mounts"]
    # What there is belongs to the fork-servers that came meanwhile.
    more = after["fork_servers"] - before["fork_servers"]
    assert after["processes"] - before["processes"] <= 10 * more + 4
    assert after["descriptors"] - before["descriptors"] <= 20 * more + 12
