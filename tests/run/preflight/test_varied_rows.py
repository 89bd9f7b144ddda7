"""Which rows of a dataset are chosen to be compared."""

from __future__ import annotations

from pathlib import Path

from olivepress.data.store.examples import Example
from olivepress.run.preflight.varied_rows import NamedRow, named_rows, varied_rows
from tests.run.preflight.tokenizer_kinds import write_dataset


def rows_of(*texts: str) -> list[NamedRow]:
    answer = {"role": "assistant", "content": "on"}
    return [
        NamedRow(name=text, row=Example(id=str(i), messages=({"role": "user", "content": text}, answer), label=None))
        for i, text in enumerate(texts)
    ]


UNUSUAL = (
    "the \U0001f600 lamp",
    "lamp \u65e5\u672c",
    "\u05e9\u05dc\u05d5\u05dd",
    "the lamp  the",
    "the lamp ",
    "the\r\nlamp",
    "lamp 12345",
    "the lamp's",
    "the " + "lamp" * 20,
    "lampe\u0301",
)


def test_unusual_rows_are_among_them_wherever_they_are() -> None:
    rows = rows_of(*(f"the lamp {'and ' * (i % 7)}the lamp" for i in range(3000)), *UNUSUAL)
    chosen = varied_rows(rows, 40)
    assert len(chosen) == 40 and {each.name for each in chosen} >= set(UNUSUAL)
    assert len({id(each) for each in chosen}) == 40


def test_the_rest_is_spread_over_the_dataset() -> None:
    rows = rows_of(*("the lamp" for _ in range(1000)))
    places = [int(each.row.id) for each in varied_rows(rows, 10)]
    assert len(places) == len(set(places)) == 10 and max(places) > 800 and min(places) < 100


def test_what_adds_most_comes_first_and_two_thirds_at_most() -> None:
    rows = rows_of(*(chr(0x4E00 + i) for i in range(100)), "abcdefghij")
    chosen = varied_rows(rows, 30)
    assert chosen[0].name == "abcdefghij" and len(chosen) == 30
    assert [int(each.row.id) for each in chosen[1:20]] == list(range(19))
    assert max(int(each.row.id) for each in chosen[20:]) > 80


def test_few_rows_are_all_chosen() -> None:
    assert {each.name for each in varied_rows(rows_of("a", "b", "a"), 300)} == {"a", "b"}
    assert len(varied_rows(rows_of("a", "b", "a"), 300)) == 3 and varied_rows([], 5) == []


def test_tools_count_as_texts() -> None:
    (plain,) = rows_of("lamp")
    tools = ({"type": "function", "function": {"name": "\u706f"}},)
    row = Example(id="tool", messages=plain.row.messages, label=None, tools=tools)
    assert varied_rows([*[plain] * 9, NamedRow(name="tool", row=row)], 3)[0].name == "tool"


def test_rows_of_every_split_are_named(tmp_path: Path) -> None:
    names = [each.name for each in named_rows(write_dataset(tmp_path / "data", ["one", "two"]))]
    assert names == ["row train0 of train", "row train1 of train", "row test0 of test"]
