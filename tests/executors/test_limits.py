"""A job that meets a limit, in a real jail, in every language: it ends with the limit's name, and the next job runs."""

import json

import pytest

from postmill.executors.contract import Limits, Outcome, Task
from postmill.executors.networks import Networks
from postmill.executors.registry import LANGUAGES, Executors
from postmill.model.errors import BadRequest
from postmill.model.options import LEAST, Network, Options

pytestmark = pytest.mark.anyio

MB = 1024**2
_WORKERS = Limits(
    memory=1024 * MB, pids=100, files=200, disk=20 * MB, inodes=500, result=MB, timeout=60, kill_grace=0.3
)

ATTEMPTS: dict[str, dict[str, str]] = {
    "memory": {
        "python3": "def main():\n    return len(b'x' * 300_000_000)",
        "bash": "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}",
    },
    "pids": {
        "python3": "import os, time\ndef main():\n    for _ in range(40):\n        if os.fork() == 0:\n"
        "            time.sleep(60)\n            os._exit(0)",
        # Through a program that does not try again for half a minute, as bash itself does.
        "bash": 'set -e\nperl -e \'for (1..40) { defined(my $pid = fork) or die "Cannot fork: $!\\n";'
        " if (!$pid) { sleep 60; exit } }'",
    },
    "files": {
        "python3": "def main():\n    kept = [open('/dev/null') for _ in range(100)]",
        "bash": "set -e\nfor i in {1..100}; do exec {fd}</dev/null; done",
    },
    "disk": {
        "python3": "def main():\n    for n in range(5):\n        open(f'/tmp/{n}', 'wb').write(b'x' * 900_000)",
        "bash": "set -e\nfor n in 1 2 3 4 5; do head -c 900000 /dev/zero >/tmp/$n; done",
    },
    "inodes": {
        "python3": "def main():\n    for n in range(100):\n        open(f'/tmp/{n}', 'w').close()",
        "bash": "set -e\nfor n in {1..100}; do : >/tmp/$n; done",
    },
}
"""Limit → language → what needs more than LITTLE and less than the worker gives."""
LITTLE = Options(memory=200 * MB, pids=20, files=40, disk=2 * MB, inodes=60)
ENOUGH = Options()


async def go(executors: Executors, language: str, source: str, options: Options, limits: Limits = _WORKERS) -> Outcome:
    task = Task(language, source, options=options)
    return await (await executors.start(task, limits, 0, lambda _: None)).wait()


def error(outcome: Outcome) -> str:
    found = json.loads(outcome.result)["error"]
    return f"{found['name']}: {found['message']}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("limit", list(ATTEMPTS))
async def test_a_limit_that_a_script_asked_for_is_named_where_it_was_met(
    limit: str, language: str, executors: Executors
) -> None:
    outcome = await go(executors, language, ATTEMPTS[limit][language], LITTLE)
    assert (outcome.ok, outcome.end_reason) == (False, f"{limit}_limit"), f"{outcome}"
    asked = {"memory": "200MB", "pids": "20", "files": "40", "disk": "2MB", "inodes": "60"}[limit]
    assert f"(limits: {limit}={asked}; POSTMILL_JOB_{limit.upper()})" in error(outcome)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("limit", list(ATTEMPTS))
async def test_the_same_goes_well_within_the_workers_own_limit(limit: str, language: str, executors: Executors) -> None:
    outcome = await go(executors, language, ATTEMPTS[limit][language], ENOUGH)
    assert outcome.ok, f"{outcome}"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_plain_job_runs_with_the_least_of_everything(language: str, executors: Executors) -> None:
    source = {"python3": "import json, subprocess\ndef main():\n    return 1", "bash": "echo 1"}[language]
    outcome = await go(executors, language, source, Options(**LEAST))  # type: ignore[arg-type]
    assert json.loads(outcome.result) in (1, "1")


async def test_the_scripts_own_error_and_stack_stay(executors: Executors) -> None:
    outcome = await go(executors, "python3", ATTEMPTS["files"]["python3"], LITTLE)
    found = json.loads(outcome.result)["error"]
    assert found["name"] == "OSError"
    assert found["message"].splitlines()[0] == "[Errno 24] Too many open files: '/dev/null'"
    assert found["message"].splitlines()[1].startswith("The job met its limit of 40 open files (")
    assert "line 2, in main" in found["stack"]


