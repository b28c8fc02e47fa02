"""A package index on loopback (PEP 503) with packages that are made by hand: no test needs the internet."""

import base64
import hashlib
import io
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BACKEND = """
import base64, hashlib, io, os, zipfile

NAME, VERSION = {name!r}, {version!r}


def _metadata():
    return f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n"


def prepare_metadata_for_build_wheel(directory, settings=None):
    hostile()
    folder = f"{{NAME}}-{{VERSION}}.dist-info"
    os.mkdir(os.path.join(directory, folder))
    with open(os.path.join(directory, folder, "METADATA"), "w") as file:
        file.write(_metadata())
    with open(os.path.join(directory, folder, "WHEEL"), "w") as file:
        file.write("Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return folder


def build_wheel(directory, settings=None, metadata=None):
    hostile()
    name = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    files = {{
        f"{{NAME}}.py": f"VALUE = 'built {{NAME}} {{VERSION}}'\\n",
        f"{{NAME}}-{{VERSION}}.dist-info/METADATA": _metadata(),
        f"{{NAME}}-{{VERSION}}.dist-info/WHEEL":
            "Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = "".join(f"{{path}},,\\n" for path in files) + f"{{NAME}}-{{VERSION}}.dist-info/RECORD,,\\n"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{{NAME}}-{{VERSION}}.dist-info/RECORD", record)
    return name


def hostile():
    pass
"""
_SETUP = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def wheel(name: str, version: str, requires: tuple[str, ...] = (), files: Mapping[str, str] | None = None) -> bytes:
    """A wheel whose module says `VALUE = '<name> <version>'`."""
    about = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    members = {
        f"{name}.py": f"VALUE = '{name} {version}'\n",
        **(files or {}),
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    for path, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(text.encode())}\n")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for path, text in members.items():
            file.writestr(path, text)
        file.writestr(f"{about}/RECORD", "".join(record) + f"{about}/RECORD,,\n")
    return out.getvalue()


def sdist(name: str, version: str, hostile: str = "") -> bytes:
    """A source distribution with a build of its own; `hostile` is the body of what its set-up does beside it."""
    backend = BACKEND.format(name=name, version=version)
    if hostile:
        body = "".join(f"    {line}\n" for line in hostile.splitlines())
        backend = backend.replace("def hostile():\n    pass\n", f"def hostile():\n{body}")
    members = {
        "pyproject.toml": _SETUP,
        "backend.py": backend,
        "PKG-INFO": f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n",
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for path, text in members.items():
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size = len(text.encode())
            file.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


class Index:
    """What it serves, and what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.downloads: Counter[str] = Counter()
        self.password: str | None = None
        """Of the user `bob`; None: anybody."""
        self.held: dict[str, threading.Event] = {}
        """File → it is sent only once this is set."""
        self.asked = threading.Event()
        """Set when a held file is asked for."""
        self.port = 0

    @property
    def url(self) -> str:
        user = f"bob:{self.password}@" if self.password else ""
        return f"http://{user}127.0.0.1:{self.port}/simple"

    def add_wheel(self, name: str, version: str = "1.0", requires: tuple[str, ...] = (), **files: str) -> None:
        self.files[f"{name}-{version}-py3-none-any.whl"] = wheel(name, version, requires, files)

    def add_sdist(self, name: str, version: str = "1.0", hostile: str = "") -> None:
        self.files[f"{name}-{version}.tar.gz"] = sdist(name, version, hostile)

    def page(self, name: str) -> str | None:
        """The list of a package's files, with their hashes."""
        links = [
            f'<a href="/files/{file}#sha256={hashlib.sha256(content).hexdigest()}">{file}</a>'
            for file, content in self.files.items()
            if file.rpartition("-")[0].split("-")[0].replace("_", "-") == name
        ]
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>" if links else None


class Server(ThreadingHTTPServer):
    """Answers for one index."""

    def __init__(self, index: Index) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.index = index

    def handle_error(self, *_: Any) -> None:
        """A killed client is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        index = self.server.index
        if index.password is not None:
            expected = base64.b64encode(f"bob:{index.password}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {expected}":
                return self._answer(401, b"")
        kind, _, rest = self.path.strip("/").partition("/")
        if kind == "simple" and (page := index.page(rest)) is not None:
            return self._answer(200, page.encode(), "text/html")
        if kind == "files" and rest in index.files:
            if rest in index.held:
                index.asked.set()
                index.held[rest].wait(60)
            index.downloads[rest] += 1
            return self._answer(200, index.files[rest], "application/octet-stream")
        return self._answer(404, b"")

    def do_HEAD(self) -> None:
        self._answer(404, b"")

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Index]:
    """An index that answers."""
    index = Index()
    server = Server(index)
    index.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield index
    finally:
        for event in index.held.values():
            event.set()
        server.shutdown()
        thread.join()
        server.server_close()
