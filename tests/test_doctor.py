"""What `postmill doctor` says of the sandbox: machines that are made up, and this one."""

from pathlib import Path

import pytest

from postmill.doctor import Finding, diagnose, sandbox_findings
from postmill.model.options import Network
from postmill.sandbox.cgroup_place import Nowhere, Place
from postmill.sandbox.level import Level
from postmill.sandbox.machine import Machine
from postmill.sandbox.network import Filtered, Plan, Unavailable
from postmill.settings import Settings

V2 = Place(2, {"memory": Path("/"), "pids": Path("/")})
NO_FILTER = Unavailable("the worker does not run as root")


def machine(name: str = "L3", *, filtered: Filtered | Unavailable = NO_FILTER, place: Place | Nowhere = V2) -> Machine:
    return Machine(level=Level(name, "user", "some words", ok=bool(name)), place=place, filtered=filtered)


def findings(found: Machine, settings: Settings) -> dict[str, Finding]:
    return {finding.what: finding for finding in sandbox_findings(found, settings)}


def test_the_strongest_level_is_well() -> None:
    found = findings(machine(), Settings())
    assert found["sandbox"] == Finding("sandbox", True, "L3 by user: some words")
    assert found["limits"] == Finding("limits", True, "by cgroup v2 (memory, pids)")
    assert "database for jobs" not in found


def test_a_weaker_level_is_noted_and_below_the_minimum_it_fails() -> None:
    assert findings(machine("L1"), Settings())["sandbox"].ok is None
    assert findings(machine("L1"), Settings(min_isolation="L1"))["sandbox"].ok is None
    weak = findings(machine("L1"), Settings(min_isolation="L3"))["sandbox"]
    assert weak.ok is False
    assert "POSTMILL_MIN_ISOLATION" in weak.detail
    assert findings(machine(""), Settings())["sandbox"].ok is False


def test_what_limits_jobs_without_cgroups_is_said() -> None:
    found = findings(machine(place=Nowhere("not delegated")), Settings())["limits"]
    assert found == Finding("limits", None, "by rlimits, memory by polling (not delegated)")


@pytest.mark.parametrize(
    ("level", "networks"), [("L3", ("host", "none")), ("L2", ("host",)), ("L1", ("host",)), ("L0", ("host",))]
)
def test_the_networks_that_a_job_may_have_are_named(level: str, networks: tuple[str, ...]) -> None:
    found = machine(level)
    assert found.networks == networks
    told = findings(found, Settings())["network"]
    assert told.ok is True
    assert f"jobs may have {', '.join(networks)}; they get host" in told.detail
    assert "filtered is not available here: the worker does not run as root" in told.detail


@pytest.mark.parametrize(("asked", "ok"), [("host", True), ("filtered", False), ("none", True)])
def test_a_network_that_all_jobs_are_to_have_and_that_is_not_there_is_a_failure(asked: Network, ok: bool) -> None:
    assert findings(machine(), Settings(network=asked))["network"].ok is ok
    refusal = machine().refuses(None, asked)
    assert refusal == ("" if ok else "network: filtered is not available here: the worker does not run as root")


def test_a_filtered_network_is_named_with_what_may_stand_in_its_way() -> None:
    made = Filtered(Plan(api=("127.0.0.1", 8000)))
    found = machine(filtered=made)
    assert found.networks == ("host", "filtered", "none")
    made.note = "another firewall drops it"
    assert "filtered: another firewall drops it" in findings(found, Settings())["network"].detail
    assert machine("L2", filtered=made).networks == ("host",)
    assert "no namespaces" in machine("L2", filtered=made).refuses(None, "none")


@pytest.mark.parametrize(
    ("network", "ok", "words"),
    [
        ("host", None, "db.example.com: reachable by jobs, protected by its password"),
        ("filtered", True, "db.example.com: not reached by jobs: their network is filtered"),
    ],
)
def test_a_database_that_jobs_reach_is_noted(network: Network, ok: bool | None, words: str) -> None:
    settings = Settings(database_url="postgresql://me:secret@db.example.com:5432/x", network=network)
    assert findings(machine(), settings)["database for jobs"] == Finding("database for jobs", ok, words)


@pytest.mark.anyio
async def test_this_machine_is_looked_at(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    well = await diagnose(Settings(home=tmp_path))
    told = capsys.readouterr().out
    lines = dict(line[6:].partition(": ")[::2] for line in told.splitlines())
    assert set(lines) >= {"python", "sandbox", "limits", "network", "database"}
    assert "jobs may have host" in lines["network"]
    # There is no database below an empty home.
    assert not well