async def test_threads_count_as_processes(executors: Executors) -> None:
    source = (
        "import threading, time\ndef main():\n    for _ in range(40):\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    outcome = await go(executors, "python3", source, Options(pids=20))
    assert outcome.end_reason == "pids_limit", error(outcome)


async def test_a_file_that_is_too_long_meets_the_limit_of_the_disk(executors: Executors) -> None:
    source = "def main():\n    open('/job/one', 'wb').write(b'x' * 3_000_000)"
    outcome = await go(executors, "python3", source, LITTLE)
    assert outcome.end_reason == "disk_limit", error(outcome)


async def test_processes_that_are_too_large_together_meet_the_limit_of_memory(executors: Executors) -> None:
    source = (
        "import os, time\ndef main():\n    for _ in range(4):\n        if os.fork() == 0:\n            break\n"
        "    x = b'x' * 60_000_000\n    time.sleep(60)"
    )
    outcome = await go(executors, "python3", source, Options(memory=180 * MB))
    assert outcome.end_reason == "memory_limit"
    assert "limits: memory=180MB; POSTMILL_JOB_MEMORY" in error(outcome)


async def test_a_limit_that_was_met_and_got_along_with_is_no_failure(executors: Executors) -> None:
    source = (
        "def main():\n    kept = []\n    try:\n        while True:\n            kept.append(open('/dev/null'))\n"
        "    except OSError:\n        print('Too many open files')\n    del kept\n    return 'well'"
    )
    outcome = await go(executors, "python3", source, LITTLE)
    assert (outcome.ok, outcome.end_reason, outcome.result) == (True, None, '"well"')


async def test_an_error_of_another_kind_names_no_limit(executors: Executors) -> None:
    source = "def main():\n    print('Too many open files, trying fewer')\n    raise ValueError('of another kind')"
    outcome = await go(executors, "python3", source, LITTLE)
    assert outcome.end_reason is None
    assert error(outcome) == "ValueError: of another kind"


async def test_a_script_cannot_have_more_than_the_worker_gives(executors: Executors) -> None:
    small = Limits(memory=200 * MB, pids=20, files=40, disk=2 * MB, inodes=60, timeout=60)
    outcome = await go(executors, "python3", ATTEMPTS["files"]["python3"], Options(files=150), small)
    assert outcome.end_reason == "files_limit"
    assert "limits: files=40" in error(outcome)


async def test_after_each_limit_the_next_job_has_all_of_its_own(executors: Executors) -> None:
    for attempts in ATTEMPTS.values():
        await go(executors, "python3", attempts["python3"], LITTLE)
        assert (await go(executors, "python3", "def main():\n    return 42", ENOUGH)).result == "42"


_LOOK = {
    "python3": "import os\ndef main():\n    return sorted(os.listdir('/sys/class/net')) if os.path.isdir("
    "'/sys/class/net') else [line.split(':')[0].strip() for line in open('/proc/net/dev').readlines()[2:]]",
    "bash": "awk -F: 'NR > 2 { gsub(/ /, \"\", $1); print $1 }' /proc/net/dev | sort | tr '\\n' ' '",
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_without_a_network_there_is_a_loopback_alone(language: str, executors: Executors) -> None:
    def interfaces(outcome: Outcome) -> set[str]:
        found = json.loads(outcome.result)
        return set(found.split() if isinstance(found, str) else found)

    alone = await go(executors, language, _LOOK[language], Options(network="none"))
    hosts = await go(executors, language, _LOOK[language], Options())
    assert interfaces(alone) == {"lo"}, f"{alone}"
    assert interfaces(hosts) > {"lo"}, f"{hosts}"


@pytest.mark.parametrize(
    ("instance", "asked", "given"),
    [
        ("host", None, "host"),
        ("host", "none", "none"),
        ("host", "filtered", "filtered"),
        ("filtered", None, "filtered"),
        ("filtered", "host", "filtered"),
        ("filtered", "none", "none"),
        ("none", "host", "none"),
    ],
)
def test_a_script_gets_the_stricter_network(instance: Network, asked: Network | None, given: Network) -> None:
    assert Networks(default=instance, refusals={}).of(Options(network=asked)) == given


def test_a_network_that_is_not_there_is_refused_and_never_replaced() -> None:
    with pytest.raises(BadRequest, match="network: filtered is not available on this worker"):
        Networks().of(Options(network="filtered"))
    with pytest.raises(BadRequest, match="no namespaces here"):
        Networks(default="none", refusals={"none": "no namespaces here"}).of(Options())


def test_packages_are_found_over_a_network_that_is_filtered_at_most() -> None:
    assert [Networks(default=name, refusals={}).packages for name in ("host", "filtered", "none")] == [
        "host",
        "filtered",
        "host",
    ]
