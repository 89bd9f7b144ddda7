"""A sheet filled in by a real browser, offline, by mouse and by keyboard, and scored as scipy scores it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from olivepress.abtest.make import Answered, make_sheet
from olivepress.abtest.page import sheet_html
from olivepress.abtest.records import Artifact, Key, Sheet
from tests.abtest.sheets import NOW, planted
from tests.compare.browser.conftest import CHROMIUM, MISSING, QUIET
from tests.ui.browser.test_ui_in_chromium import CONTRAST, OVERFLOW

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(MISSING, reason="chromium is not installed")]

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens a sheet from a file, without a network; at the end nothing went wrong and nothing was loaded."""
    contexts, messages, asked = [], [], set[str]()

    def open_sheet(sheet: Sheet, **options: Any) -> Any:
        path = tmp_path / "sheet.html"
        path.write_text(sheet_html(sheet), encoding="utf-8")
        context = browser.new_context(offline=True, accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: (messages.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.add(request.url))
        page.goto(path.as_uri())
        return page

    yield open_sheet
    for context in contexts:
        context.close()
    assert messages == []
    assert {url for url in asked if not url.startswith("blob:")} <= {(tmp_path / "sheet.html").as_uri()}


def _save(page: Any, rater: str, folder: Path) -> Path:
    page.fill("#rater", rater)
    with page.expect_download() as download:
        page.click("#save")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def _side(page: Any, wanted: str, key: Key) -> str:
    """Where the answer of ``wanted`` stands now, or a tie."""
    left = page.locator("#left pre").text_content()
    return "left" if f"answer of {wanted} to" in left else "right"


def test_three_raters_are_scored_as_scipy_does(
    show: Open, tmp_path: Path, olivepress_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet, key = planted(24)
    (tmp_path / "key.json").write_text(key.model_dump_json(), encoding="utf-8")
    chooser, files, votes = random.Random(7), list[str](), {item.id: list[int]() for item in sheet.items}
    for rater in ("Ada L.", "böb <3", "Chi"):
        page = show(sheet)
        for item in sheet.items:
            choice = chooser.choice(("tuned", "tuned", "base", "tie"))
            vote = choice if choice == "tie" else _side(page, choice, key)
            votes[item.id].append({"tuned": 1, "tie": 0, "base": -1}[choice])
            if rater == "Chi":
                page.keyboard.press({"left": "1", "tie": "2", "right": "3"}[vote])
            else:
                page.click(f"[data-vote={vote}]")
        files.append(str(_save(page, rater, tmp_path)))
    done = olivepress_here("abtest", "score", *files, "--key", str(tmp_path / "key.json"), "--json")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    sums = [sum(each) for each in votes.values()]
    wins, losses = sum(total > 0 for total in sums), sum(total < 0 for total in sums)
    (pair,) = scores["pairs"]
    assert (pair["wins_a"], pair["wins_b"], pair["ties"]) == (wins, losses, 24 - wins - losses)
    expected = stats.binomtest(wins, wins + losses)
    interval = expected.proportion_ci(method="wilson")
    assert pair["p_value"] == pytest.approx(expected.pvalue)
    assert (pair["share_low"], pair["share_high"]) == pytest.approx((interval.low, interval.high))
    assert [rater["votes"] for rater in scores["raters"]] == [24, 24, 24]
    assert scores["agreement"]["raters"] == 3
    table = olivepress_here("abtest", "score", *files, "--key", str(tmp_path / "key.json"))
    assert f"wins {wins}, losses {losses}" in table.stdout and "Krippendorff" in table.stdout
    twice = olivepress_here("abtest", "score", files[0], *files, "--key", str(tmp_path / "key.json"))
    assert twice.returncode == 4 and "counted twice" in twice.stderr


def test_votes_survive_a_reload_and_can_be_changed(show: Open, tmp_path: Path) -> None:
    sheet, _ = planted(4)
    page = show(sheet)
    page.keyboard.press("1")
    page.keyboard.press("3")
    page.reload()
    assert page.locator("#count").text_content() == "3 of 4, 2 voted"
    page.keyboard.press("ArrowLeft")
    assert page.locator("[data-vote=right]").get_attribute("aria-pressed") == "true"
    page.keyboard.press("2")
    page.click("#open")
    assert page.locator("#count").text_content() == "4 of 4, 2 voted"
    page.click("#open")
    assert page.locator("#count").text_content() == "3 of 4, 2 voted"
    saved = json.loads(_save(page, "Ada", tmp_path).read_text(encoding="utf-8"))
    assert [each["vote"] for each in saved["votes"]] == ["left", "tie"]
    assert "2 prompts have no vote yet" in page.locator("#message").text_content()


def test_saving_needs_a_name_and_a_vote(show: Open) -> None:
    page = show(planted(3)[0])
    page.click("#save")
    assert "Type your name" in page.locator("#message").text_content()
    page.fill("#rater", "A 1 2 3")  # keys in the name are no votes
    page.press("#rater", "1")
    page.click("#save")
    assert "no vote to save" in page.locator("#message").text_content()
    assert page.locator("#count").text_content() == "1 of 3, 0 voted"


def test_the_keyboard_reaches_everything(show: Open) -> None:
    page = show(planted(3)[0])
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.dataset.vote || ''"))
    for wanted in ("forward", "open", "prompt", "left", "tie", "right", "rater", "save"):
        assert wanted in reached, reached


def test_foreign_text_is_shown_and_does_nothing(show: Open) -> None:
    hostile = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\u202e \n\n" + "long" * 400
    rows = {"r": "x", "s": "y"}
    a = Answered(artifact=Artifact(name="a"), answers=dict.fromkeys(rows, hostile))
    b = Answered(artifact=Artifact(name="b"), answers=dict.fromkeys(rows, ""))
    sheet, _ = make_sheet(dict.fromkeys(rows, hostile), a, b, n=2, seed=0, title="Which answer?", now=NOW)
    page = show(sheet, viewport={"width": 390, "height": 844})
    shown = {page.locator(f"#{side} pre").text_content() for side in ("left", "right")}
    assert shown == {hostile, "(an empty answer)"}
    assert page.locator("#main img").count() == 0
    assert page.evaluate(OVERFLOW) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_it_is_readable_in_both_schemes(show: Open, scheme: str, size: tuple[int, int]) -> None:
    page = show(planted(3)[0], color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    page.keyboard.press("1")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(OVERFLOW) <= 0
