"""Settings: sizes, bounds of jobs, and nonsense that is refused by name."""

import pytest

from postmill.model.errors import BadRequest
from postmill.model.options import Options
from postmill.sandbox.command import Limits
from postmill.settings import Settings, read_settings

MB = 1024**2


def test_without_any_variable_jobs_have_the_documented_bounds() -> None:
    assert read_settings({}).bounds == Options(
        memory=2048 * MB, pids=256, files=1024, disk=1024 * MB, inodes=100_000, log=10 * MB, network="host"
    )
    assert read_settings({}).min_isolation is None
    assert read_settings({}).spare_mb == 512


def test_the_sandbox_and_the_settings_agree_on_the_defaults() -> None:
    assert Limits().within(Settings().bounds) == Limits()
    assert (Limits().result, Limits().timeout) == (Settings().max_result, Settings().job_timeout)


def test_each_bound_is_a_setting() -> None:
    found = read_settings(
        {
            "POSTMILL_JOB_MEMORY": "512MB",
            "POSTMILL_JOB_PIDS": "32",
            "POSTMILL_JOB_FILES": "64",
            "POSTMILL_JOB_DISK": "100 MB",
            "POSTMILL_JOB_INODES": "1000",
            "POSTMILL_MAX_LOG": "1048576",
            "POSTMILL_MAX_RESULT": "2MB",
            "POSTMILL_NETWORK": "filtered",
            "POSTMILL_MIN_ISOLATION": "L3",
            "POSTMILL_SPARE_MB": "100",
        }
    )
    assert found.bounds == Options(
        memory=512 * MB, pids=32, files=64, disk=100 * MB, inodes=1000, log=MB, network="filtered"
    )
    assert (found.max_result, found.min_isolation, found.spare_mb) == (2 * MB, "L3", 100)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("POSTMILL_JOB_MEMORY", "lots", "no size"),
        ("POSTMILL_JOB_MEMORY", "1MB", "below 64MB"),
        ("POSTMILL_JOB_DISK", "1.5GB", "no size"),
        ("POSTMILL_MAX_BODY", "1e6", "no size"),
        ("POSTMILL_JOB_PIDS", "1", "below 2"),
        ("POSTMILL_JOB_FILES", "many", "not a whole number"),
        ("POSTMILL_JOB_INODES", "-5", "below 32"),
        ("POSTMILL_NETWORK", "off", "none of host, filtered, none"),
        ("POSTMILL_MIN_ISOLATION", "3", "none of L0, L1, L2, L3"),
        ("POSTMILL_SPARE_MB", "0", "below 16"),
    ],
)
def test_nonsense_is_refused_by_the_variables_name(name: str, value: str, told: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_settings({name: value})
    assert name in refused.value.message
    assert told in refused.value.message


def test_a_script_lowers_its_limits_and_never_lifts_them() -> None:
    bounds = Limits(memory=1024 * MB, pids=100, files=100, disk=10 * MB, inodes=500, timeout=7)
    asked = Options(memory=512 * MB, pids=200)
    assert bounds.within(asked) == Limits(memory=512 * MB, pids=100, files=100, disk=10 * MB, inodes=500, timeout=7)
