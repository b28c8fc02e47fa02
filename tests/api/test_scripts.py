"""Scripts are read, listed, archived and deleted."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from postmill.auth.tokens import Wish
from tests.api.caller import HELLO, PATH, Caller
from tests.api.conftest import People, Person

pytestmark = pytest.mark.anyio

# What the contract's Script and an entry of its history must have.
REQUIRED = (
    "hash path summary description content created_by created_at archived deleted is_template extra_perms language"
    " kind starred has_preprocessor"
).split()


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


async def test_a_script_is_read_by_path_and_by_hash(ann: Caller) -> None:
    hash_ = await ann.deploy(summary="Says hello", description="At length", labels=["x"])
    by_path = await ann.script()
    assert by_path == await ann.json(f"scripts/get/h/{hash_}")
    assert [name for name in REQUIRED if name not in by_path] == []
    assert (by_path["hash"], by_path["content"], by_path["created_by"]) == (hash_, HELLO, "ann")
    assert (by_path["summary"], by_path["description"], by_path["labels"]) == ("Says hello", "At length", ["x"])
    assert by_path["created_at"].endswith("Z")
    assert len(by_path["created_at"]) == 27


async def test_the_source_is_plain_text_and_takes_a_file_ending(ann: Caller) -> None:
    hash_ = await ann.deploy()
    for address in (f"p/{PATH}", f"p/{PATH}.py", f"h/{hash_}", f"h/{hash_}.py"):
        response = await ann.get(f"scripts/raw/{address}")
        assert (response.status_code, response.text) == (200, HELLO)
        assert response.headers["content-type"].startswith("text/plain")
    assert (await ann.get(f"scripts/raw/p/{PATH}.txt")).status_code == 404


async def test_exists_is_json(ann: Caller) -> None:
    assert (await ann.get(f"scripts/exists/p/{PATH}")).content == b"false"
    await ann.deploy()
    assert (await ann.get(f"scripts/exists/p/{PATH}")).content == b"true"


async def test_history_is_newest_first_in_pages(ann: Caller) -> None:
    first = await ann.deploy(deployment_message="one")
    second = await ann.deploy(content=HELLO + "#", parent_hash=first, deployment_message="two")
    found = await ann.json(f"scripts/history/p/{PATH}")
    assert [(entry["script_hash"], entry["deployment_msg"]) for entry in found] == [(second, "two"), (first, "one")]
    for page in (0, 1):
        [entry] = await ann.json(f"scripts/history/p/{PATH}", page=page, per_page=1)
        assert entry["script_hash"] == second
    [entry] = await ann.json(f"scripts/history/p/{PATH}", page=2, per_page=1)
    assert entry["script_hash"] == first
    assert await ann.json("scripts/history/p/f/a/none") == []


async def test_the_schema_is_read_from_the_signature_and_refined_by_the_given_one(ann: Caller) -> None:
    given = {
        "properties": {
            "name": {"type": "string", "description": "Whom to greet", "minLength": 2},
            "times": {"type": "string", "description": "another type: passed over"},
            "gone": {"type": "string"},
        },
        "required": [],
        "order": ["gone", "times", "name"],
    }
    await ann.deploy(schema=given)
    schema = (await ann.script())["schema"]
    assert schema["order"] == list(schema["properties"]) == ["name", "times"]
    assert schema["required"] == ["name"]
    assert schema["properties"]["name"] == {"type": "string", "description": "Whom to greet", "minLength": 2}
    assert schema["properties"]["times"] == {"type": "integer", "default": 2}
    assert (await ann.post(f"jobs/run/p/{PATH}", {"name": "x"})).status_code == 400


async def test_without_a_given_schema_the_signature_is_all(ann: Caller) -> None:
    await ann.deploy()
    schema = (await ann.script())["schema"]
    assert schema["properties"] == {"name": {"type": "string"}, "times": {"type": "integer", "default": 2}}


FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"path_start": "f/b"}, "f/b/two"),
    ({"path_exact": "f/b/two"}, "f/b/two"),
    ({"languages": "bash"}, "f/b/two"),
    ({"languages": "bash,deno"}, "f/b/two"),
    ({"kinds": "approval,trigger"}, "f/b/two"),
    ({"label": "red"}, "f/b/two"),
    ({"created_by": "bob"}, "f/b/two"),
]


@pytest.mark.parametrize(("query", "path"), FILTERS)
async def test_a_filter_lists_what_fits_and_nothing_else(
    ann: Caller, people: People, query: dict[str, Any], path: str
) -> None:
    bob = Caller(ann.client, await people.add("bob"))
    await ann.deploy("f/a/one")
    await bob.deploy("f/b/two", "echo", language="bash", labels=["red", "blue"], kind="trigger")
    assert {entry["path"] for entry in await ann.json("scripts/list")} == {"f/a/one", "f/b/two"}
    assert [entry["path"] for entry in await ann.json("scripts/list", **query)] == [path]


async def test_the_list_has_heads_without_their_content_and_libraries_on_request(ann: Caller) -> None:
    first = await ann.deploy()
    second = await ann.deploy(content=HELLO + "#", parent_hash=first)
    await ann.deploy("f/a/lib", "VALUE = 1")
    [entry] = await ann.json("scripts/list")
    assert (entry["hash"], entry["content"], entry["parent_hashes"]) == (second, "", [first])
    assert [name for name in REQUIRED if name not in entry] == []
    both = await ann.json("scripts/list", include_without_main=True)
    assert {found["path"]: found["auto_kind"] for found in both} == {PATH: None, "f/a/lib": "lib"}
    assert [found["hash"] for found in await ann.json("scripts/list", parent_hash=first)] == [second]
    assert await ann.json("scripts/list", parent_hash=second) == []
    assert await ann.json("scripts/list", starred_only=True) == []
    assert await ann.json("scripts/list_paths") == [PATH, "f/a/lib"]


async def test_the_list_has_pages_of_which_zero_and_one_are_the_first(ann: Caller) -> None:
    paths = [f"f/a/s{number}" for number in range(5)]
    for path in paths:
        await ann.deploy(path)

    async def listed(**query: Any) -> list[str]:
        return [entry["path"] for entry in await ann.json("scripts/list", **query)]

    assert await listed() == paths[::-1]
    assert await listed(order_desc=False) == paths
    assert await listed(page=0, per_page=2) == await listed(page=1, per_page=2) == [paths[4], paths[3]]
    assert await listed(page=3, per_page=2) == [paths[0]]
    assert await listed(page=4, per_page=2) == []
    assert await listed(page=10**12, per_page=10**12) == []


@pytest.mark.parametrize("value", ["'", '"; DROP TABLE script; --', "%", "_", "\\", "\u20ac\U0001f600", "x" * 10_000])
@pytest.mark.parametrize("name", ["path_start", "path_exact", "created_by", "label", "languages", "kinds"])
async def test_hostile_values_of_filters_find_nothing(ann: Caller, name: str, value: str) -> None:
    await ann.deploy()
    assert await ann.json("scripts/list", **{name: value}) == []


@pytest.mark.parametrize("query", [{"parent_hash": "xyz"}, {"parent_hash": "1" * 17}, {"page": "x"}, {"colour": "red"}])
async def test_what_cannot_be_a_filter_is_refused(ann: Caller, query: dict[str, str]) -> None:
    response = await ann.get("scripts/list", **query)
    assert response.status_code == 400
    assert next(iter(query)) in response.text or "hash" in response.text


async def test_an_archived_path_runs_nothing_and_can_be_deployed_again(ann: Caller) -> None:
    hash_ = await ann.deploy()
    assert (await ann.post(f"scripts/archive/p/{PATH}")).status_code == 200
    assert await ann.json(f"scripts/exists/p/{PATH}") is False
    assert await ann.json("scripts/list") == []
    assert [entry["hash"] for entry in await ann.json("scripts/list", show_archived=True)] == [hash_]
    assert (await ann.script())["archived"] is True
    assert (await ann.post(f"jobs/run/p/{PATH}", {"name": "x"})).status_code == 404
    assert (await ann.post(f"scripts/archive/p/{PATH}")).status_code == 404
    again = await ann.deploy()
    assert again != hash_
    assert (await ann.script())["hash"] == again


async def test_an_archived_version_is_still_there_by_hash(ann: Caller) -> None:
    hash_ = await ann.deploy()
    response = await ann.post(f"scripts/archive/h/{hash_}")
    assert (response.status_code, response.json()["archived"]) == (200, True)
    found = await ann.json(f"scripts/get/h/{hash_}")
    assert (found["archived"], found["content"]) == (True, HELLO)


async def test_a_deleted_version_is_gone_and_the_history_goes_on(ann: Caller) -> None:
    first = await ann.deploy()
    second = await ann.deploy(content=HELLO + "#", parent_hash=first)
    response = await ann.post(f"scripts/delete/h/{first}")
    assert (response.status_code, response.json()["deleted"], response.json()["content"]) == (200, True, "")
    for address in (f"get/h/{first}", f"raw/h/{first}"):
        assert (await ann.get(f"scripts/{address}")).status_code == 404
    assert (await ann.post(f"scripts/delete/h/{first}")).status_code == 404
    assert (await ann.post(f"jobs/run/h/{first}", {"name": "x"})).status_code == 404
    assert (await ann.script())["hash"] == second
    await ann.deploy(content=HELLO + "##", parent_hash=second)


async def test_a_deleted_path_is_gone_and_can_be_deployed_again(ann: Caller) -> None:
    first = await ann.deploy()
    response = await ann.post(f"scripts/delete/p/{PATH}")
    assert (response.status_code, response.json()) == (200, PATH)
    assert (await ann.get(f"scripts/get/p/{PATH}")).status_code == 404
    assert await ann.json(f"scripts/history/p/{PATH}") == []
    assert (await ann.post(f"scripts/delete/p/{PATH}")).status_code == 404
    assert await ann.deploy() != first


async def test_another_workspace_sees_and_changes_none_of_it(ann: Caller, people: People) -> None:
    eve = Caller(ann.client, await people.add("eve", "admin", workspace="other"), "other")
    hash_ = await ann.deploy()
    for address in (f"get/p/{PATH}", f"get/h/{hash_}", f"raw/p/{PATH}", f"raw/h/{hash_}"):
        assert (await eve.get(f"scripts/{address}")).status_code == 404, address
    for address in (f"archive/p/{PATH}", f"archive/h/{hash_}", f"delete/p/{PATH}", f"delete/h/{hash_}"):
        assert (await eve.post(f"scripts/{address}")).status_code == 404, address
    for address in (f"run/p/{PATH}", f"run/h/{hash_}", f"run_wait_result/p/{PATH}", f"run_wait_result/h/{hash_}"):
        assert (await eve.post(f"jobs/{address}", {"name": "x"})).status_code == 404, address
    assert await eve.json("scripts/list") == []
    assert (await eve.create(parent_hash=hash_)).status_code == 400
    assert (await ann.script())["archived"] is False


async def test_operators_read_and_do_not_write_and_only_administrators_delete(ann: Caller, people: People) -> None:
    hash_ = await ann.deploy()
    oz = Caller(ann.client, await people.add("oz", "operator"))
    bob = Caller(ann.client, await people.add("bob"))
    assert (await oz.script())["hash"] == hash_
    for address in (f"archive/p/{PATH}", f"archive/h/{hash_}"):
        assert (await oz.post(f"scripts/{address}")).status_code == 403
    for address in (f"delete/p/{PATH}", f"delete/h/{hash_}"):
        assert (await bob.post(f"scripts/{address}")).status_code == 403
    await ann.deploy("u/ann/mine")
    assert (await bob.post("scripts/archive/p/u/ann/mine")).status_code == 403


async def test_a_token_for_some_paths_reaches_those_by_hash_too(ann: Caller, people: People) -> None:
    hash_ = await ann.deploy()
    other = await ann.deploy("f/b/two")
    token = await people.with_token(ann.person.email, Wish(scopes=("scripts:write:f/a/*",)))
    narrow = Caller(ann.client, token)
    assert (await narrow.get(f"scripts/get/h/{hash_}")).status_code == 200
    assert (await narrow.get(f"scripts/get/h/{other}")).status_code == 403
    assert (await narrow.get("scripts/get/p/f/b/two")).status_code == 403
    assert (await narrow.post(f"scripts/archive/h/{other}")).status_code == 403
    assert (await narrow.create("f/b/new")).status_code == 403
    assert (await narrow.get("scripts/list")).status_code == 403
