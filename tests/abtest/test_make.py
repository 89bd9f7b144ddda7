"""A sheet is blind, balanced and the same for the same seed."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from olivepress.abtest.make import Answered, make_sheet
from olivepress.abtest.page import sheet_csv, sheet_html
from olivepress.abtest.records import Artifact
from olivepress.core.errors import UsageError
from tests.abtest.sheets import NOW, planted


def test_the_same_seed_makes_the_same_sheet() -> None:
    assert planted(seed=3) == planted(seed=3)
    (one, _), (other, _) = planted(seed=3), planted(seed=4)
    assert [item.prompt for item in one.items] != [item.prompt for item in other.items]


@pytest.mark.parametrize("n", [2, 20, 21])
def test_sides_are_balanced_and_not_alternating(n: int) -> None:
    sheet, key = planted(n)
    lefts = [key.items[item.id].a for item in sheet.items].count("left")
    assert lefts in {n // 2, n - n // 2}
    for item in sheet.items:
        placed = key.items[item.id]
        of_a, of_b = (item.left, item.right) if placed.a == "left" else (item.right, item.left)
        assert of_a == f"answer of tuned to {placed.row}" and of_b == f"answer of base to {placed.row}"
    if n > 2:
        sides = [key.items[item.id].a for item in sheet.items]
        assert sides != (["left", "right"] * n)[:n] and sides != (["right", "left"] * n)[:n]


def test_nothing_on_the_sheet_tells_who_answered() -> None:
    """Neither names, rows, nor the seed that chose the sides are in what a rater gets."""
    texts = {"row1": ("good", "bad"), "row2": ("yes", "no"), "row3": ("red", "blue")}
    a = Answered(artifact=Artifact(name="challenger-x"), answers={row: first for row, (first, _) in texts.items()})
    b = Answered(artifact=Artifact(name="champion-y"), answers={row: second for row, (_, second) in texts.items()})
    prompts = dict.fromkeys(texts, "Pick.")
    sheet, key = make_sheet(prompts, a, b, n=3, seed=987654321, title="Which answer is better?", now=NOW)
    for text in (sheet_html(sheet), sheet_csv(sheet)):
        assert "good" in text
        for secret in ("challenger", "champion", "987654321", "row1", key.items[sheet.items[0].id].row):
            assert secret not in text


def test_equal_answers_are_ties_that_nobody_is_asked_about() -> None:
    sheet, key = planted(10, same=(2, 5))
    assert len(sheet.items) == 8 and sorted(key.identical) == ["row2", "row5"]
    with pytest.raises(UsageError, match="all 3 answers of tuned and base are equal"):
        planted(3, same=(0, 1, 2))


def test_texts_that_look_the_same_are_equal() -> None:
    answers = {"r": ("caf\u00e9  au lait\r\n", "cafe\u0301 au lait"), "s": ("yes", "no")}
    a, b = (
        Answered(artifact=Artifact(name=n), answers={k: v[i] for k, v in answers.items()}) for i, n in enumerate("ab")
    )
    sheet, key = make_sheet(dict.fromkeys(answers, "?"), a, b, n=5, seed=0, title="T", now=NOW)
    assert key.identical == ("r",) and len(sheet.items) == 1


def test_what_cannot_be_compared_is_refused() -> None:
    a = Answered(artifact=Artifact(name="a"), answers={"row1": "x"})
    for b, message in (
        (Answered(artifact=Artifact(name="a"), answers={"row1": "y"}), "both artifacts are called 'a'"),
        (Answered(artifact=Artifact(name="b"), answers={"row2": "y"}), "no prompt in common"),
    ):
        with pytest.raises(UsageError, match=message):
            make_sheet({"row1": "?", "row2": "?"}, a, b, n=5, seed=0, title="T", now=NOW)


HOSTILE = "</script><script>alert(1)</script><!-- <b>bold</b> & \u2028 \U0001f9d9 ${x} `"


def test_foreign_text_stays_text_on_the_page() -> None:
    a = Answered(artifact=Artifact(name="a"), answers={"r": HOSTILE})
    b = Answered(artifact=Artifact(name="b"), answers={"r": '=HYPERLINK("http://x")'})
    sheet, _ = make_sheet({"r": HOSTILE}, a, b, n=1, seed=0, title="T <script>", now=NOW)
    html = sheet_html(sheet)
    assert html.count("<script") == 2 and "<b>" not in html and "T &lt;script&gt;" in html
    embedded = re.search(r'id="sheet">(.*?)</script>', html, re.S)
    assert embedded and json.loads(embedded[1])["items"][0]["prompt"] == HOSTILE
    (row,) = csv.DictReader(io.StringIO(sheet_csv(sheet)))
    assert {row["left"], row["right"]} == {HOSTILE, '\'=HYPERLINK("http://x")'}
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in html and "http://" in html
