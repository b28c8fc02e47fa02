"""Deploying: a linear history with one head, and what is refused."""

import asyncio
from typing import Any

import pytest
from httpx2 import AsyncClient

from postmill.auth.tokens import Wish
from postmill.model.script import NOT_YET
from tests.api.caller import HELLO, PATH, Caller
from tests.api.conftest import People, Person

pytestmark = pytest.mark.anyio


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


async def test_a_deploy_answers_with_the_hash_as_text(ann: Caller) -> None:
    response = await ann.create()
    assert response.status_code == 201
    assert response.headers["content-type"].startswith("text/plain")
    assert len(response.text) == 16
    int(response.text, 16)


async def test_a_version_follows_the_head_and_nothing_else(ann: Caller) -> None:
    first = await ann.deploy()
    second = await ann.deploy(content=HELLO + "# 2", parent_hash=first)
    response = await ann.create(content=HELLO + "# 3", parent_hash=first)
    assert (response.status_code, second in response.text) == (409, True)
    assert (await ann.script())["hash"] == second
    assert (await ann.json(f"scripts/get/h/{first}"))["archived"] is True


async def test_a_path_that_exists_is_not_replaced_by_accident(ann: Caller) -> None:
    first = await ann.deploy()
    response = await ann.create(content=HELLO + "# 2")
    assert (response.status_code, first in response.text) == (409, True)
    assert (await ann.script())["hash"] == first


async def test_auto_parent_follows_whatever_is_the_head(ann: Caller) -> None:
    first = await ann.deploy(auto_parent=True)
    second = await ann.deploy(content=HELLO + "# 2", auto_parent=True)
    third = await ann.deploy(content=HELLO + "# 3", parent_hash=first, auto_parent=True)
    assert (await ann.script())["parent_hashes"] == [second]
    assert (await ann.script())["hash"] == third


async def test_going_back_to_an_earlier_content_is_a_new_version(ann: Caller) -> None:
    first = await ann.deploy()
    second = await ann.deploy(content=HELLO + "# 2", auto_parent=True)
    third = await ann.deploy(auto_parent=True)
    assert len({first, second, third}) == 3


async def test_nothing_is_deployed_when_nothing_differs(ann: Caller) -> None:
    first = await ann.deploy(summary="x")
    assert await ann.deploy(summary="x", auto_parent=True, skip_if_noop=True) == first
    assert len(await ann.json(f"scripts/history/p/{PATH}")) == 1
    assert await ann.deploy(summary="y", auto_parent=True, skip_if_noop=True) != first
    assert await ann.deploy(summary="y", auto_parent=True) not in (first, "")
    assert len(await ann.json(f"scripts/history/p/{PATH}")) == 3


async def test_a_script_moves_to_another_path_by_its_parent(ann: Caller) -> None:
    first = await ann.deploy()
    moved = await ann.deploy("f/b/moved", parent_hash=first)
    assert await ann.json(f"scripts/exists/p/{PATH}") is False
    found = await ann.script("f/b/moved")
    assert (found["hash"], found["parent_hashes"]) == (moved, [first])
    assert (await ann.create("f/b/again", parent_hash=first)).status_code == 409


async def test_a_script_does_not_move_onto_another(ann: Caller) -> None:
    first = await ann.deploy()
    await ann.deploy("f/b/other")
    assert (await ann.create("f/b/other", parent_hash=first)).status_code == 409
    assert await ann.json(f"scripts/exists/p/{PATH}") is True


async def test_nobody_moves_away_what_is_somebody_elses(ann: Caller, people: People) -> None:
    hash_ = await ann.deploy("u/ann/mine")
    bob = Caller(ann.client, await people.add("bob"))
    response = await bob.create("u/bob/mine", parent_hash=hash_)
    assert (response.status_code, "u/ann/mine" in response.text) == (403, True)
    assert await ann.json("scripts/exists/p/u/ann/mine") is True
    narrow = Caller(ann.client, await people.with_token(ann.person.email, Wish(scopes=("scripts:write:f/*",))))
    assert (await narrow.create("f/b/taken", parent_hash=hash_)).status_code == 403


