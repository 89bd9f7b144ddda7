"""A team's MLflow server: promotions over HTTP, and what its own interface shows of them in Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from olivepress.pipeline.promote import audit_all
from tests.compare.browser.conftest import CHROMIUM, MISSING, QUIET
from tests.registry.project import NAME, right, write_good
from tests.registry.test_promote import aliases, client, promote, rollback
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
def server(registry_file: Path, server_python: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server over an empty registry, to which the project's promotions go."""
    server = Server(server_python, store=f"sqlite:///{registry_file.name}")
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    yield server
    server.kill()


@pytest.fixture
def text_of(server: Server) -> Iterator[Read]:
    """The text of a page of the interface, once a word is on it."""
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


def test_versions_aliases_and_gates_of_promotions_over_http(text_of: Read) -> None:
    for weights, answers in (("a", right(0.9)), ("b", right(0.95)), ("equal", right(0.95, n=80))):
        write_good(weights, answers=answers)
        promote(by="Ada")
    assert aliases() == {"champion": 2, "challenger": 3}
    versions = text_of(f"/models/{NAME}", "challenger")
    assert all(word in versions for word in (NAME, "champion", "Version 1", "Version 2", "Version 3"))
    version = text_of(f"/models/{NAME}/versions/2", "olivepress.gate.champion")
    assert "olivepress.gate.parent" in version and "champion" in version and "Ada" in version
    assert rollback().line.version == 1 and aliases()["champion"] == 1
    (seen,) = audit_all()
    assert (seen.lines, seen.champion, seen.problems) == (4, 1, ())
    assert [each.name for each in client().search_registered_models()] == [NAME], "its lock is gone"
