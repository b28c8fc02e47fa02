"""The environment of a job."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from postmill.engine.context import contextual, object_path, state_path
from postmill.model.job import ClaimedJob

ID = UUID("019eb7d7-82ee-7bb0-8000-000000000001")
ROOT = UUID("019eb7d7-82ee-7bb0-8000-000000000002")


def job(**more: Any) -> ClaimedJob:
    values: dict[str, Any] = {
        "id": ID,
        "lease": 1,
        "workspace_id": "main",
        "kind": "script",
        "language": "python3",
        "content": "",
        "args": "{}",
        "tag": "python3",
        "created_by": "ann",
        "permissioned_as": "u/ann",
        "email": "ann@example.com",
        "timeout_s": 60,
        "attempts": 1,
        "log_position": 0,
        "scheduled_for": datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
        "script_hash": -1,
        "script_path": "f/ops/clean",
        "parent_job": None,
        "root_job": None,
        "concurrency_key": None,
        "cache_key": None,
        "perpetual": False,
        "envs": [],
    }
    return ClaimedJob(**values | more)


def environment(**more: Any) -> dict[str, str]:
    return contextual(
        job(**more), token="t", base_url="https://x", internal_url="http://127.0.0.1:8000", worker_group="default"
    )


def test_every_variable_of_the_contract_is_set_always() -> None:
    names = (
        "WM_WORKSPACE WM_TOKEN WM_EMAIL WM_USERNAME WM_BASE_URL WM_JOB_ID WM_SCHEDULED_FOR WM_JOB_PATH WM_FLOW_JOB_ID"
        " WM_ROOT_FLOW_JOB_ID WM_ROOT_JOB_ID WM_FLOW_PATH WM_SCHEDULE_PATH WM_PERMISSIONED_AS WM_STATE_PATH"
        " WM_STATE_PATH_NEW WM_FLOW_STEP_ID WM_OBJECT_PATH WM_WORKER_GROUP WM_RUNNABLE_ID WM_END_USER_EMAIL"
        " BASE_INTERNAL_URL"
    ).split()
    for found in (environment(), environment(script_path=None, script_hash=None)):
        assert sorted(found) == sorted(names)


def test_a_script_knows_itself() -> None:
    found = environment()
    assert (found["WM_JOB_ID"], found["WM_ROOT_JOB_ID"], found["WM_JOB_PATH"]) == (str(ID), str(ID), "f/ops/clean")
    assert (found["WM_RUNNABLE_ID"], found["WM_SCHEDULED_FOR"]) == ("f" * 16, "2026-01-02T03:04:05Z")
    assert (found["WM_STATE_PATH"], found["WM_FLOW_JOB_ID"]) == ("f/ops/clean/user", "")


def test_a_preview_has_no_path_and_no_hash() -> None:
    found = environment(script_path=None, script_hash=None)
    assert (found["WM_JOB_PATH"], found["WM_RUNNABLE_ID"], found["WM_STATE_PATH"]) == ("", "", "u/ann/tmp_state")


def test_a_step_knows_its_root() -> None:
    found = environment(parent_job=ROOT, root_job=ROOT)
    assert (found["WM_ROOT_JOB_ID"], found["WM_ROOT_FLOW_JOB_ID"], found["WM_FLOW_JOB_ID"]) == (str(ROOT),) * 3


def test_times_are_utc() -> None:
    east = timezone(timedelta(hours=9))
    assert (
        environment(scheduled_for=datetime(2026, 1, 1, 0, 0, tzinfo=east))["WM_SCHEDULED_FOR"] == "2025-12-31T15:00:00Z"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [("f/ops/clean", "f/ops/clean/user"), ("f/ops/", "f/ops//state"), (None, "u/ann/tmp_state")],
)
def test_the_state_of_a_script_has_a_place(path: str | None, expected: str) -> None:
    assert state_path(job(script_path=path)) == expected


def test_the_objects_of_a_job_have_a_place_of_their_own() -> None:
    assert object_path(job()) == f"f_ops_clean/manual/1767323045678_{ID}"


def test_every_variable_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scripts.md").read_text()
    assert [name for name in environment() if f"`{name}`" not in page] == []
    assert set(re.findall(r"`(WM_[A-Z_]+)`", page)) <= set(environment())
