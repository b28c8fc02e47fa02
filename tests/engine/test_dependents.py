"""Who is resolved anew when a library or a dependency file changes."""

import asyncio

import pytest

from postmill.engine import dependencies
from tests.engine.conftest import ANN, MAIN, Bench

pytestmark = pytest.mark.anyio


async def test_a_library_that_wants_more_has_its_dependents_resolved_anew(bench: Bench) -> None:
    await bench.deploy("f/lib/inner", "X = 1\n")
    await bench.deploy("f/lib/outer", "from f.lib.inner import X\n")
    near = await bench.deploy("f/a/near", f"from f.lib.outer import X\n{MAIN}")
    far = await bench.locked("f/a/far", f"import other\nfrom f.lib import outer\n{MAIN}")
    apart = await bench.locked("f/a/apart", f"import other\n{MAIN}")
    before = {each: (await bench.version(each)).lock for each in (near, far, apart)}
    await bench.deploy("f/lib/inner", "import lower\nX = 2\n")
    assert await bench.queued() == [
        ("dependencies", path) for path in ("f/a/far", "f/a/near", "f/lib/inner", "f/lib/outer")
    ]
    # The old ones serve until then.
    assert {each: (await bench.version(each)).lock for each in (near, far, apart)} == before
    await bench.work()
    after = {each: (await bench.version(each)).lock or "" for each in (near, far, apart)}
    assert "lower==1.0" in after[near]
    assert "lower==1.0" in after[far] and "other==1.0" in after[far]
    assert after[apart] == before[apart]


async def test_a_library_that_wants_the_same_as_before_wakes_nobody(bench: Bench) -> None:
    await bench.locked("f/lib/one", "import lower\nX = 1\n")
    await bench.locked("f/a/one", f"import f.lib.one\n{MAIN}")
    await bench.deploy("f/lib/one", "import lower\nX = 2\n")
    assert await bench.queued() == []


async def test_versions_stay_when_dependents_are_resolved_anew(bench: Bench) -> None:
    await bench.deploy("f/lib/one", "X = 1\n")
    hash_ = await bench.locked("f/a/one", f"import other\nimport f.lib.one\n{MAIN}")
    bench.index.add_wheel("other", "2.0")
    await bench.deploy("f/lib/one", "import lower\n")
    await bench.work()
    lock = (await bench.version(hash_)).lock or ""
    assert "lower==1.0" in lock and "other==1.0" in lock


async def test_a_library_that_breaks_its_dependents_leaves_their_lock_serving(bench: Bench) -> None:
    await bench.deploy("f/lib/one", "X = 1\n")
    hash_ = await bench.locked("f/a/one", f"import other\nimport f.lib.one\n{MAIN}")
    lock = (await bench.version(hash_)).lock
    await bench.deploy("f/lib/one", "import nowhere\n")
    await bench.work()
    found = await bench.version(hash_)
    assert found.lock == lock
    assert found.lock_error is not None and "nowhere" in found.lock_error
    assert (await bench.run("f/a/one")).script_hash == hash_
    await bench.locked("f/lib/one", "X = 2\n")
    assert (await bench.version(hash_)).lock_error is None


async def test_a_script_that_imports_it_no_more_is_left_alone(bench: Bench) -> None:
    await bench.deploy("f/lib/one", "X = 1\n")
    await bench.deploy("f/a/one", f"import f.lib.one\n{MAIN}")
    await bench.deploy("f/a/one", MAIN)
    await bench.locked("f/lib/one", "import lower\n")
    async with bench.database.transaction() as tx:
        rows = await (await tx.execute(b"SELECT count(*) AS n FROM job WHERE script_path = 'f/a/one'")).fetchone()
    assert rows == {"n": 0}


async def test_libraries_that_import_each_other_come_to_an_end(bench: Bench) -> None:
    await bench.deploy("f/lib/one", "import f.lib.two\n")
    await bench.deploy("f/lib/two", "import f.lib.one\nimport lower\n")
    assert await bench.work() == 2


async def test_a_file_is_given_to_who_names_it_and_the_unnamed_one_to_all(bench: Bench) -> None:
    await bench.save("third\n", name="ml")
    named = await bench.locked("f/a/named", f"# requirements: ml\n{MAIN}")
    plain = await bench.locked("f/a/plain", f"import lower\n{MAIN}")
    assert "third==1.0" in ((await bench.version(named)).lock or "")
    await bench.save("third\nother\n", name="ml")
    assert await bench.queued() == [("dependencies", "f/a/named")]
    await bench.work()
    assert "other==1.0" in ((await bench.version(named)).lock or "")
    await bench.save("other\n")
    assert await bench.queued() == [("dependencies", "f/a/plain")]
    await bench.work()
    lock = (await bench.version(plain)).lock or ""
    assert "other==1.0" in lock and "lower==1.0" in lock
    await dependencies.remove_file(bench.database, bench.wake, bench.settings, ANN, "python3", "", forever=False)
    await bench.work()
    assert "other" not in ((await bench.version(plain)).lock or "")


async def test_a_library_and_its_dependent_that_are_deployed_at_once_come_out_right(bench: Bench) -> None:
    for turn in range(5):
        library = bench.deploy(f"f/lib/l{turn}", "import lower\n")
        dependent = bench.deploy(f"f/a/d{turn}", f"import other\nimport f.lib.l{turn}\n{MAIN}")
        _, hash_ = await asyncio.gather(library, dependent)
        await bench.work()
        lock = (await bench.version(hash_)).lock or ""
        assert "lower==1.0" in lock and "other==1.0" in lock
