"""The pages in a real browser, served by the real command, while a run writes its records."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import recipe_runs, training_dir
from olivepress.core.process import exclusive
from olivepress.data.build import build_dataset
from olivepress.data.store.dataset import write_dataset
from olivepress.recipe.schema import Data
from tests.compare.browser.conftest import CHROMIUM, MISSING, QUIET
from tests.compare.hostile import HOSTILE
from tests.ui.project import ESTIMATED, RECIPE, event, write_artifact, write_log, write_measured

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(MISSING, reason="chromium is not installed")]

SIZES = ((1440, 900), (390, 844))
PATHS = (
    "/", "/reports", "/data", "/runs/lamps", "/runs/lamps/jobs/finetune", "/runs/lamps/jobs/export-cpu-int4",
    "/runs/lamps/jobs/export-cpu-int4/log", "/runs/lamps/jobs/export-cpu-int4/files/genai_config.json",
    "/runs/lamps/comparison", "/runs/nothing",
)  # fmt: skip
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Texts whose color has too little contrast to their background, by WCAG's formula.
CONTRAST = """
() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => { const c = [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const e of document.querySelectorAll("main *, header *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(`${e.className}: ${e.textContent.slice(0, 40)}`);
  }
  return bad;
}
"""  # noqa: E501
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


class Served:
    """The application on a port of its own, in a thread: it can be stopped as Ctrl-C stops it."""

    def __init__(self) -> None:
        import uvicorn

        from olivepress.ui.app import make_app

        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(make_app(), log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.socket.close()


@pytest.fixture
def served(here: Path) -> Iterator[Served]:
    server = Served()
    yield server
    server.stop()


@pytest.fixture
def expected() -> list[str]:
    """Parts of what the browser may report; a test adds what it provokes."""
    return ["404", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]


@pytest.fixture
def show(browser: Any, served: Served, expected: list[str]) -> Iterator[Open]:
    contexts, messages, asked = [], list[str](), list[str]()

    def open_page(path: str, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: (messages.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(served.address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in messages if not any(part in text for part in expected)] == []
    assert all(url.startswith(served.address) for url in asked)


@pytest.fixture
def project(here: Path) -> None:
    """Every kind of page has something to show, with names and texts as long as they come."""
    dataset = build_dataset(Data(demo="phrase-tone", max_train_rows=16, max_test_rows=6))
    write_dataset(dataset)
    for job in ("finetune", "export-cpu-int4", "export-openvino-npu-int4-with-a-long-name-of-sixty-four-letters"):
        event("started", job, estimated=ESTIMATED)
        event("failed", job, reason="check kl_answer failed: " + "0.123456789 " * 30 + "x" * 200)
    for job in ("finetune", "export-cpu-int4"):
        event("started", job, estimated=ESTIMATED)
        event("finished", job)
    manifest = write_artifact("export-cpu-int4")
    write_artifact("finetune", target=None, parent=None)
    for done in range(1, 40):
        record = Path("runs", RECIPE, "finetune", "training.jsonl")
        fields = {"loss": 4.0 / done, "learning_rate": 1e-4 / done, "grad_norm": 1.0 + 1 / done}
        evaluated = {"validation_loss": 4.5 / done, "metrics": {"exact_match": done / 40, HOSTILE: 1.0}}
        append_json_line(record, {"done": done, "total": 40, **fields, **(evaluated if done % 4 == 0 else {})})
    write_log("export-cpu-int4", ("x" * 500 + "\n") * 100)
    write_measured("export-cpu-int4", artifact_sha256=manifest.sha256)
    write_measured("base")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}")
def test_nothing_overflows_and_every_text_is_readable(
    show: Open, served: Served, project: None, size: tuple[int, int], scheme: str
) -> None:
    page = show("/", viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    (dataset,) = Path("datasets").iterdir()
    for path in (*PATHS, f"/data/{dataset.name}"):
        page.goto(served.address + path)
        assert page.evaluate(OVERFLOW) == 0, path
        assert page.evaluate(CONTRAST) == [], path
        if folder := os.environ.get("OLIVEPRESS_SCREENSHOTS"):
            name = f"{path.strip('/').replace('/', '-') or 'overview'}-{size[0]}-{scheme}.png"
            page.screenshot(path=str(Path(folder, name)))


def test_a_fine_tune_in_four_panels(show: Open, project: None) -> None:
    page = show("/runs/lamps/jobs/finetune", viewport={"width": 1440, "height": 900}, color_scheme="dark")
    figures = page.locator(".ui-training figure")
    assert figures.locator("figcaption").all_inner_texts() == [
        "Loss: lamps", "Learning rate: lamps", "Gradient norm: lamps", "Exact match on validation rows: lamps"
    ]  # fmt: skip
    line = figures.first.locator(".wide path.stroke-1").first
    assert line.evaluate("line => getComputedStyle(line).stroke") == "rgb(240, 128, 60)"  # of the dark scheme
    assert "validation loss 1.12 at step 4, lowest 0.125 at step 36" in figures.first.inner_text()


def test_the_page_follows_a_run(show: Open, served: Served) -> None:
    event("started", "finetune", estimated=ESTIMATED)
    record = training_dir(RECIPE, "finetune-0").with_name("finetune-0.jsonl")
    with exclusive(recipe_runs(RECIPE)):
        page = show("/runs/lamps/jobs/finetune")
        page.get_by_text("reports no progress").wait_for()
        for done in (1, 2, 3):
            append_json_line(record, {"done": done, "total": 40, "loss": 4.0 / done, "seconds": done * 2.0})
            page.get_by_text(f"step {done} of 40 · loss {4.0 / done:.3f}").wait_for()
        assert page.locator("progress").evaluate("bar => bar.value / bar.max") == pytest.approx(3 / 40)
        assert page.locator(".chart.wide svg title").all_text_contents() == ["Loss: this run"]
        write_log("finetune", "the newest line\n")
        page.get_by_text("the newest line").wait_for()
    page.get_by_text("olivepress run lamps").wait_for()  # its process is gone: stopped
    event("started", "finetune", estimated=ESTIMATED)
    event("failed", "finetune", reason="disk full <b>while the job ran</b>")
    page.get_by_text("disk full <b>while the job ran</b>").wait_for()
    assert page.locator("h1 .ui-badge").inner_text() == "failed"


def test_the_server_ends_and_comes_back(show: Open, browser: Any, here: Path) -> None:
    event("started", "finetune", estimated=ESTIMATED)
    event("finished", "finetune")
    first = Served()
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{first.address}/runs/lamps")
    first.stop()
    page.locator("#lost").get_by_text("No answer from olivepress ui").wait_for()
    assert page.locator("main h1").inner_text() == "lamps"  # the last state stays
    context.close()


def test_the_comparison_is_the_static_page_and_cannot_reach_out(show: Open, project: None, expected: list[str]) -> None:
    expected.append("Content Security Policy")
    page = show("/runs/lamps/comparison")
    frame = page.frame_locator("iframe")
    frame.locator("h1").first.wait_for()
    inner = next(each for each in page.frames if each.url.endswith("/comparison/page"))
    assert inner.evaluate("self.origin") == "null"
    assert inner.evaluate("fetch('/').then(() => 'read', () => 'refused')") == "refused"
    assert inner.evaluate("(() => { try { return parent.document.title } catch { return 'refused' } })()") == "refused"


def test_hidden_pages_are_not_read(show: Open, served: Served, project: None) -> None:
    page = show("/")
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(4500)
    assert asked == []


def test_without_a_script_the_page_is_complete(show: Open, project: None) -> None:
    page = show("/runs/lamps", java_script_enabled=False)
    assert page.locator("tbody tr th").count() == 3
