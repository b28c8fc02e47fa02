"""Drafts: one a person and script, kept as sent, with a warning when somebody deployed meanwhile."""

import asyncio
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from postmill.auth.tokens import Wish
from tests.api.caller import HELLO, PATH, Caller
from tests.api.conftest import People, Person

pytestmark = pytest.mark.anyio

VALUE = b'{"summary": "s", "content":  "x", "n": 1.10, "big": 12345678901234567890123, "e": "\\u20ac"}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


@pytest.fixture
async def bob(client: AsyncClient, people: People) -> Caller:
    return Caller(client, await people.add("bob"))


async def save(who: Caller, value: Any = "x", path: str = PATH, **more: Any) -> Response:
    return await who.post(f"drafts/update/script/{path}", {"value": value, **more})


async def saved(who: Caller, value: Any = "x", path: str = PATH, **more: Any) -> dict[str, Any]:
    response = await save(who, value, path, **more)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def own(who: Caller, path: str = PATH) -> Any:
    return await who.json(f"drafts/get_own/script/{path}")


async def test_a_draft_is_kept_as_it_was_sent(ann: Caller) -> None:
    body = b'{"force": false, "value": ' + VALUE + b"}"
    response = await ann.post(f"drafts/update/script/{PATH}", content=body, headers=JSON)
    assert (response.status_code, response.json()["status"], response.json()["path"]) == (200, "saved", PATH)
    for address in ("get_own", "get"):
        text = (await ann.get(f"drafts/{address}/script/{PATH}")).content
        assert text.startswith(b'{"value":' + VALUE + b",")
    found = await own(ann)
    assert found["created_at"] == response.json()["current_timestamp"]
    assert (found["base_hash"], found["head_hash"], found["conflict"]) == (None, None, False)


async def test_each_person_has_their_own(ann: Caller, bob: Caller) -> None:
    assert await own(ann) is None
    await saved(ann, "ann's")
    await saved(bob, "bob's")
    assert ((await own(ann))["value"], (await own(bob))["value"]) == ("ann's", "bob's")
    await saved(ann, "ann's second")
    assert ((await own(ann))["value"], (await own(bob))["value"]) == ("ann's second", "bob's")


async def test_members_look_at_each_others(ann: Caller, bob: Caller) -> None:
    await saved(bob, "bob's")
    assert (await ann.get(f"drafts/get/script/{PATH}")).status_code == 404
    assert (await ann.json(f"drafts/get/script/{PATH}", username="bob"))["value"] == "bob's"
    assert (await ann.get(f"drafts/get/script/{PATH}", username="nobody")).status_code == 404
    assert (await bob.json(f"drafts/get/script/{PATH}", username="bob"))["value"] == "bob's"


async def test_a_deploy_of_somebody_else_is_a_conflict(ann: Caller, bob: Caller) -> None:
    first = await bob.deploy()
    await saved(ann, "one")
    assert (await own(ann))["base_hash"] == first
    second = await bob.deploy(content=HELLO + "#", parent_hash=first)
    found = await own(ann)
    assert (found["base_hash"], found["head_hash"], found["conflict"]) == (first, second, True)
    response = await save(ann, "two")
    assert (response.status_code, first in response.text, second in response.text) == (409, True, True)
    assert (await own(ann))["value"] == "one"
    await saved(ann, "two", force=True)
    found = await own(ann)
    assert (found["value"], found["base_hash"], found["conflict"]) == ("two", second, False)
    await saved(ann, "three")


async def test_the_version_that_the_editor_began_with_can_be_named(ann: Caller) -> None:
    first = await ann.deploy()
    second = await ann.deploy(content=HELLO + "#", parent_hash=first)
    assert (await save(ann, base_hash=first)).status_code == 409
    await saved(ann, base_hash=second)
    assert (await save(ann, base_hash="nonsense")).status_code == 400


async def test_a_first_deploy_and_an_archive_are_conflicts_too(ann: Caller, bob: Caller) -> None:
    await saved(ann, "before there was any")
    await bob.deploy()
    assert (await save(ann)).status_code == 409
    await saved(ann, force=True)
    await bob.post(f"scripts/archive/p/{PATH}")
    response = await save(ann)
    assert (response.status_code, "there no more" in response.text) == (409, True)


async def test_two_windows_of_one_person_do_not_overwrite_each_other(ann: Caller) -> None:
    stamp = (await saved(ann, "one"))["current_timestamp"]
    later = (await saved(ann, "window A", last_sync=stamp))["current_timestamp"]
    assert (await save(ann, "window B", last_sync=stamp)).status_code == 409
    assert (await own(ann))["value"] == "window A"
    await saved(ann, "window B", last_sync=later)
    await saved(ann, "window A", last_sync=stamp, force=True)


