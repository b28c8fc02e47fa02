"""Every file of examples/ is deployed at the path that its head names, and run."""

import re
from pathlib import Path
from typing import Any

from tests.faults.cluster import Cluster

ROOT = Path(__file__).parents[2] / "examples"
_HEAD = re.compile(r"path  (f/examples/\w+)     language  (python3|bash)")


def sources() -> dict[str, tuple[str, str]]:
    """Path → content and language of each example."""
    found = {}
    for file in sorted(path for path in ROOT.rglob("*") if path.suffix in (".py", ".sh")):
        content = file.read_text()
        head = _HEAD.search(content)
        assert head is not None, f"{file.name} does not say where it is deployed"
        found[head[1]] = (content, head[2])
    return found


def deploy_all(cluster: Cluster) -> dict[str, str]:
    return {path: cluster.deploy(path, content, language) for path, (content, language) in sources().items()}


def ran(cluster: Cluster, path: str, **args: Any) -> Any:
    """The finished job."""
    [job] = cluster.wait([cluster.run(path, **args)])
    return job


def test_the_examples_run_as_they_stand(cluster: Cluster) -> None:
    cluster.start_worker()
    deployed = deploy_all(cluster)
    assert {path.rpartition("/")[2] for path in deployed} == {"hello", "progress", "greetings", "welcome"}

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
