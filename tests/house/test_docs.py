"""What is claimed is tested: docs name every setting, route and command, and nothing that is not there."""

import re
from pathlib import Path
from typing import get_args

import pytest
from fastapi.routing import iter_route_contexts

from postmill import failpoint, settings
from postmill.api.app import ROUTERS
from postmill.language.options import read_options
from postmill.model import options
from postmill.sandbox.command import EndReason

ROOT = Path(__file__).parents[2]
DOCS = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("name", sorted(settings.KNOWN - {"POSTMILL_FAILPOINTS"} | {"DATABASE_URL"}))
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "settings.md").read_text()


def test_the_docs_name_no_setting_that_is_not_there() -> None:
    named = set(re.findall(r"\bPOSTMILL_[A-Z_]+\b", DOCS + (ROOT / "README.md").read_text()))
    assert named <= settings.KNOWN


def test_every_setting_is_read() -> None:
    source = (ROOT / "postmill" / "settings.py").read_text()
    for name in settings.KNOWN - {"POSTMILL_FAILPOINTS"}:
        assert source.count(f'"{name}"') >= 2, f"{name} is known and never read"


def test_every_limit_is_documented_with_its_setting_its_least_and_its_end_reason() -> None:
    text = (ROOT / "docs" / "limits.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for name, variable in options.VARIABLES.items():
        [row] = [row for row in rows if row.startswith(f"| `{name}` | `{variable}` |")]
        assert name == "network" or f"`{name}_limit`" in row
    for name, least in options.LEAST.items():
        assert options.shown(name, least) in text.partition("The least are ")[2].partition(":")[0]
    for reason in get_args(EndReason):
        assert not reason.endswith("_limit") or f"`{reason}`" in text


def test_the_limits_of_the_docs_are_read_as_they_stand() -> None:
    examples = re.findall(r"^# limits: .*", DOCS, re.MULTILINE)
    assert examples
    for example in examples:
        assert read_options(example, "python3") != options.Options()


def _routes() -> set[str]:
    return {
        f"{method} /api{context.path}".replace(":path}", "}")
        for router in ROUTERS
        for context in iter_route_contexts(router.routes)
        for method in (context.methods or {"WEBSOCKET"})
        if method != "HEAD"
    }


def test_every_route_is_documented_and_no_other() -> None:
    documented = set(
        re.findall(r"`((?:GET|POST|DELETE|PUT|PATCH|WEBSOCKET) /api/[^`]+)`", (ROOT / "docs" / "api.md").read_text())
    )
    assert documented == _routes()


@pytest.mark.parametrize("command", ["up", "server", "worker", "migrate", "doctor", "version"])
def test_every_command_is_documented(command: str) -> None:
    assert f"`postmill {command}" in (ROOT / "docs" / "commands.md").read_text()


def test_every_failpoint_stands_somewhere() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "postmill").rglob("*.py") if path.name != "failpoint.py")
    for name in failpoint.POINTS:
        assert f'failpoint("{name}")' in sources


def test_architecture_is_one_page_with_its_invariants() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) <= 100
    assert text.count("Architecture Invariant:") >= 8


def test_each_link_between_pages_leads_somewhere() -> None:
    for page in [
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
    ]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
