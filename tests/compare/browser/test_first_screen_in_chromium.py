"""The first screen and the planted comparisons in a real browser: what is seen without scrolling, what is cut."""

from __future__ import annotations

import itertools
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from olivepress.compare.render.page import to_html
from tests.compare.browser.conftest import Open
from tests.compare.document_factory import make_document, one_machine
from tests.compare.planted_pages import CASES, document

pytestmark = pytest.mark.browser
BOTTOMS = """selector => [...document.querySelectorAll(selector)].map(e => e.getBoundingClientRect())
  .filter(box => box.width && box.height).map(box => box.bottom)"""
# What is wider than its box and cannot be scrolled to. Clamped answers end in "…", and so does the gist of an example.
CUT = """() => [...document.querySelectorAll('body *')].filter(e => {
  if (!e.getClientRects().length || e.closest('svg, .quiet, .gist, .id, .asked, .answers')) return false;
  const style = getComputedStyle(e);
  return style.overflowX !== 'auto' && style.overflowX !== 'scroll' && style.display !== 'inline'
    && style.position !== 'absolute' && e.scrollWidth > e.clientWidth + 1 && !e.closest('.scroll');
}).map(e => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 40)}`)"""
TEXTS = """() => [...document.querySelectorAll('#front .chart svg text')]
  .map(e => [e.textContent, e.getBoundingClientRect()])
  .filter(([, box]) => box.width).map(([text, box]) => [text, box.left, box.top, box.right, box.bottom])"""


def _bottoms(page: Any, selector: str) -> list[float]:
    return [float(bottom) for bottom in page.evaluate(BOTTOMS, selector)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_desk_sees_the_sentence_the_chart_and_three_answers(show: Open, scheme: str) -> None:
    size = {"width": 1440, "height": 900}
    opened = show(one_machine(), name="one", folded=True, color_scheme=scheme, viewport=size)
    page = opened.page
    assert page.locator("h1").inner_text().startswith("Ship cpu-int4 on")
    for selector, count in (("h1", 1), (".figures-of > div", 5), (".sure", 1), ("#front svg", 1), (".answers > li", 3)):
        bottoms = _bottoms(page, selector)
        assert len(bottoms) == count and max(bottoms) <= 900, (selector, bottoms)
    opened.check_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_sees_what_it_costs_and_how_sure(show: Open, scheme: str) -> None:
    size = {"width": 390, "height": 844}
    opened = show(one_machine(), name="one", folded=True, color_scheme=scheme, viewport=size)
    for selector, count in (("h1", 1), (".cautions li", 1), (".figures-of > div", 5), (".sure", 1)):
        bottoms = _bottoms(opened.page, selector)
        assert len(bottoms) == count and max(bottoms) <= 844, (selector, bottoms)
    opened.check_quiet()


TWO = "two machines"
SIZES = [*itertools.product([TWO, *CASES], (390, 1440)), (TWO, 768), (TWO, 1024)]


@pytest.mark.parametrize(("case", "width"), SIZES)
def test_nothing_is_cut(show: Open, case: str, width: int) -> None:
    shown = make_document() if case == TWO else document(case)
    opened = show(shown, name=case.replace(" ", "-"), viewport={"width": width, "height": 900})
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT) == []
    if width == 1440:
        assert page.evaluate("(b => b.scrollWidth - b.clientWidth)(document.querySelector('#matrix .scroll'))") <= 1
    inside = "all => all.map(e => e.parentElement.scrollWidth - e.parentElement.clientWidth)"
    assert all(room <= 1 for room in page.locator("table.deciding").evaluate_all(inside))
    first = page.locator("#matrix tbody th").first
    assert first.evaluate("e => getComputedStyle(e).position") == "sticky"
    opened.check_quiet()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("case", [case for case in CASES if case not in ("nothing measured", "only latency")])
def test_no_two_labels_of_the_chart_overlap(show: Open, case: str, width: int) -> None:
    opened = show(document(case), name=case.replace(" ", "-"), viewport={"width": width, "height": 900})
    texts = opened.page.evaluate(TEXTS)
    assert any("MB" in text for text, *_ in texts)
    for (a, *one), (b, *two) in itertools.combinations(texts, 2):
        apart = one[2] <= two[0] + 0.5 or two[2] <= one[0] + 0.5 or one[3] <= two[1] + 3 or two[3] <= one[1] + 3
        assert apart, (a, b, one, two)


def test_a_screen_reader_gets_headings_and_the_chart_in_words(show: Open) -> None:
    opened = show(one_machine(), name="one", folded=True, viewport={"width": 1440, "height": 900})
    page = opened.page
    assert page.get_by_role("heading", level=1).count() == 1
    chart = page.locator("#front").get_by_role("img", name="Exact match against decode rate")
    assert chart.count() == 1  # the drawing for the other width is hidden from it too
    described = chart.evaluate("e => document.getElementById(e.getAttribute('aria-describedby')).textContent")
    assert "cpu-int4: exact match 96.0 %" in described and "Right and up is better" in described
    headings = page.locator("h1, h2, h3").evaluate_all("all => all.map(e => Number(e.tagName[1]))")
    assert all(b - a <= 1 for a, b in itertools.pairwise(headings))


def test_printed_it_holds_what_was_folded(show: Open, tmp_path: Path) -> None:
    opened = show(one_machine(), name="one", folded=True)
    short = opened.page.pdf()
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.page.locator("details:not(.example):not([open])").count() == 0
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.page.locator("#every > details[open]").count() == 0 and len(short) > 20_000


def test_the_pictures_of_the_documents_are_taken_by_one_command(tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "scripts" / "page_images.py"
    (tmp_path / "page.html").write_text(to_html(one_machine()), encoding="utf-8")
    command = [sys.executable, str(script), str(tmp_path / "page.html"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    written = [Path(line) for line in done.stdout.splitlines()]
    assert {path.name for path in written} == {
        "report.png", "report-dark.png", "report-phone.png", "report-phone-dark.png"
    }  # fmt: skip
    for path in written:
        data = path.read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        assert (width, height) == ((390, 844) if "phone" in path.name else (1440, 900))
        assert 8_000 < len(data) < 120_000
