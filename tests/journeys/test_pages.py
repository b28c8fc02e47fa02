"""The plain pages in a real Chromium: set-up, login, run a script, watch it, cancel it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from postmill.api import ui
from tests.faults.cluster import EMAIL, PASSWORD, Cluster, wait_until
from tests.journeys.test_up import Up

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
ARTEFACTS = Path(__file__).parents[1] / "artefacts"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium"),
    pytest.mark.skipif(not (ui.DIRECTORY / "index.html").exists(), reason="the UI is not built: make install"),
]

COUNT = """
import time

def main(name: str, count: int = 3, pause: float = 0.05):
    for n in range(count):
        print(f"line {n} for {name}", flush=True)
        time.sleep(pause)
    return {"greeting": f"Hello {name}", "count": count}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *sandbox])
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    found = context.new_page()
    problems: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    yield found
    context.close()
    assert not problems


def _picture(page: Page, name: str) -> None:
    """Light, dark and on a phone, kept as artefacts of the run."""
    ARTEFACTS.mkdir(exist_ok=True)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=ARTEFACTS / f"{name}-{scheme}.png")
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=ARTEFACTS / f"{name}-phone.png")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")


def _log_in(page: Page, cluster: Cluster) -> None:
    page.goto(f"http://127.0.0.1:{cluster.port}/login")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"http://127.0.0.1:{cluster.port}/")


def test_the_first_start_leads_from_the_link_to_home(page: Page, home: Path) -> None:
    up = Up(home)
    up.start()
    try:
        text = wait_until(lambda: "setup?token=" in up.log.read_text() and up.log.read_text(), "the link is printed")
        token = text.partition("setup?token=")[2].split()[0]
        page.goto(f"http://127.0.0.1:{up.port}/setup?token={token}")
        page.get_by_label("E-mail").fill("ann@example.com")
        page.get_by_label("Password", exact=True).fill("correct horse battery")
        page.get_by_label("Password again").fill("correct horse battery")
        _picture(page, "setup")
        page.get_by_role("button", name="Set up").click()
        page.wait_for_url(f"http://127.0.0.1:{up.port}/")
    finally:
        assert up.stop() == 0


def test_a_wrong_password_is_told_in_place(page: Page, cluster: Cluster) -> None:
    page.goto(f"http://127.0.0.1:{cluster.port}/")
    page.wait_for_url("**/login*")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill("wrong password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    _picture(page, "login")


def test_a_script_is_run_from_its_form_and_its_log_and_result_are_shown(page: Page, cluster: Cluster) -> None:
    cluster.deploy("u/ann/count", COUNT, summary="Count and greet")
    cluster.start_worker()
    _log_in(page, cluster)
    page.get_by_text("Count and greet").first.click()
    page.get_by_label("name").fill("Bob")
    _picture(page, "script")
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**/run/main/*")
    expect(page.get_by_text("line 2 for Bob")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("Hello Bob")).to_be_visible(timeout=20_000)
    _picture(page, "run")


def test_a_run_that_waits_says_why_and_can_be_cancelled(page: Page, cluster: Cluster) -> None:
    cluster.deploy("u/ann/count", COUNT, tag="nobody")
    job = cluster.run("u/ann/count", name="Bob")
    _log_in(page, cluster)
    page.goto(f"http://127.0.0.1:{cluster.port}/run/main/{job}")
    expect(page.get_by_text("No worker takes the tag nobody")).to_be_visible()
    _picture(page, "waiting")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("cancelled", exact=False).first).to_be_visible(timeout=20_000)
    assert cluster.job(job)["canceled"]
