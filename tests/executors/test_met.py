"""Which limit a failed job met: from counters, from errors, from the end of its output."""

import json
import signal
from typing import Any

import pytest

from postmill.executors.contract import Ended, Limits, Outcome
from postmill.executors.met import Met, log_cut, met, named, words
from postmill.model.job import failure

LIMITS = Limits(memory=512 * 1024**2, pids=32, files=64, disk=100 * 1024**2, inodes=1000)


def ended(**more: Any) -> Ended:
    values: dict[str, Any] = {"reason": "exited", "exit_code": 1, "reply": b"", "tail": b"", "duration": 1.0}
    return Ended(**values | more)


def limit(found: Met | None) -> str | None:
    return found.limit if found else None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("MemoryError: ", "memory"),
        ("OSError: [Errno 12] Cannot allocate memory", "memory"),
        ("RuntimeError: can't start new thread", "pids"),
        ("BlockingIOError: [Errno 11] Resource temporarily unavailable\n  pid = os.fork()", "pids"),
        ("BlockingIOError: [Errno 11] Resource temporarily unavailable\n  subprocess.run(['true'])", "pids"),
        ("BlockingIOError: [Errno 11] Resource temporarily unavailable\n  data = connection.recv(100)", None),
        ("OSError: [Errno 24] Too many open files: 'x'", "files"),
        ("OSError: [Errno 23] Too many open files in system", None),
        ("OSError: [Errno 27] File too large", "disk"),
        ("OSError: [Errno 28] No space left on device", "disk"),
        ("ValueError: nothing of the kind", None),
    ],
)
def test_python_errors_tell_the_limit(error: str, expected: str | None) -> None:
    assert limit(met(ended(), LIMITS, error)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("main.sh: fork: retry: Resource temporarily unavailable", "pids"),
        ("main.sh: fork: Resource temporarily unavailable", "pids"),
        ("main.sh: line 3: /tmp/x: Too many open files", "files"),
        ("dd: error writing '/tmp/x': No space left on device", "disk"),
        ("main.sh: line 1: File size limit exceeded", "disk"),
        ("main.sh: xrealloc: cannot allocate 1073741824 bytes", "memory"),
        ("sort: Cannot allocate memory", "memory"),
        ("cat: /nothing: No such file or directory", None),
    ],
)
def test_what_programs_print_tells_the_limit(line: str, expected: str | None) -> None:
    assert limit(met(ended(tail=b"all well\n" + line.encode() + b"\n"), LIMITS, "ExecutionError: exit 1")) == expected


@pytest.mark.parametrize(
    ("full", "expected"), [(("disk",), "disk"), (("inodes",), "inodes"), (("disk", "inodes"), "disk")]
)
def test_a_full_file_system_tells_bytes_from_files(full: tuple[str, ...], expected: str) -> None:
    assert limit(met(ended(full=full), LIMITS, "OSError: [Errno 28] No space left on device")) == expected
    assert limit(met(ended(full=full), LIMITS, "ValueError: cannot save")) == expected


def test_what_the_kernel_counted_goes_before_what_was_said() -> None:
    said = "OSError: [Errno 28] No space left on device"
    assert limit(met(ended(oom_kills=1, pids_hits=3), LIMITS, said)) == "memory"
    assert limit(met(ended(pids_hits=3), LIMITS, said)) == "pids"
    assert limit(met(ended(exit_code=-signal.SIGXFSZ), LIMITS)) == "disk"
    assert limit(met(ended(exit_code=128 + signal.SIGXFSZ), LIMITS)) == "disk"


def test_the_jobs_own_error_goes_before_what_it_printed() -> None:
    printed = ended(tail=b"Too many open files, trying less\n")
    assert limit(met(printed, LIMITS, "MemoryError: ")) == "memory"


def test_only_the_end_of_the_output_counts() -> None:
    early = ended(tail=b"Too many open files\n" + b"on it goes\n" * 1000)
    assert met(early, LIMITS, "ExecutionError: exit code 1") is None


def test_the_words_name_the_size_the_comment_and_the_setting() -> None:
    assert words("pids", LIMITS) == ("met its limit of 32 processes and threads (limits: pids=32; POSTMILL_JOB_PIDS)")
    assert "512MB of memory (limits: memory=512MB; POSTMILL_JOB_MEMORY)" in words("memory", LIMITS)
    assert "100MB of files (limits: disk=100MB; POSTMILL_JOB_DISK)" in words("disk", LIMITS)


def _error(outcome: Outcome) -> dict[str, str]:
    found: dict[str, str] = json.loads(outcome.result)["error"]
    return found


def test_a_failure_gets_the_limit_as_its_reason_and_in_its_error() -> None:
    failed = Outcome(ok=False, result=failure("OSError", "[Errno 24] Too many open files", "line 3"), memory_peak=7)
    found = named(failed, ended(), LIMITS)
    assert (found.end_reason, found.ok, found.memory_peak) == ("files_limit", False, 7)
    assert _error(found)["message"].splitlines() == [
        "[Errno 24] Too many open files",
        "The job met its limit of 64 open files (limits: files=64; POSTMILL_JOB_FILES).",
    ]
    assert (_error(found)["name"], _error(found)["stack"]) == ("OSError", "line 3")


def test_a_success_and_a_failure_with_a_reason_stay_as_they_are() -> None:
    full = ended(full=("disk",), oom_kills=1)
    well = Outcome(ok=True, result='"No space left on device"')
    late = Outcome(ok=False, result=failure("Timeout", "No space left on device"), end_reason="timeout")
    assert named(well, full, LIMITS) == well
    assert named(late, full, LIMITS) == late
    assert log_cut(well, 1024) == well
    assert log_cut(late, 1024) == late


def test_a_cut_log_is_the_reason_of_a_failure_that_has_no_other() -> None:
    failed = Outcome(ok=False, result=failure("ExecutionError", "exit code 1"))
    found = log_cut(failed, 1024**2)
    assert found.end_reason == "log_limit"
    assert _error(found)["message"].endswith("The job met its limit of 1MB of log (limits: log=1MB; POSTMILL_MAX_LOG).")
