"""Every file of examples/ is deployed at the path that its head names, and run."""

from pathlib import Path
from typing import Any

from postmill.engine.examples import examples
from tests.faults.cluster import Cluster, wait_until

ROOT = Path(__file__).parents[2] / "examples"


def deploy_all(cluster: Cluster) -> dict[str, str]:
    """Path → version."""
    return {
        example.path: cluster.deploy(example.path, example.content, example.language, summary=example.summary)
        for example in examples()
    }


def ran(cluster: Cluster, path: str, **args: Any) -> Any:
    """The finished job."""
    [job] = cluster.wait([cluster.run(path, **args)])
    return job


def test_each_file_says_where_it_is_deployed() -> None:
    files = [path for path in ROOT.rglob("*") if path.suffix in (".py", ".sh")]
    assert len(files) >= 6
    assert {example.content for example in examples()} == {path.read_text() for path in files}


def test_the_report_is_a_table_made_with_pandas(cluster: Cluster) -> None:
    cluster.start_worker()
    deploy_all(cluster)
    path = "f/examples/report"

    def locked() -> Any:
        script = cluster.http.get(f"/w/main/scripts/get/p/{path}").raise_for_status().json()
        assert not script["lock_error_logs"], script["lock_error_logs"]
        return script["lock"]

    assert "pandas==" in wait_until(locked, "the packages are locked", 120)
    [job] = cluster.wait([cluster.run(path, since="2026-01-10", top=2)], 120)
    assert job["result"] == [
        {"region": "West", "amount": 26, "turnover": 102.7, "share": 0.48},
        {"region": "North", "amount": 17, "turnover": 64.8, "share": 0.3},
    ]
    assert job["logs"].endswith("6 sales from 2026-01-12 to 2026-02-16\n")


def test_the_examples_run_as_they_stand(cluster: Cluster) -> None:
    cluster.start_worker()
    deployed = deploy_all(cluster)
    names = {"hello", "progress", "greetings", "welcome", "report", "ten_seconds"}
    assert {path.rpartition("/")[2] for path in deployed} == names

    hello = ran(
        cluster, "f/examples/hello", name="Ann", times=2, starts="2026-02-28", mood=":|", options={"b": 1.5, "a": 2}
    )
    assert hello["result"] == {
        "greeting": "Hello Ann :|",
        "days": ["2026-02-28", "2026-03-01"],
        "options": {"b": 1.5, "a": 2},
    }
    assert hello["logs"] == "1 of 2: Hello Ann :|\n2 of 2: Hello Ann :|\n"
    loud = ran(cluster, "f/examples/hello", name="Ann", language="de", friends=["Bob"], loud=True)
    assert loud["result"]["greeting"] == "HALLO ANN AND BOB :)"

    progress = ran(cluster, "f/examples/progress", delay="0.01", what="file")
    assert progress["result"] == {"steps": 10, "delay": 0.01}
    assert progress["logs"].splitlines() == [f"file {number} of 10" for number in range(1, 11)]

    slow = ran(cluster, "f/examples/ten_seconds", seconds=1, steps=4)
    assert slow["result"] == "1 2 3 4 and that was all"
    assert slow["logs"].splitlines() == [f"step {number} of 4 is done" for number in range(1, 5)]
    assert cluster.http.get(f"/w/main/job_metrics/get_progress/{slow['id']}").json() == 100

    welcome = ran(cluster, "f/examples/welcome", names=["Ann", "Bob"], language="fr")
    assert welcome["result"] == ["Bonjour Ann", "Bonjour Bob"]
    refused = ran(cluster, "f/examples/welcome", names=["Ann"], language="xx")
    assert refused["result"]["error"]["message"] == "no words for 'xx'; there are: de, en, fr"
    library = cluster.http.post("/w/main/jobs/run/p/f/examples/greetings", json={})
    assert (library.status_code, "library" in library.text) == (400, True)


def test_the_examples_become_forms(cluster: Cluster) -> None:
    deploy_all(cluster)
    script = cluster.http.get("/w/main/scripts/get/p/f/examples/hello").raise_for_status().json()
    fields = script["schema"]["properties"]
    assert {name: field.get("type") for name, field in fields.items()} == {
        "name": "string",
        "times": "integer",
        "language": "string",
        "mood": "string",
        "starts": "string",
        "friends": "array",
        "options": "object",
        "loud": "boolean",
    }
    assert script["schema"]["required"] == ["name"]
    assert (fields["language"]["enum"], fields["mood"]["enum"]) == (["en", "de", "fr"], [":)", ":|"])
    assert (fields["starts"]["format"], fields["name"]["description"]) == ("date", "Whom to greet.")
    script = cluster.http.get("/w/main/scripts/get/p/f/examples/progress").raise_for_status().json()
    assert script["schema"]["properties"]["delay"]["default"] == "0.5"
