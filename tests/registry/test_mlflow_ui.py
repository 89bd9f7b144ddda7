"""MLflow's own interface, in Chromium: versions, their aliases, and the outcome of each gate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compare.browser.conftest import CHROMIUM, MISSING, QUIET
from tests.registry.project import NAME, right, write_good
from tests.registry.test_promote import aliases, promote
from tests.track.test_server import Server, server_python

__all__ = ["server_python"]

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,  # installs MLflow's server
    pytest.mark.browser,
    pytest.mark.skipif(MISSING, reason="chromium is not installed"),
]


Read = Callable[[str, str], str]


@pytest.fixture
def text_of(registry_file: Path, server_python: Path) -> Iterator[Read]:
    """The text of a page of the interface over the project's registry, once a word is on it."""
    server = Server(server_python, store=f"sqlite:///{registry_file.name}")
    server.start()
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1600, "height": 1200})
        page.set_default_timeout(120_000)

        def read(route: str, word: str) -> str:
            page.goto(f"{server.uri}/#{route}")
            page.wait_for_function(f"document.body.innerText.includes({json.dumps(word)})")
            page.screenshot(path=f"{word}.png")
            return str(page.inner_text("body"))

        yield read
        browser.close()
    server.kill()


def test_versions_aliases_and_gates_are_shown(text_of: Read) -> None:
    for weights, answers in (("a", right(0.9)), ("b", right(0.95)), ("equal", right(0.95, n=80))):
        write_good(weights, answers=answers)
        promote(by="Ada")
    assert aliases() == {"champion": 2, "challenger": 3}
    versions = text_of(f"/models/{NAME}", "champion")
    assert NAME in versions and "challenger" in versions and "Version 3" in versions and "Version 1" in versions
    version = text_of(f"/models/{NAME}/versions/2", "olivepress.gate.champion")
    assert "olivepress.gate.parent" in version and "champion" in version and "Ada" in version
