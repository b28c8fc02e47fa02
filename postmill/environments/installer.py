"""Lock → directory. Wheels are unpacked by uv, which runs none of their code; what has no wheel is built in a jail.

uv runs here, outside of any jail, as it shares files between environments. All it is given is a lock that was read
strictly: names, versions and hashes. It builds nothing, so no package's code runs.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

from postmill.environments.interpreters import Interpreter, uv
from postmill.environments.lock import Lock, Pin, normal
from postmill.environments.resolver import NO_BUILD_HINT, Jailed, limits, not_built, said
from postmill.environments.sources import Sources
from postmill.model.errors import PostmillError
from postmill.sandbox.command import Command, Limits

TIMEOUT_S = 1800.0
"""Of one run of uv, or of the compiler."""
_WHEEL_AT_MOST = 256 * 1024**2
_MOST_BUILT = 50
_SCRIPT = """\
"$@" 3>&- || exit
set -- /job/.cache/sdists*/*/*/*/*/*.whl /job/.cache/sdists*/*/*/*/*/*/*.whl
for wheel do
    if [ -f "$wheel" ]; then printf '%s\\n' "${wheel##*/}" >&3; cat "$wheel" >&3; exit; fi
done
echo "no wheel came of it" >&2; exit 1
"""
_WHEEL_NAME = re.compile(r"([A-Za-z0-9._]+)-([A-Za-z0-9._+!]+)(?:-[A-Za-z0-9._]+){3,4}\.whl")


class InstallError(PostmillError):
    """The packages of a lock cannot be installed."""


class Installer:
    """For one job: builds are jailed as that job is. `uv_cache` is uv's own directory."""

    def __init__(self, sources: Sources, uv_cache: Path, jailed: Jailed, owner: str) -> None:
        self._sources = sources
        self._uv_cache = uv_cache
        self._jailed = jailed
        self._owner = owner

    async def install(self, lock: Lock, interpreter: Interpreter, site: Path, holds: tuple[int, ...]) -> None:
        """Fill `site`. `holds` are locks that uv inherits: a killed parent's uv keeps others out until it is gone.

        Raises:
            InstallError: in uv's own words: a hash that does not fit, a package that is gone.
        """
        site.mkdir(exist_ok=True)
        built: dict[str, Path] = {}
        with tempfile.TemporaryDirectory(dir=site.parent, prefix="wheels-") as scratch:
            while (missing := await self._wheels(lock.without(frozenset(built)), interpreter, site, holds)) is not None:
                new = missing - set(built)
                if not new or len(built) > _MOST_BUILT:
                    raise InstallError(f"no wheel and no way to build one: {', '.join(sorted(missing))}")
                for pin in lock.pins:
                    if normal(pin.name) in new:
                        built[normal(pin.name)] = await self._build(pin, interpreter, Path(scratch))
            if built:
                await self._built(built, interpreter, site, holds, Path(scratch))
        # uv's own, and writable by all.
        (site / ".lock").unlink(missing_ok=True)
        await self._compile(interpreter, site, holds)

    async def _wheels(
        self, lock: Lock, interpreter: Interpreter, site: Path, holds: tuple[int, ...]
    ) -> frozenset[str] | None:
        """Install what has wheels; names of what has none, and nothing was installed then."""
        if not lock.pins:
            return None
        listing = site.parent / "lock.txt"
        listing.write_text(lock.pinned())
        code, output = await self._uv(_install(interpreter, site, listing, "--no-build"), holds)
        if code == 0:
            listing.unlink()
            return None
        text = said(output, self._sources)
        if missing := not_built(text):
            return frozenset(map(normal, missing))
        raise InstallError(text or f"uv ended with exit code {code}")

    async def _built(
        self, built: dict[str, Path], interpreter: Interpreter, site: Path, holds: tuple[int, ...], scratch: Path
    ) -> None:
        listing = scratch / "built.txt"
        lines = []
        for name, wheel in sorted(built.items()):
            digest = await asyncio.to_thread(_digest, wheel)
            lines.append(f"{name} @ {wheel.as_uri()} --hash=sha256:{digest}\n")
        listing.write_text("".join(lines))
        code, output = await self._uv(_install(interpreter, site, listing, "--no-build", "--no-index"), holds)
        if code != 0:
            raise InstallError(said(output, self._sources))

    async def _build(self, pin: Pin, interpreter: Interpreter, scratch: Path) -> Path:
        """Build one wheel in a jail that has the network and no secret; its source is checked against the lock."""
        if self._sources.confidential:
            raise InstallError(f"{pin.name}=={pin.version} has no wheel\n{NO_BUILD_HINT}")
        words = [*_install(interpreter, Path("/job/out"), Path("/job/lock.txt")), "--cache-dir", "/job/.cache"]
        command = Command(
            argv=("/bin/sh", "-c", _SCRIPT, "sh", uv(), *words, "--no-binary", ":all:"),
            env=self._sources.jailed_environment() | {"HOME": "/job"},
            files={"lock.txt": pin.text().encode(), **self._sources.jailed_files()},
            read_only=(interpreter.prefix, uv()),
            owner=self._owner,
        )
        ended = await self._jailed(command, replace(limits(Limits()), result=_WHEEL_AT_MOST), lambda _: None)
        name, _, content = ended.reply.partition(b"\n")
        words_ = said(ended.tail, self._sources)
        if ended.reason != "exited" or ended.exit_code != 0:
            raise InstallError(f"{pin.name}=={pin.version} could not be built ({ended.reason}): {words_}")
        match = _WHEEL_NAME.fullmatch(name.decode("ascii", "replace"))
        if match is None or normal(match[1]) != normal(pin.name):
            raise InstallError(f"{pin.name}=={pin.version}: its set-up made another package of it")
        wheel = scratch / match[0]
        await asyncio.to_thread(wheel.write_bytes, content)
        return wheel

    async def _compile(self, interpreter: Interpreter, site: Path, holds: tuple[int, ...]) -> None:
        """Bytecode, which no job could keep, as it reads only. Compiling runs none of it."""
        code = "import compileall, sys; compileall.compile_dir(sys.argv[1], quiet=2, workers=0, stripdir=sys.argv[1])"
        words = [interpreter.executable, "-I", "-S", "-c", code, str(site)]
        await _run(words, {"PATH": os.defpath}, holds)

    async def _uv(self, words: list[str], holds: tuple[int, ...]) -> tuple[int, bytes]:
        env = self._sources.environment(self._sources.ca_file) | {"PATH": os.defpath, "HOME": str(self._uv_cache)}
        env["UV_CACHE_DIR"] = str(self._uv_cache)
        return await _run([uv(), *words], env, holds)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _install(interpreter: Interpreter, site: Path, listing: Path, *more: str) -> list[str]:
    return [
        *("pip", "install", "--quiet", "--require-hashes", "--no-deps", "--link-mode", "hardlink"),
        *("--target", str(site), "--python", interpreter.executable, "--requirements", str(listing), *more),
    ]


async def _run(words: list[str], env: dict[str, str], holds: tuple[int, ...]) -> tuple[int, bytes]:
    """Run to the end; cancelled, kill it and wait for that."""
    child = await asyncio.create_subprocess_exec(
        *words,
        env=env,
        cwd="/",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=holds,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output, _ = await child.communicate()
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await asyncio.shield(child.wait())
        if isinstance(error, TimeoutError):
            raise InstallError(f"not installed after {TIMEOUT_S:g} s") from None
        raise
    return child.returncode or 0, output
