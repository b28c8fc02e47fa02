"""Jobs' ids and errors."""

import json
import time
from uuid import RFC_4122

from postmill.model.job import failure, new_id


def test_ids_are_uuids_of_version_7_that_hold_the_time() -> None:
    before = time.time_ns() // 1_000_000
    id = new_id()
    after = time.time_ns() // 1_000_000
    assert (id.version, id.variant) == (7, RFC_4122)
    assert before <= id.int >> 80 <= after


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


def test_a_failure_is_the_contracts_error() -> None:
    assert json.loads(failure("ValueError", 'not "this"', "line 1")) == {
        "error": {"name": "ValueError", "message": 'not "this"', "stack": "line 1"}
    }