async def test_of_fifty_deploys_after_the_same_version_one_wins(ann: Caller) -> None:
    first = await ann.deploy()
    answers = await asyncio.gather(
        *(ann.create(content=f"{HELLO}# {number}", parent_hash=first) for number in range(50))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    [winner] = [answer.text for answer in answers if answer.status_code == 201]
    assert (await ann.script())["hash"] == winner
    assert len(await ann.json(f"scripts/history/p/{PATH}")) == 2


async def test_of_twenty_first_deploys_of_a_path_one_wins(ann: Caller) -> None:
    answers = await asyncio.gather(*(ann.create(content=f"{HELLO}# {number}") for number in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert len(await ann.json(f"scripts/history/p/{PATH}")) == 1


async def test_of_twenty_moves_of_one_script_one_wins(ann: Caller) -> None:
    first = await ann.deploy()
    answers = await asyncio.gather(*(ann.create(f"f/b/to{number}", parent_hash=first) for number in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert len(await ann.json("scripts/list")) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"path": "f/../etc/passwd"}, "'..'"),
        ({"path": "f/a/.."}, "'..'"),
        ({"path": "hello"}, "u/<user>/<name>"),
        ({"path": "f/a/b c"}, "'b c'"),
        ({"path": "f/a/" + "x" * 300}, "255"),
        ({"path": "f/a/b\u202e"}, "letters"),
        ({"language": "cobol"}, "'cobol' is not supported yet; there are: python3, bash"),
        ({"content": "def main(:\n"}, "line 1"),
        ({"content": "x = 1\ndef main(a):\n    return (\n"}, "line 3"),
        ({"content": "if true\n", "language": "bash"}, "'fi'"),
        ({"parent_hash": "ffffffffffffffff"}, "there is no version"),
        ({"parent_hash": "not a hash"}, "not a script hash"),
        ({"kind": "flow"}, "kind"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 10**6}, "POSTMILL_JOB_TIMEOUT"),
        ({"timeout": "60"}, "timeout"),
        ({"priority": 101}, "priority"),
        ({"concurrent_limit": 0}, "concurrent_limit"),
        ({"concurrency_key": "x"}, "no effect without concurrent_limit"),
        ({"restart_unless_cancelled": True, "cache_ttl": 5}, "cache_ttl"),
        ({"envs": ["A"]}, "NAME=value"),
        ({"envs": ["WM_TOKEN=x"]}, "WM_TOKEN is set by the platform"),
        ({"tag": ""}, "tag"),
        ({"content": None}, "content"),
        (
            {"content": f"# limits: memroy=1GB\n{HELLO}"},
            "line 1: limits: 'memroy=1GB' cannot be taken: there are disk, ",
        ),
        ({"content": f"#\n# limits: pids=0\n{HELLO}"}, "line 2: limits: 'pids=0' cannot be taken: it is below 2"),
        (
            {"content": "# limits: files=2000\n", "language": "bash"},
            "2000 is over this instance's 1024 (POSTMILL_JOB_F",
        ),
        ({"content": "# limits: memory=3GB\n", "language": "bash"}, "3GB is over this instance's 2GB (POSTMILL_JOB"),
    ],
)
async def test_what_cannot_be_deployed_is_refused_and_named(ann: Caller, given: dict[str, Any], words: str) -> None:
    response = await ann.create(**given)
    assert response.status_code == 400
    assert response.text.startswith("Bad request: ")
    assert words in response.text
    assert await ann.json("scripts/list", include_without_main=True) == []


_VALUES: dict[type, Any] = {bool: True, int: 5, str: "x", list: ["x"], dict: {"x": 1}}
_KINDS: dict[str, type] = {
    "codebase": str,
    "debounce_key": str,
    "debounce_delay_s": int,
    "debounce_args_to_accumulate": list,
    "max_total_debouncing_time": int,
    "max_total_debounces_amount": int,
    "on_behalf_of": str,
    "on_behalf_of_email": str,
    "modules": dict,
    "job_token_scopes": list,
}


@pytest.mark.parametrize("name", NOT_YET)
async def test_a_setting_that_cannot_take_effect_yet_is_refused_by_name(ann: Caller, name: str) -> None:
    response = await ann.create(**{name: _VALUES[_KINDS.get(name, bool)]})
    assert (response.status_code, response.text.split(" ")[2]) == (400, f"{name}:")
    nothing: dict[str, Any] = {name: None}
    await ann.deploy(**nothing)


async def test_operators_and_others_may_not_deploy(ann: Caller, people: People) -> None:
    oz = Caller(ann.client, await people.add("oz", "operator"))
    bob = Caller(ann.client, await people.add("bob"))
    assert (await oz.create()).status_code == 403
    assert (await bob.create("u/ann/x")).status_code == 403
    await bob.deploy("u/bob/x")
    await ann.deploy("u/bob/y")


async def test_a_library_needs_no_main(ann: Caller) -> None:
    await ann.deploy("f/a/lib", "def greet(name):\n    return name\n")
    found = await ann.script("f/a/lib")
    assert (found["auto_kind"], found["no_main_func"], found["schema"]["properties"]) == ("lib", True, {})


async def test_the_settings_come_back_as_they_were_given(ann: Caller) -> None:
    settings: dict[str, Any] = {
        "tag": "special",
        "timeout": 60,
        "priority": 7,
        "concurrent_limit": 3,
        "concurrency_time_window_s": 10,
        "concurrency_key": "k",
        "cache_ttl": 20,
        "delete_after_secs": 30,
        "visible_to_runner_only": True,
        "envs": ["A=b=c"],
        "labels": ["x", "y"],
        "kind": "approval",
    }
    await ann.deploy(**settings)
    found = await ann.script()
    assert {name: found[name] for name in settings} == settings
