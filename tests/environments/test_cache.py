"""The directory of environments: who may remove what, and what goes first."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from postmill.environments import cache as caching
from postmill.environments.cache import Cache, remove_tree

pytestmark = pytest.mark.anyio

ONE = 1024 * 1024


async def fill(cache: Cache, key: str, size: int = ONE, age_s: float = 3600.0) -> None:
    """An environment of this size, last used so long ago."""

    async def make(site: Path, fd: int) -> tuple[str, int]:
        site.mkdir()
        (site / "module.py").write_bytes(os.urandom(size))
        (site / "deep").mkdir()
        (site / "deep" / "data").write_text("x")
        return "3.11.7", 1

    (await cache.ready(key, make)).release()
    then = time.time() - age_s
    if (cache.environments / key).exists():
        os.utime(cache.environments / key / "used", (then, then))


def keys(cache: Cache) -> list[str]:
    return [each.key for each in cache.about()]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path, 3 * ONE + ONE // 2)


async def test_what_was_not_used_for_longest_goes_when_there_is_too_much(cache: Cache) -> None:
    for age, key in enumerate(("c", "b", "a")):
        await fill(cache, key, age_s=1000.0 + age)
    hold = cache.hold("a")
    assert hold is not None
    hold.release()
    await fill(cache, "d", age_s=0.0)
    # 'a' was used just now, 'd' too; below 80 % of the size there is room for two.
    assert sorted(keys(cache)) == ["a", "d"]
    assert cache.used_bytes() <= 3 * ONE
    assert os.listdir(cache.root / "staging") == []


async def test_what_is_in_use_is_never_removed(cache: Cache) -> None:
    await fill(cache, "a")
    with cache.hold("a") or pytest.fail("not there"):
        old = time.time() - 10_000
        os.utime(cache.environments / "a" / "used", (old, old))
        assert Cache(cache.root.parents[1], ONE // 2).shrink() == []
        assert cache.prune(everything=True) == []
        assert (cache.site("a") / "module.py").exists()
    assert cache.prune(everything=True) == ["a"]
    assert cache.hold("a") is None


async def test_another_process_that_uses_an_environment_keeps_it_until_it_is_gone(cache: Cache) -> None:
    await fill(cache, "a")
    code = (
        "import sys; from pathlib import Path; from postmill.environments.cache import Cache;"
        "h = Cache(Path(sys.argv[1]), 1).hold('a'); print(h is not None, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(cache.root.parents[1])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    assert cache.prune(everything=True) == []
    process.kill()
    process.communicate()
    assert cache.prune(everything=True) == ["a"]


async def test_what_a_killed_process_left_is_swept_by_the_next_install(cache: Cache) -> None:
    cache.prepare()
    left = cache.root / "staging" / "z.12345678" / "site"
    left.mkdir(parents=True)
    (left / "half.py").write_text("x")
    left.chmod(0o555)
    await fill(cache, "a")
    assert os.listdir(cache.root / "staging") == []
    assert keys(cache) == ["a"]


async def test_files_that_several_share_count_once_and_downloads_go_first(cache: Cache) -> None:
    await fill(cache, "a", size=2 * ONE)
    shared = cache.uv / "shared.py"
    os.link(cache.site("a") / "module.py", shared)
    assert cache.used_bytes() < 2 * ONE + 100_000
    (cache.uv / "download").write_bytes(os.urandom(2 * ONE))
    assert cache.shrink() == []
    assert os.listdir(cache.uv) == []
    assert keys(cache) == ["a"]
    assert (cache.site("a") / "module.py").stat().st_size == 2 * ONE


async def test_downloads_stay_while_uv_runs(cache: Cache) -> None:
    cache.prepare()
    (cache.uv / "download").write_text("x")
    with await cache.use_uv():
        cache.prune()
        assert os.listdir(cache.uv) == ["download"]
    cache.prune()
    assert os.listdir(cache.uv) == []


async def test_what_was_used_just_now_stays_though_nobody_holds_it(cache: Cache) -> None:
    await fill(cache, "a", age_s=caching.JUST_USED_S / 2)
    assert Cache(cache.root.parents[1], ONE // 2).shrink() == []
    assert keys(cache) == ["a"]


async def test_an_environment_that_was_removed_is_made_again(cache: Cache) -> None:
    await fill(cache, "a")
    cache.prune(everything=True)
    await fill(cache, "a")
    assert keys(cache) == ["a"]
    assert [each.packages for each in cache.about()] == [1]


async def test_a_broken_note_of_an_environment_breaks_no_list(cache: Cache) -> None:
    await fill(cache, "a")
    await fill(cache, "b")
    (cache.environments / "a" / "about.json").write_text("{")
    assert keys(cache) == ["b"]


def test_a_read_only_tree_is_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep" / "deeper").mkdir(parents=True)
    (tree / "deep" / "deeper" / "file").write_text("x")
    for path in (tree / "deep" / "deeper", tree / "deep", tree):
        path.chmod(0o555)
    remove_tree(tree)
    assert not tree.exists()
    remove_tree(tree)
    shutil.rmtree(tmp_path)


async def test_old_answers_of_the_resolver_go(cache: Cache) -> None:
    cache.prepare()
    for name, age_s in (("old", caching.ANSWER_S + 60), ("new", 60.0)):
        (cache.resolved / name).write_text("x")
        then = time.time() - age_s
        os.utime(cache.resolved / name, (then, then))
    await fill(cache, "a")
    assert os.listdir(cache.resolved) == ["new"]
