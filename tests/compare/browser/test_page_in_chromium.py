"""The page in a real browser, from a file, as a user opens it. What is folded on it is opened first."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from olivepress.compare.render.page import to_html
from tests.compare.browser.conftest import Open, Opened
from tests.compare.document_factory import FIRST, SECOND, hostile_document, make_document
from tests.compare.hostile import HOSTILE

pytestmark = pytest.mark.browser


def _rows(page: Any) -> list[str]:
    return list(page.eval_on_selector_all("#matrix tbody tr:not([hidden])", "rows => rows.map(r => r.dataset.row)"))


def _values(data: dict[str, Any], metric: str) -> dict[str, float | None]:
    return {row["name"]: row["report"]["metrics"][metric]["value"] for row in data["rows"]}


@pytest.mark.parametrize("metric", ["Decode", "Exact match", "Size"])
def test_sorting_is_numeric(show: Open, metric: str) -> None:
    opened = show()
    names = {"Decode": "decode_tps", "Exact match": "exact_match", "Size": "size_on_disk_bytes"}
    values = _values(opened.data, names[metric])
    known = [name for name, value in values.items() if value is not None]
    button = opened.page.locator("#matrix thead").get_by_role("button", name=metric)
    head = button.locator("xpath=..")
    button.click()
    assert head.get_attribute("aria-sort") == "descending"
    shown = _rows(opened.page)
    assert [values[name] for name in shown[: len(known)]] == sorted((values[n] for n in known), reverse=True)
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    shown = _rows(opened.page)
    assert [values[name] for name in shown[: len(known)]] == sorted(values[n] for n in known)
    assert all(values[name] is None for name in shown[len(known) :])  # what was not measured stays last
    assert opened.page.locator("#matrix [aria-sort]").count() == 1
    opened.check_quiet()


def test_filter_by_text(show: Open) -> None:
    opened = show()
    opened.page.get_by_label("Rows with").fill("int4 quantized")
    assert _rows(opened.page) == [f"export-cpu-int4 @ {FIRST}", f"export-cpu-int4 @ {SECOND}"]
    assert opened.page.locator("#filtered").inner_text() == "2 of 5 rows"
    opened.page.get_by_label("Rows with").fill("no such row")
    assert _rows(opened.page) == []
    opened.page.get_by_label("Rows with").fill("")
    assert len(_rows(opened.page)) == 5
    opened.check_quiet()


def test_a_machine_vanishes_and_comes_back(show: Open) -> None:
    opened = show()
    box = opened.page.get_by_role("checkbox", name=SECOND)
    marked = "[data-machine~=m1]"
    assert opened.page.locator(f"{marked}:visible").count() > 10
    box.uncheck()
    assert opened.page.locator(f"{marked}:visible").count() == 0
    assert [name for name in _rows(opened.page) if SECOND in name] == [] and len(_rows(opened.page)) == 4
    assert opened.page.locator(".card:visible").count() == 1
    assert "nothing fits the budget" not in opened.page.inner_text("#decision")
    opened.page.locator("#example-list summary").first.click()
    assert SECOND not in opened.page.locator("#example-list details").first.inner_text()
    box.check()
    assert len(_rows(opened.page)) == 5 and opened.page.locator(".card:visible").count() == 2
    assert SECOND in opened.page.locator("#example-list details").first.inner_text()
    opened.check_quiet()


def test_verdicts_by_call(show: Open) -> None:
    opened = show()
    opened.page.locator("#call").select_option("cannot tell")
    rows = opened.page.locator("#verdict-table tbody tr:visible")
    assert rows.count() == 1 and "-2.0 points" in rows.first.inner_text()
    opened.page.locator("#call").select_option("")
    assert opened.page.locator("#verdict-table tbody tr:visible").count() == 5
    opened.check_quiet()


def test_an_example_opens_with_every_answer(show: Open) -> None:
    opened = show()
    example = opened.data["examples"][7]
    details = opened.page.locator("#example-list details").nth(7)
    assert details.locator("dl").count() == 0  # made when it is opened
    details.locator("summary").click()
    assert details.locator("pre").first.text_content() == example["expected"]
    shown = details.locator("dl > div").all()[1:]
    assert len(shown) == len(example["answers"])
    for box, answer in zip(shown, example["answers"], strict=True):
        assert box.locator("pre").text_content() == answer["output"]
        assert answer["row"] in box.locator("dt").inner_text()
        assert box.locator("b").inner_text() == ("✓ right" if answer["correct"] else "✗ wrong")
    opened.check_quiet()


def _shown(opened: Opened) -> list[str]:
    return [text.strip() for text in opened.page.locator("#example-list .id").all_inner_texts()]


def test_examples_are_searched_and_filtered(show: Open) -> None:
    opened = show()
    examples = opened.data["examples"]
    assert len(_shown(opened)) == 50
    opened.page.locator("#example-search").fill("test-0123")
    assert _shown(opened) == ["lamps-test-0123"]
    opened.page.locator("#example-search").fill("")
    rows = [row["name"] for row in opened.data["rows"]]

    def right(example: dict[str, Any], row: str) -> bool:
        return any(answer["row"] == row and answer["correct"] for answer in example["answers"])

    opened.page.locator("#example-kind").select_option("lost")
    opened.page.locator("#example-pair").select_option(index=2)
    lost = [e["id"] for e in examples if right(e, rows[1]) and not right(e, rows[3])]
    assert lost and _shown(opened) == lost
    opened.page.locator("#example-kind").select_option("gained")
    opened.page.locator("#example-pair").select_option(index=1)
    gained = [e["id"] for e in examples if not right(e, rows[0]) and right(e, rows[1])]
    assert len(gained) > 50 and _shown(opened) == gained[:50]
    opened.page.locator("#example-more").click()
    assert _shown(opened) == gained[:100]
    opened.page.locator("#example-kind").select_option("differ")
    differ = [e["id"] for e in examples if len({a["output"] for a in e["answers"]}) > 1]
    assert _shown(opened) == differ[:50]
    opened.check_quiet()


def test_two_thousand_examples_stay_quick(show: Open) -> None:
    document = make_document()
    many = tuple(document.examples[number % 300] for number in range(2000))
    opened = show(make_document(examples=many), name="many")
    assert len(_shown(opened)) == 50
    started = time.monotonic()
    opened.page.locator("#example-search").fill("room 299")
    assert len(_shown(opened)) == 6
    assert time.monotonic() - started < 5
    opened.check_quiet()


def test_the_numbers_are_those_of_the_json(show: Open) -> None:
    opened = show()
    columns, checked = opened.data["columns"], 0
    for number, row in enumerate(opened.data["rows"]):
        cells = opened.page.locator("#matrix tbody tr").nth(number).locator("td")
        for index, metric in enumerate(columns):
            value = row["report"]["metrics"][metric]["value"]
            written = cells.nth(index).get_attribute("data-value")
            assert cells.nth(index).get_attribute("data-metric") == metric
            assert (float(written) if written else None) == value
            checked += 1
    assert checked == 5 * 8
    differences = [v["difference"] for v in opened.data["verdicts"]]
    cells = opened.page.locator("#verdict-table td[data-value]").all()
    written = [cell.get_attribute("data-value") for cell in cells]
    assert [float(text) if text else None for text in written] == differences
    opened.check_quiet()


def test_hostile_texts_stay_texts(show: Open) -> None:
    opened = show(hostile_document(HOSTILE), name="hostile")
    page = opened.page
    opened.page.locator("#example-list summary").first.click()
    seen = HOSTILE.replace("\x1b", "\ufffd").replace("\u202e", "\ufffd")
    assert page.title() == seen and page.locator("h1").inner_text() == seen
    details = page.locator("#example-list details").first
    assert details.locator(".id").text_content() == seen
    assert details.locator("dl > div").nth(1).locator("pre").text_content() == seen
    page.locator("#example-kind").select_option("differ")
    page.get_by_label("Rows with").fill("<script>")
    page.locator("#matrix thead button").first.click()
    page.locator("fieldset label", has_text="alert").locator("input").uncheck()
    page.wait_for_timeout(200)
    assert page.locator("script").count() == 2 and page.locator("img").count() == 0
    handlers = "all => all.flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on')).length"
    assert page.eval_on_selector_all("*", handlers) == 0
    opened.check_quiet()


def test_planted_scripts_would_not_run(browser: Any, tmp_path: Path) -> None:
    """The policy holds even where escaping would not: a script written into the file is refused."""
    path = tmp_path / "planted.html"
    path.write_text(to_html(make_document(examples=())).replace("</main>", "<script>alert(1)</script></main>"))
    opened = Opened(browser.new_page(), path)
    assert opened.dialogs == [] and any("Content Security Policy" in text for text in opened.said)


def test_keyboard_only(show: Open) -> None:
    opened = show()
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(
            "document.activeElement.matches('#matrix th button') && document.activeElement.textContent"
        ) == ("Decode"):
            break
    assert page.evaluate("document.activeElement.textContent") == "Decode"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    assert _rows(page)[0] == f"export-cpu-int4 @ {FIRST}"
    assert page.evaluate("document.activeElement.parentElement.getAttribute('aria-sort')") == "descending"
    opened.check_quiet()


CONTRAST = """() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const back = (e) => {
    for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.textContent.trim() || !e.getClientRects().length || e.closest("script, style")) continue;
    const style = getComputedStyle(e);
    const ink = parse(e.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(ink), light(back(e))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), node.textContent.trim().slice(0, 40), e.className]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(show: Open, scheme: str) -> None:
    opened = show(color_scheme=scheme)
    found = opened.page.evaluate(CONTRAST)
    assert len(found) > 500 and found[0][0] >= 4.5, found[:5]
    paper = [
        int(v) for v in re.findall(r"\d+", opened.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    ]
    assert (sum(paper) > 600) == (scheme == "light")
    opened.check_quiet()


@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_a_narrow_screen_does_not_scroll_sideways(show: Open, name: str) -> None:
    document = make_document() if name == "plain" else hostile_document(HOSTILE)
    opened = show(document, name=name, viewport={"width": 360, "height": 740})
    opened.page.locator("#example-list summary").first.click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    boxes = opened.page.evaluate("[...document.querySelectorAll('table')].map(t => !!t.closest('.scroll'))")
    assert boxes and all(boxes)


def test_in_print_there_are_no_controls_and_tables_fit(show: Open) -> None:
    opened = show(viewport={"width": 1000, "height": 1400})
    opened.page.emulate_media(media="print")
    for control in ("nav", ".tools", ".controls", "#example-more"):
        assert opened.page.locator(f"{control}:visible").count() == 0, control
    wide = opened.page.evaluate("[...document.querySelectorAll('.scroll')].map(b => b.scrollWidth - b.clientWidth)")
    assert max(wide) <= 1
    opened.page.emulate_media(media="screen")


def test_without_javascript_it_reads(show: Open) -> None:
    opened = show(java_script_enabled=False, folded=True)
    opened.page.locator("#examples > details > summary").click()
    opened.page.locator(".reasons-of > summary").first.click()
    text = opened.page.inner_text("body")
    assert "ship export-cpu-int4" in text and "lamps-test-0000" in text and "Rows with" not in text
    opened.page.locator("#example-list summary").first.click()
    assert opened.page.locator("#example-list pre").first.is_visible()
    assert opened.page.locator("#example-list details").count() == 50


def test_notes_are_reached_from_what_is_missing(show: Open) -> None:
    opened = show(folded=True)
    assert not opened.page.locator("#missing li").first.is_visible()
    opened.page.locator("#matrix sup a").first.click()
    assert opened.page.evaluate("document.querySelector(':target').tagName") == "LI"
    assert opened.page.locator(":target").is_visible()
    opened.check_quiet()


def test_motion_is_reduced_where_asked(show: Open) -> None:
    opened = show(reduced_motion="reduce")
    assert opened.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
