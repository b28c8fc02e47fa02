"""Requirements → lock → directory, with an index of our own."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from postmill.environments import installer, resolver
from postmill.environments.cache import remove_tree
from postmill.environments.installer import InstallError
from postmill.environments.python import PythonEnvironments, question_of
from postmill.environments.resolver import Jailed, ResolveError
from postmill.environments.sources import Sources
from postmill.language.python_requirements import read_requirements
from postmill.model.errors import BadRequest
from postmill.sandbox.command import Limits
from postmill.settings import read_settings
from tests.environments.conftest import Machine
from tests.environments.index import Index, serving

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def says(directory: str, module: str) -> str:
    """What a program with this directory on its path finds in the module."""
    code = f"import sys; sys.path.insert(0, sys.argv[1]); import {module}; print({module}.VALUE)"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, directory], capture_output=True, text=True, check=True
    ).stdout.strip()


def staging(machine: Machine) -> list[str]:
    return os.listdir(machine.home / "cache" / "python" / "staging")


def worker(machine: Machine, count: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.environments.process", str(machine.home), machine.index.url, str(count)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def start(process: subprocess.Popen[str], lock: str) -> None:
    assert process.stdin is not None
    process.stdin.write(lock)
    process.stdin.close()
    process.stdin = None


async def test_requirements_become_a_lock_with_hashes(machine: Machine) -> None:
    machine.index.add_wheel("upper", "2.0", requires=("lower>=1",))
    machine.index.add_wheel("lower", "1.5")
    lock = await machine.resolve("upper")
    hashes = {
        name: hashlib.sha256(machine.index.files[f"{name}-{version}-py3-none-any.whl"]).hexdigest()
        for name, version in (("upper", "2.0"), ("lower", "1.5"))
    }
    assert lock == (
        f"# py: {MINOR}\nlower==1.5 \\\n    --hash=sha256:{hashes['lower']}\n"
        f"upper==2.0 \\\n    --hash=sha256:{hashes['upper']}\n"
    )


async def test_a_lock_becomes_a_directory_that_nobody_can_write(machine: Machine) -> None:
    machine.index.add_wheel("upper", requires=("lower",))
    machine.index.add_wheel("lower")
    found = await machine.ready(await machine.resolve("upper"))
    assert (says(found.directory, "upper"), says(found.directory, "lower")) == ("upper 1.0", "lower 1.0")
    modes = [os.lstat(path).st_mode for path in (Path(found.directory), *Path(found.directory).rglob("*"))]
    assert not [mode for mode in modes if mode & 0o222]
    assert list(Path(found.directory).rglob("upper.*.pyc"))
    assert staging(machine) == []


async def test_no_packages_are_no_directory(machine: Machine) -> None:
    found = await machine.ready("")
    assert (found.key, found.directory) == ("", "")
    assert await machine.resolve() == ""
    assert not (machine.home / "cache").exists()


async def test_a_python_that_is_not_installed_is_refused(machine: Machine) -> None:
    with pytest.raises(BadRequest, match=r"no Python that fits '# py: >=3\.99' .* there are: .*3\."):
        await machine.resolve("# py: >=3.99", "lower")
    with pytest.raises(BadRequest, match=r"3\.99"):
        await machine.ready("# py: 3.99\n")


async def test_a_conflict_is_told_in_the_resolvers_words(machine: Machine) -> None:
    machine.index.add_wheel("lower", "1.0")
    machine.index.add_wheel("upper", requires=("lower>=2",))
    with pytest.raises(ResolveError, match="Because all versions of upper depend on lower>=2"):
        await machine.resolve("upper", "lower<2")
    assert b"upper depend on lower>=2" in machine.output
    with pytest.raises(ResolveError, match="nowhere was not found"):
        await machine.resolve("nowhere")


async def test_the_same_requirements_are_resolved_once_and_for_each_workspace(machine: Machine) -> None:
    machine.index.add_wheel("lower", "1.0")
    first = await machine.resolve("lower")
    machine.index.add_wheel("lower", "2.0")
    assert await machine.resolve("lower") == first
    assert machine.notes == ["resolving dependencies"]
    assert "lower==2.0" in await machine.resolve("lower", owner="other")


async def test_a_file_that_changed_behind_its_lock_is_refused(machine: Machine) -> None:
    machine.index.add_wheel("lower")
    lock = await machine.resolve("lower")
    machine.index.add_wheel("lower", x="VALUE = 'other'")
    with pytest.raises(InstallError, match="Hash mismatch"):
        await machine.ready(lock)
    assert staging(machine) == []
    assert machine.environments.about() == []


async def test_a_source_distribution_is_built_in_a_jail_and_checked_against_its_lock(machine: Machine) -> None:
    machine.index.add_sdist("source")
    machine.index.add_wheel("lower")
    lock = await machine.resolve("source", "lower")
    found = await machine.ready(lock)
    assert says(found.directory, "source") == "built source 1.0"
    assert says(found.directory, "lower") == "lower 1.0"
    other = lock.replace(hashlib.sha256(machine.index.files["source-1.0.tar.gz"]).hexdigest(), "0" * 64)
    with pytest.raises(InstallError, match="Hash mismatch"):
        await machine.ready(other)


PROBE = """\
import os, sys
found = []
for path in (OUTSIDE, CACHE):
    try:
        open(os.path.join(path, "owned"), "w").write("x")
        found.append("wrote " + path)
    except OSError:
        pass
