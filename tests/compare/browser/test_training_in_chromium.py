"""The four panels of fine-tunes on the page of a comparison: two widths, both color schemes, several runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from olivepress.compare.document import Document
from tests.compare.browser.conftest import Open
from tests.compare.document_factory import make_document, make_training
from tests.compare.hostile import HOSTILE

pytestmark = pytest.mark.browser

FIGURES = "#training figure"
RUNS = {"tiny": make_training(), "tiny/finetune.2": make_training(), "tiny/finetune.1": make_training()}
COLOR = "line => getComputedStyle(line).stroke"
# Texts of drawings that lie on each other, in pairs.
OVERLAPS = """
(figures) => figures.flatMap((figure) => {
  const boxes = [...figure.querySelectorAll(".chart svg text")].filter((e) => e.getClientRects().length)
    .map((e) => [e.textContent, e.getBoundingClientRect()]);
  return boxes.flatMap(([text, a], i) => boxes.slice(i + 1)
    .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
    .map(([other]) => `${text} | ${other}`));
})
"""


def _document(**changes: Any) -> Document:
    return replace(make_document(), **changes)


@pytest.mark.parametrize(("width", "shown"), [(1440, "wide"), (390, "narrow")])
@pytest.mark.parametrize(("scheme", "color"), [("light", "rgb(0, 114, 178)"), ("dark", "rgb(74, 163, 223)")])
def test_the_panels_fit_and_take_the_colors(show: Open, width: int, shown: str, scheme: str, color: str) -> None:
    opened = show(_document(training=RUNS), "three-runs", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = opened.page
    titles = ["Loss", "Learning rate", "Gradient norm", "Exact match on validation rows"]
    assert page.locator(f"{FIGURES} figcaption").all_inner_texts() == titles
    assert page.locator(f"{FIGURES} .chart:visible").count() == 4
    assert page.locator(f"{FIGURES} .{shown}:visible").count() == 4
    assert page.locator(f"{FIGURES} .{shown} path.stroke-0").first.evaluate(COLOR) == color
    assert page.locator(FIGURES).evaluate_all(OVERLAPS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    opened.check_quiet()


def test_runs_and_the_step_that_ships_are_named(show: Open) -> None:
    opened = show(_document(training=RUNS), "three-runs")
    loss = opened.page.locator(FIGURES).first
    texts = loss.locator(".wide svg text").all_text_contents()
    assert {"training", "validation", *RUNS} <= set(texts)
    words = loss.locator(".words li").all_inner_texts()
    assert [text.partition(":")[0] for text in words] == list(RUNS) and all("step 200 ships" in text for text in words)
    opened.check_quiet()


def test_a_hostile_name_stays_a_text(show: Open) -> None:
    opened = show(_document(training={f"tiny/{HOSTILE}": make_training(HOSTILE)}), "hostile-runs")
    assert opened.page.locator(f"{FIGURES} figcaption").count() == 4
    assert opened.page.locator(f"{FIGURES} script, {FIGURES} img, {FIGURES} svg a").count() == 0
    opened.check_quiet()


def test_without_answers_the_panel_says_how_to_get_them(show: Open) -> None:
    run = make_training()
    steps = tuple(replace(step, metrics={}) for step in run.steps)
    opened = show(_document(training={"tiny": replace(run, steps=steps)}), "no-answers")
    assert "finetune.eval_answers" in opened.page.locator(f"{FIGURES} .absent").inner_text()
    opened.check_quiet()
