"""The web app's files, and the pages that are all one file."""

import base64
import gzip
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from postmill.api.app import create_app
from tests.api.conftest import BASE

pytestmark = pytest.mark.anyio

SCRIPT = "\n\t{ __kit = { a: '&amp;' } }\n"
PAGE = f"""<!doctype html><html><head><script src="/_app/x.js"></script></head>
<body><script type="module">{SCRIPT}</script><p>Postmill</p></body></html>"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    root = tmp_path / "ui"
    (root / "_app" / "immutable").mkdir(parents=True)
    (root / "index.html").write_text(PAGE)
    (root / "favicon.svg").write_text("<svg/>")
    chunk = root / "_app" / "immutable" / "a1.js"
    chunk.write_text("export {}")
    chunk.with_name("a1.js.gz").write_bytes(gzip.compress(b"export {}"))
    chunk.with_name("a1.js.br").write_bytes(b"brotli")
    (tmp_path / "secret.txt").write_text("swordfish")
    (tmp_path / "ui-secret").mkdir()
    (tmp_path / "ui-secret" / "x.txt").write_text("swordfish")
    return root


@pytest.fixture
async def client(bare_app: FastAPI, directory: Path) -> AsyncIterator[AsyncClient]:
    app = create_app(bare_app.state.services, directory)
    async with AsyncClient(transport=ASGITransport(app), base_url=BASE) as found:
        yield found


@pytest.mark.parametrize(
    "address", ["/", "/index.html", "/runs", "/w/main/scripts/edit/f/a/b", "/apix", "/setup?token=x"]
)
async def test_every_page_is_the_one_page(client: AsyncClient, address: str) -> None:
    response = await client.get(address)
    assert (response.status_code, response.text) == (200, PAGE)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = response.headers["content-security-policy"].split("; ")
    assert f"script-src 'self' 'sha256-{digest}'" in policy
    assert {"frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"} <= set(policy)
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_what_is_not_there_is_missing(client: AsyncClient) -> None:
    for address in ("/api", "/api/", "/api/nothing", "/_app/immutable/b2.js", "/w/x.png", "/index.htm.", "/robots.txt"):
        response = await client.get(address)
        assert (response.status_code, response.text.split(":")[0]) == (404, "Not found"), address


async def test_no_path_leaves_the_directory(client: AsyncClient) -> None:
    for path in (
        *("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/../ui-secret/x.txt", "//secret.txt"),
        *("/_app/../../secret.txt", "/..\\secret.txt", "/%252e%252e/secret.txt", "/_app/immutable/"),
    ):
        assert "swordfish" not in (await client.get(path)).text


async def test_hashed_files_are_kept_for_ever_and_compressed_when_built_so(client: AsyncClient) -> None:
    address = "/_app/immutable/a1.js"
    for accepted, encoding in (("gzip, deflate, br;q=0.9", "br"), ("gzip", "gzip"), ("identity", None), ("", None)):
        async with client.stream("GET", address, headers={"Accept-Encoding": accepted}) as response:
            assert response.status_code == 200
            assert response.headers.get("content-encoding") == encoding
            assert response.headers["vary"] == "Accept-Encoding"
            assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert response.headers["content-type"].startswith("text/javascript")
    response = await client.get(address, headers={"Accept-Encoding": "gzip"})
    assert response.text == "export {}"
    assert (await client.get("/favicon.svg")).headers["cache-control"] == "no-cache"


async def test_an_unchanged_page_is_not_sent_again(client: AsyncClient) -> None:
    first = await client.get("/")
    second = await client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["content-security-policy"] == first.headers["content-security-policy"]


async def test_pages_are_read_only(client: AsyncClient) -> None:
    head = await client.head("/runs")
    assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", len(PAGE))
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        response = await client.request(method, "/runs")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


async def test_without_the_app_the_page_says_how_to_get_it(bare_app: FastAPI) -> None:
    async with AsyncClient(transport=ASGITransport(bare_app), base_url=BASE) as client:
        response = await client.get("/")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert "make web" in response.text