try:
    found.append("read " + open(os.path.join(OUTSIDE, "secret")).read())
except OSError:
    pass
found += ["env " + name + "=" + value for name, value in os.environ.items()]
try:
    found += [open(f"/proc/{pid}/environ").read() for pid in os.listdir("/proc") if pid.isdigit()]
except OSError:
    pass
sys.exit("FOUND " + "; ".join(found))
"""


async def test_a_set_up_script_sees_no_secret_and_writes_nowhere(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://top:secret@database")
    (tmp_path / "secret").write_text("top secret file")
    machine.environments.cache.prepare()
    cache = machine.environments.cache.root
    probe = PROBE.replace("OUTSIDE", repr(str(tmp_path))).replace("CACHE", repr(str(cache)))
    # Without a jail the same lines find all of it.
    bare = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stderr
    assert "top:secret" in bare and "top secret file" in bare and bare.count("wrote") == 2
    (tmp_path / "owned").unlink()
    (cache / "owned").unlink()
    machine.index.add_sdist("evil", hostile=probe)
    with pytest.raises(ResolveError, match="FOUND env") as raised:
        await machine.resolve("evil")
    assert "secret" not in raised.value.message
    assert "wrote" not in raised.value.message
    assert not (tmp_path / "owned").exists() and not (cache / "owned").exists()


async def test_a_password_of_the_index_shows_nowhere_and_nothing_is_built_with_it(machine: Machine) -> None:
    machine.index.password = "Tr0ub4dor"
    machine.index.add_wheel("lower")
    machine.index.add_sdist("evil", hostile=PROBE.replace("OUTSIDE", "'/'").replace("CACHE", "'/'"))
    lock = await machine.resolve("lower")
    assert says((await machine.ready(lock)).directory, "lower") == "lower 1.0"
    with pytest.raises(ResolveError, match="password") as raised:
        await machine.resolve("evil")
    machine.index.password = "changed"
    wrong = Machine(machine.home, Index(), machine.jailed)
    wrong.index.port, wrong.index.password = machine.index.port, "Tr0ub4dor"
    with pytest.raises(ResolveError) as refused:
        await wrong.resolve("lower", "other")
    texts = [lock, raised.value.message, refused.value.message, machine.output.decode(), wrong.output.decode()]
    kept = [path.read_bytes() for path in machine.home.rglob("*") if path.is_file()]
    assert not [text for text in texts if "Tr0ub4dor" in text or "FOUND" in text]
    assert not [content for content in kept if b"Tr0ub4dor" in content]
    assert "401" in refused.value.message


async def test_twenty_first_uses_at_once_install_once(machine: Machine) -> None:
    machine.index.add_wheel("lower")
    lock = await machine.resolve("lower")
    machine.index.downloads.clear()
    machine.index.held["lower-1.0-py3-none-any.whl"] = release = threading.Event()
    processes = [worker(machine, 5) for _ in range(4)]
    for process in processes:
        start(process, lock)
    assert await asyncio.to_thread(machine.index.asked.wait, 60)
    release.set()
    places = set()
    for process in processes:
        output, errors = await asyncio.to_thread(process.communicate, None, 60)
        assert process.returncode == 0, errors
        places.add(output.strip())
    # The name of the directory holds chance: a second install would have another one.
    [place] = places
    assert says(place, "lower") == "lower 1.0"
    assert machine.index.downloads == {"lower-1.0-py3-none-any.whl": 1}
    assert staging(machine) == []


async def test_a_kill_in_the_middle_of_an_install_leaves_nothing_half(machine: Machine) -> None:
    machine.index.add_wheel("lower")
    lock = await machine.resolve("lower")
    release = machine.index.held["lower-1.0-py3-none-any.whl"] = threading.Event()
    machine.index.asked.clear()
    process = worker(machine)
    start(process, lock)
    assert await asyncio.to_thread(machine.index.asked.wait, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.communicate()
    assert len(staging(machine)) == 1
    assert os.listdir(machine.environments.cache.environments) == []
    # What the killed one had started may go on; nobody gets in its way.
    waiting = asyncio.create_task(machine.ready(lock))
    await asyncio.sleep(0.3)
    assert len(staging(machine)) == 1 and not waiting.done()
    release.set()
    found = await waiting
    assert says(found.directory, "lower") == "lower 1.0"
    assert staging(machine) == []
    assert [each.key for each in machine.environments.about()] == [found.key]


async def test_waiting_for_an_install_and_installing_can_be_cancelled(machine: Machine) -> None:
    machine.index.add_wheel("lower")
    lock = await machine.resolve("lower")
    release = machine.index.held["lower-1.0-py3-none-any.whl"] = threading.Event()
    machine.index.asked.clear()
    installing = asyncio.create_task(machine.ready(lock))
    assert await asyncio.to_thread(machine.index.asked.wait, 60)
    waiting = asyncio.create_task(machine.ready(lock))
    await asyncio.sleep(0.1)
    for task in (waiting, installing):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert staging(machine) == []
    release.set()
    assert says((await machine.ready(lock)).directory, "lower") == "lower 1.0"


async def test_an_install_that_takes_for_ever_is_ended(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.index.add_wheel("lower")
    lock = await machine.resolve("lower")
    machine.index.held["lower-1.0-py3-none-any.whl"] = threading.Event()
    monkeypatch.setattr(installer, "TIMEOUT_S", 0.5)
    with pytest.raises(InstallError, match="not installed after"):
        await machine.ready(lock)
    assert staging(machine) == []


async def test_a_failed_install_is_tried_again_by_the_next(machine: Machine) -> None:
    machine.index.add_wheel("lower")
    lock = await machine.resolve("lower")
    kept = machine.index.files.pop("lower-1.0-py3-none-any.whl")
    with pytest.raises(InstallError, match="lower"):
        await machine.ready(lock)
    machine.index.files["lower-1.0-py3-none-any.whl"] = kept
    assert says((await machine.ready(lock)).directory, "lower") == "lower 1.0"


async def test_known_versions_stay_where_they_can(machine: Machine) -> None:
    machine.index.add_wheel("lower", "1.0")
    lock = await machine.resolve("lower")
    machine.index.add_wheel("lower", "2.0")
    machine.index.add_wheel("other", "1.0")

    async def again(wanted: str) -> str:
        question = await question_of(read_requirements(wanted), lock)
        sources = Sources(index_url=machine.index.url)
        ended = await machine.jailed(resolver.command(question, sources), resolver.limits(Limits()), lambda _: None)
        return resolver.answer(question, sources, ended)

    kept = await again("lower\nother")
    assert "lower==1.0" in kept and "other==1.0" in kept
    assert "lower==2.0" in await again("lower>=2")


async def test_an_extra_index_goes_before_the_other_one(machine: Machine, tmp_path: Path) -> None:
    machine.index.add_wheel("private", "9.9")
    with serving() as own:
        own.add_wheel("private", "1.0")
        sources = Sources(index_url=machine.index.url, extra_index_url=(own.url,))
        environments = PythonEnvironments(tmp_path, 10**10, sources)
        lock = await environments.resolve("private", machine.jailed, machine.output.extend)
    assert "private==1.0" in lock and "9.9" not in lock


@pytest.mark.slow
async def test_pandas_comes_from_the_real_index_once(tmp_path: Path, jailed: Jailed) -> None:
    environments = PythonEnvironments.of(replace(read_settings(dict(os.environ)), home=tmp_path))
    lock = await environments.resolve("pandas", jailed, lambda _: None)
    assert "numpy==" in lock
    found = await environments.ready(lock, jailed)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import pandas; print(pandas.Series([1, 2]).sum())"
    command = [found.executable, "-I", "-S", "-c", code, found.directory]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "3\n"
    other = await environments.resolve("pandas\nsix", jailed, lambda _: None)
    before = environments.cache.used_bytes()
    second = await environments.ready(other, jailed)
    assert second.directory != found.directory
    # Bytecode is its own; the rest is the same files.
    assert environments.cache.used_bytes() - before < before / 2
    remove_tree(tmp_path / "cache")