async def test_of_ten_windows_that_save_at_once_one_wins(ann: Caller) -> None:
    stamp = (await saved(ann, "one"))["current_timestamp"]
    answers = await asyncio.gather(*(save(ann, number, last_sync=stamp) for number in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    [winner] = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert (await own(ann))["value"] == winner


@pytest.mark.parametrize("body", [{"value": None}, {}])
async def test_a_null_takes_the_draft_away(ann: Caller, body: dict[str, Any]) -> None:
    await saved(ann)
    response = await ann.post(f"drafts/update/script/{PATH}", body)
    assert (response.status_code, response.json()["status"]) == (200, "deleted")
    assert await own(ann) is None


async def test_a_draft_is_deleted_by_its_owner_or_an_administrator(ann: Caller, bob: Caller, people: People) -> None:
    cem = Caller(ann.client, await people.add("cem"))
    for who in (ann, bob, cem):
        await saved(who)
    address = f"drafts/delete_for_user/script/{PATH}"
    assert (await cem.post(address, username="bob")).status_code == 403
    assert (await cem.post(address)).status_code == 200
    assert (await cem.post(address)).status_code == 404
    assert (await ann.post(address, username="bob")).status_code == 200
    assert (await ann.post(address, username="nobody")).status_code == 404
    assert [await own(who) is None for who in (ann, bob, cem)] == [False, True, True]


async def test_deploying_takes_the_deployers_draft_away(ann: Caller, bob: Caller) -> None:
    for who in (ann, bob):
        await saved(who)
        await saved(who, path="f/a/other")
    hash_ = await ann.deploy()
    assert await own(ann) is None
    assert await own(ann, "f/a/other") is not None
    assert (await own(bob))["conflict"] is True
    await saved(ann)
    await ann.deploy("f/b/moved", parent_hash=hash_)
    assert await own(ann) is None


async def test_a_deploy_that_is_refused_or_says_so_leaves_the_draft(ann: Caller) -> None:
    await ann.deploy()
    await saved(ann)
    assert (await ann.create(content=HELLO + "#")).status_code == 409
    assert (await own(ann))["value"] == "x"
    await ann.deploy(content=HELLO + "#", auto_parent=True, skip_draft_deletion=True)
    assert (await own(ann))["value"] == "x"
    await ann.deploy(content=HELLO + "#", auto_parent=True, skip_if_noop=True)
    assert await own(ann) is None


async def test_drafts_are_listed_once_an_item(ann: Caller, bob: Caller) -> None:
    await ann.deploy("f/a/one")
    await saved(ann, {"summary": "ann's"}, "f/a/one")
    await saved(bob, {"summary": "bob's"}, "f/a/one")
    await saved(bob, ["no object"], "u/bob/two")
    [mine] = await ann.json("drafts/list")
    assert {"kind", "path", "draft_only", "legacy_draft", "created_at", "can_write", "mine"} <= set(mine)
    assert (mine["path"], mine["summary"], mine["draft_only"], mine["mine"]) == ("f/a/one", "ann's", False, True)
    assert mine["draft_users"] == [{"username": "ann"}]
    two, one = await ann.json("drafts/list", all_users=True)
    assert (one["summary"], one["draft_users"]) == ("ann's", [{"username": "bob"}, {"username": "ann"}])
    assert (two["path"], two["summary"], two["draft_only"], two["mine"]) == ("u/bob/two", None, True, False)
    assert [entry["path"] for entry in await ann.json("drafts/list", all_users=True, page=2, per_page=1)] == ["f/a/one"]


async def test_who_may_write_the_path_is_told(ann: Caller, bob: Caller) -> None:
    await saved(ann, path="u/ann/mine")
    [entry] = await bob.json("drafts/list", all_users=True)
    assert entry["can_write"] is False
    assert (await save(bob, path="u/ann/mine")).status_code == 403


async def test_a_script_is_read_with_ones_draft(ann: Caller, bob: Caller) -> None:
    async def read() -> Any:
        return await ann.json(f"scripts/get/p/{PATH}", get_draft=True)

    assert (await ann.get(f"scripts/get/p/{PATH}", get_draft=True)).status_code == 404
    await saved(ann, {"content": "mine"})
    found = await read()
    assert (found["path"], found["no_deployed"], found["draft"]) == (PATH, True, {"content": "mine"})
    hash_ = await bob.deploy()
    await saved(bob)
    found = await read()
    assert (found["hash"], found["content"], found["no_deployed"]) == (hash_, HELLO, False)
    assert (found["is_draft"], found["draft_base"], found["draft"]) == (True, None, {"content": "mine"})
    assert [other["username"] for other in found["other_drafts_users"]] == ["bob"]
    await ann.post(f"drafts/delete_for_user/script/{PATH}")
    found = await read()
    assert (found["is_draft"], "draft" in found) == (False, False)
    assert "draft" not in await ann.script()


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("script/nowhere", {"value": 1}),
        ("script/f/../x", {"value": 1}),
        ("flow/f/a/b", {"value": 1}),
        ("script/f/a/b", {"value": 1, "colour": "red"}),
        ("script/f/a/b", {"value": 1, "last_sync": "yesterday"}),
        ("script/f/a/b", {"value": 1, "force": "yes"}),
        ("script/f/a/b", [1]),
    ],
)
async def test_what_cannot_be_a_draft_is_refused(ann: Caller, address: str, body: Any) -> None:
    assert (await ann.post(f"drafts/update/{address}", body)).status_code == 400
    assert await ann.json("drafts/list") == []


async def test_another_workspace_and_operators_see_none(ann: Caller, people: People) -> None:
    await saved(ann)
    eve = Caller(ann.client, await people.add("eve", "admin", workspace="other"), "other")
    oz = Caller(ann.client, await people.add("oz", "operator"))
    assert await own(eve) is None
    assert await eve.json("drafts/list", all_users=True) == []
    assert (await eve.get(f"drafts/get/script/{PATH}", username="ann")).status_code == 404
    for address in (f"get_own/script/{PATH}", f"get/script/{PATH}", "list"):
        assert (await oz.get(f"drafts/{address}")).status_code == 403
    assert (await save(oz)).status_code == 403
    assert (await oz.get(f"scripts/get/p/{PATH}", get_draft=True)).status_code == 403


async def test_a_token_for_some_paths_has_those_drafts_only(ann: Caller, people: People) -> None:
    scopes = ("scripts:write:f/a/*",)
    narrow = Caller(ann.client, await people.with_token(ann.person.email, Wish(scopes=scopes)))
    await saved(narrow)
    assert (await save(narrow, path="f/b/x")).status_code == 403
    assert (await narrow.get("drafts/get_own/script/f/b/x")).status_code == 403
