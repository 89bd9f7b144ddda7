"""Filled sheets that are wrong are refused, as far as that can be seen."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.abtest import filled as module
from olivepress.abtest.filled import FilledSheet, check_keys, read_filled, read_key
from olivepress.abtest.page import sheet_csv
from olivepress.abtest.records import Filled, Key
from olivepress.core.errors import DataError
from tests.abtest.sheets import fill, for_a, planted, write

SHEET, KEY = planted(6)
KEYS = {SHEET.id: KEY}
GOOD = fill(SHEET, for_a(KEY, 4, 1))


def test_a_filled_sheet_is_read(tmp_path: Path) -> None:
    (read,) = read_filled([write(GOOD, tmp_path / "ada.json")], KEYS)
    assert read.filled == GOOD


def _edit(change: Callable[[dict[str, Any]], None]) -> str:
    fields = GOOD.model_dump(mode="json")
    change(fields)
    return json.dumps(fields)


def _flip(fields: dict[str, Any]) -> None:
    fields["votes"][0]["vote"] = "tie"


EDITED: dict[str, tuple[str, str]] = {
    "vote": (_edit(_flip), "was changed after it was saved"),
    "rater": (_edit(lambda fields: fields.update(rater="Bob")), "was changed after it was saved"),
    "time": (_edit(lambda fields: fields.update(saved_at="2026-01-01")), "was changed after it was saved"),
    "dropped vote": (_edit(lambda fields: fields["votes"].pop()), "was changed after it was saved"),
    "no checksum": (_edit(lambda fields: fields.update(check="")), "was changed after it was saved"),
    "unknown vote": (_edit(lambda fields: fields["votes"][0].update(vote="A")), "not a filled sheet"),
    "key twice": (_edit(lambda fields: None).replace('"rater":', '"rater": "Eve", "rater":'), "occurs twice"),
    "cut": (_edit(lambda fields: None)[:-40], "not a filled sheet"),
    "something else": ("[1, 2]", "not a filled sheet"),
    "empty": ("", "not a filled sheet"),
}


@pytest.mark.parametrize("name", EDITED)
def test_a_sheet_edited_by_hand_is_refused(name: str, tmp_path: Path) -> None:
    text, message = EDITED[name]
    path = tmp_path / "votes.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_filled([path], KEYS)


def _resealed(**changes: Any) -> Filled:
    """A change whose author has computed the checksum again."""
    from olivepress.abtest.records import checksum

    changed = GOOD.model_copy(update=changes)
    return changed.model_copy(update={"check": checksum(changed)})


def test_what_no_checksum_covers_is_refused_too(tmp_path: Path) -> None:
    other, _ = planted(6, seed=9)
    for filled, message in (
        (_resealed(sheet="0" * 64), "no key for its sheet"),
        (_resealed(votes=fill(other, lambda *_: "tie").votes), "is not on the sheet"),
        (_resealed(votes=(*GOOD.votes, GOOD.votes[0])), "has two votes"),
        (_resealed(votes=()), "no vote in it"),
    ):
        with pytest.raises(DataError, match=message):
            read_filled([write(filled, tmp_path / "votes.json")], KEYS)


def test_a_sheet_is_not_counted_twice(tmp_path: Path) -> None:
    first = write(GOOD, tmp_path / "ada.json")
    copy = write(GOOD, tmp_path / "copy.json")
    saved_again = write(fill(SHEET, for_a(KEY, 5, 1), session=GOOD.session, rater="A. L."), tmp_path / "later.json")
    same_name = write(fill(SHEET, for_a(KEY, 2, 1), session="ab" * 16, rater=" ADA"), tmp_path / "ada2.json")
    for again, kind in ((first, "rater"), (copy, "rater"), (saved_again, "session"), (same_name, "rater")):
        with pytest.raises(DataError, match=f"the same sheet by the same {kind} as .*counted twice"):
            read_filled([first, again], KEYS)


def test_two_artifacts_of_one_name_are_not_scored_together(tmp_path: Path) -> None:
    """The artifact of a recipe is called the same before and after it is trained again."""
    second, other = planted(6, seed=9)
    paths = [
        write(GOOD, tmp_path / "before.json"),
        write(fill(second, lambda *_: "tie", rater="Bob"), tmp_path / "b.json"),
    ]

    def keys(later: str) -> dict[str, Key]:
        def named(key: Key, tuned: str) -> Key:
            a = key.a.model_copy(update={"sha256": tuned * 64})
            return key.model_copy(update={"a": a, "b": key.b.model_copy(update={"sha256": "c" * 64})})

        return {SHEET.id: named(KEY, "a"), second.id: named(other, later)}

    with pytest.raises(DataError, match=r"b\.json: its tuned \(sha256 b{12}\) is not that of .*before\.json \(a{12}\)"):
        read_filled(paths, keys("b"))
    assert len(read_filled(paths, keys("a"))) == 2


def _csv(change: Callable[[list[dict[str, str]]], None], delimiter: str = ",") -> str:
    rows = list(csv.DictReader(io.StringIO(sheet_csv(SHEET))))
    for row in rows:
        row["vote"] = "Left "
    rows[0]["rater"] = "Bob"
    change(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheet_is_read(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "bob.csv"
    path.write_text("\ufeff" + _csv(lambda rows: rows[2].update(vote=""), delimiter), encoding="utf-8")
    (read,) = read_filled([path], KEYS)
    assert read.filled.rater == "Bob" and len(read.filled.votes) == 5
    assert {voted.vote for voted in read.filled.votes} == {"left"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[0].update(rater=""), "expected one rater"),
        (lambda rows: rows[1].update(rater="Eve"), "expected one rater .* it has 2"),
        (lambda rows: rows[1].update(vote="A"), "vote is 'a', expected 'left', 'right' or 'tie'"),
        (lambda rows: rows[1].update(item="0" * 12), "is not on the sheet"),
        (lambda rows: rows[1].update(sheet="1" * 64), "rows of 2 sheets"),
        (lambda rows: [row.pop("vote") for row in rows], "no column 'vote'"),
    ],
)
def test_a_wrong_spreadsheet_is_refused(
    change: Callable[[list[dict[str, str]]], None], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "bob.csv"
    path.write_text(_csv(change), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_filled([path], KEYS)


def test_keys_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(KEY.model_dump_json(), encoding="utf-8")
    turned = KEY.model_copy(update={"a": KEY.b, "b": KEY.a})
    assert check_keys([(path, read_key(path)), (path, KEY)]) == KEYS
    with pytest.raises(DataError, match="contradicts"):
        check_keys([(path, KEY), (Path("other/key.json"), turned)])
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="not the key of a sheet"):
        read_key(path)


def test_a_csv_file_with_a_field_that_is_too_long_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bob.csv"
    path.write_text(_csv(lambda rows: rows[0].update(left="x" * 200_000)), encoding="utf-8")
    with pytest.raises(DataError, match=r"bob\.csv: line 2: not CSV \(field larger than field limit"):
        read_filled([path], {KEY.sheet: KEY})


def test_votes_are_counted_in_one_pass() -> None:
    """2,000 votes on different prompts: comparing each with each takes four million comparisons."""

    class Item(str):
        compared = 0
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            Item.compared += 1
            return str(self) == str(other)

    items = [f"item-{number}" for number in range(2000)]
    key = KEY.model_copy(update={"items": {item: KEY.items[next(iter(KEY.items))] for item in items}})
    votes = tuple(GOOD.votes[0].model_copy(update={"item": Item(item)}) for item in items)
    sheet = FilledSheet(path=Path("votes.json"), filled=GOOD.model_copy(update={"votes": votes}))
    module._check_items(sheet, {SHEET.id: key})
    assert Item.compared <= 3 * len(items)
