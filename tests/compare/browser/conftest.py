"""A page opened from a file in Chromium, with all that it reports and asks for."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from olivepress.compare.document import Document
from olivepress.compare.render.page import to_html
from tests.compare.document_factory import make_document

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
# Under `make test-real` a browser that is missing is a failure: nothing is skipped there.
MISSING = not CHROMIUM and not os.environ.get("OLIVEPRESS_REQUIRE_DATA")

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


UNFOLD = "for (const fold of document.querySelectorAll('details:not(.example)')) fold.open = true"


class Opened:
    """A page with all that it said and asked for."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        self.url = path.as_uri()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.dialogs: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("dialog", self._dismiss)
        page.goto(self.url)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def check_quiet(self) -> None:
        """Nothing went wrong, nothing was loaded, nothing popped up."""
        assert self.said == [] and self.dialogs == []
        assert {url.partition("#")[0] for url in self.asked} == {self.url}

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.page.locator("#olivepress-data").text_content()))


Open = Callable[..., Opened]


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    if MISSING:
        pytest.skip("chromium is not installed")
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Document], Path]:
    folder = tmp_path_factory.mktemp("pages")

    def write(name: str, document: Document) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(to_html(document), encoding="utf-8")
        return path

    return write


@pytest.fixture
def show(browser: Any, files: Callable[[str, Document], Path]) -> Iterator[Open]:
    contexts = []

    def open_page(
        document: Document | None = None, name: str = "plain", *, folded: bool = False, **options: Any
    ) -> Opened:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        opened = Opened(page, files(name, document or make_document()))
        if not folded:
            page.evaluate(UNFOLD)
        return opened

    yield open_page
    for context in contexts:
        context.close()
