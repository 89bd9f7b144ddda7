"""Splits: shares, seed, strata, groups, slices. Versions: content, never names."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import DataError
from olivepress.data.build import build_dataset, prepare_files
from olivepress.data.dedup.neighbors import signatures
from olivepress.data.dedup.shingles import letter_shingles, word_shingles
from olivepress.data.policy import Policy
from olivepress.data.store.dataset import Dataset, load_dataset, write_dataset
from olivepress.data.store.examples import SPLITS
from olivepress.recipe.schema import Data
from tests.data.planted import clean_rows, events, read_jsonl, write_jsonl


def prepare(path: Path, **policy: Any) -> Dataset:
    return prepare_files([str(path)], Policy(languages=False, **policy))


def sizes(dataset: Dataset) -> list[int]:
    return [len(dataset.splits[split]) for split in SPLITS]


@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.1), (0.2, 0.1)])
def test_ratios_are_of_the_whole(tmp_path: Path, validation: float, test: float) -> None:
    """By hash, so that a row keeps its split: within three standard deviations of the share."""
    path = write_jsonl(tmp_path / "a.jsonl", clean_rows(500))
    found = sizes(prepare(path, validation_fraction=validation, test_fraction=test))
    for size, share in zip(found, (1 - validation - test, validation, test), strict=True):
        assert abs(size - 500 * share) <= 3 * (500 * share * (1 - share)) ** 0.5
    assert sum(found) == 500


@pytest.mark.parametrize("rows", [10, 12, 19, 25, 38, 40, 60, 100])
def test_small_datasets_get_their_shares(tmp_path: Path, rows: int) -> None:
    """Exactly up to four rows of a share, then two and a half standard deviations more or less at most."""
    for seed in range(4):
        found = sizes(prepare(write_jsonl(tmp_path / "a.jsonl", clean_rows(rows)), seed=seed))
        slack = int(2.5 * (rows * 0.1) ** 0.5) if rows > 40 else 0
        assert sum(found) == rows
        assert all(abs(size - round(rows * 0.1)) <= slack for size in found[1:])


def test_every_class_has_its_share(tmp_path: Path) -> None:
    rows = [{"text": row["prompt"], "label": f"class {n % 7}"} for n, row in enumerate(clean_rows(700))]
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    for split, share in zip(SPLITS, (80, 10, 10), strict=True):
        counts = Counter(example.label for example in dataset.splits[split])
        assert len(counts) == 7 and all(abs(count - share) <= 10 for count in counts.values())
        assert min(counts.values()) >= share * 0.3


def test_a_group_of_near_duplicates_never_spans_splits(tmp_path: Path) -> None:
    rows = []
    for number, row in enumerate(clean_rows(100)):
        words = row["prompt"].split()
        rows += [{"prompt": row["prompt"], "completion": f"{number} a"}]
        rows += [{"prompt": " ".join(["who's", *words[1:]]), "completion": f"{number} b"}]
        rows += [{"prompt": row["prompt"].upper() + "!!", "completion": f"{number} c"}]
    for seed in range(3):
        dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows), seed=seed)
        where: dict[str, set[str]] = {}
        for split in SPLITS:
            for example in dataset.splits[split]:
                where.setdefault(example.answer.split()[0], set()).add(split)
        assert len(where) == 100 and all(len(splits) == 1 for splits in where.values())
        assert sum(sizes(dataset)) == 300 and min(sizes(dataset)) >= 15


def test_the_seed_decides_and_the_order_of_rows_does_not(tmp_path: Path) -> None:
    rows = clean_rows(200)
    one = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    other = prepare(write_jsonl(tmp_path / "b.jsonl", rows[::-1]))
    assert one.hashes.content == other.hashes.content
    assert one.version != other.version  # training sees the rows in another order
    assert prepare(tmp_path / "a.jsonl", seed=1).hashes.content != one.hashes.content


@pytest.mark.parametrize(
    ("slices", "lines"),
    [
        (["train[:100]"], range(1, 101)),
        (["train[75%:]"], range(151, 201)),
        (["train[-60:]"], range(141, 201)),
        (["train[:50]+train[150:]"], [*range(1, 51), *range(151, 201)]),
        (["test[:5]"], range(1, 201)),
    ],
)
def test_slices_are_the_hubs(tmp_path: Path, slices: list[str], lines: Any) -> None:
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", clean_rows(200)), slices=tuple(slices))
    assert dataset.files is not None
    kept = [entry["line"] for entry in read_jsonl(dataset.files / "lineage.jsonl")]
    assert sorted(kept) == list(lines)
    dropped = events(dataset.files / "audit.jsonl", action="dropped")
    assert dropped == [(line, "outside the slice") for line in range(1, 201) if line not in set(lines)]


@pytest.mark.parametrize("spec", ["rows[:3]", "train[a:b]", "train[:120%]"])
def test_what_is_no_slice(tmp_path: Path, spec: str) -> None:
    with pytest.raises(DataError, match="slice"):
        prepare(write_jsonl(tmp_path / "a.jsonl", clean_rows(40)), slices=(spec,))


def test_written_read_again_and_prepared_from_a_recipe(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", clean_rows(60))
    dataset = prepare_files([str(source)], Policy(languages=False), name="mine", origin={"licence": "CC0"})
    directory = write_dataset(dataset, tmp_path)
    assert sorted(path.name for path in directory.iterdir()) == [
        "audit.jsonl", "dataset.json", "lineage.jsonl", "test.jsonl", "train.jsonl", "validation.jsonl",
    ]  # fmt: skip
    again = load_dataset(directory)
    assert again.version == dataset.version and again.facts["source"]["licence"] == "CC0"
    assert write_dataset(again, tmp_path) == directory
    built = build_dataset(Data(source=str(directory)))
    assert built.version == dataset.version and list(built.splits["train"]) == list(dataset.splits["train"])
    held = json.loads((directory / "dataset.json").read_text())
    assert held["rows"] == {"train": 48, "validation": 6, "test": 6}
    (directory / "train.jsonl").write_text((directory / "train.jsonl").read_text().replace("Who is", "Who iz", 1))
    with pytest.raises(DataError, match="they were changed"):
        load_dataset(directory)


def test_a_recipe_and_the_command_line_make_the_same_dataset(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [*clean_rows(80), *clean_rows(3)])
    by_recipe = build_dataset(Data(source=str(source), instruction="Answer."))
    by_command = prepare_files([str(source)], Policy(instruction="Answer."))
    assert by_recipe.version == by_command.version
    assert by_recipe.dropped == {"duplicate: same prompt and answer": 3} == by_command.dropped


def test_signatures_are_datasketchs_own() -> None:
    from datasketch import MinHash

    texts = ["how do i cancel my card", "a", "zażółć gęślą jaźń 日本語", " ".join(map(str, range(60)))]
    for shingled in (letter_shingles(texts), word_shingles(texts, 5)):
        found = signatures(shingled)
        assert sum(shingled.counts) > 50
        for number in range(len(texts)):
            own = MinHash(num_perm=128, scheme="affine32", hashfunc=lambda value: value)
            own.update_batch([int(value) >> 32 for value in shingled.of(number)])
            assert (own.hashvalues == found[number]).all()


def test_shingles_are_equal_exactly_where_words_are() -> None:
    texts = ["a b c d e f", "x a b c d e", "", "a b c d", "b c d e f a b"]
    shingled = word_shingles(texts, 5)
    expected = [[tuple(t.split()[i : i + 5]) for i in range(max(0, len(t.split()) - 4))] for t in texts]
    flat = [gram for grams in expected for gram in grams]
    assert shingled.counts.tolist() == [len(grams) for grams in expected]
    for i, one in enumerate(flat):
        for j, other in enumerate(flat):
            assert (shingled.hashes[i] == shingled.hashes[j]) == (one == other)


def test_advice_on_classes(tmp_path: Path) -> None:
    def told(train: list[str], test: list[str]) -> list[tuple[str, str]]:
        for name, labels, seed in (("train", train, 0), ("test", test, 1)):
            texts = (row["prompt"] for row in clean_rows(len(labels), seed))
            rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
            write_jsonl(tmp_path / f"{name}.jsonl", rows)
        advice = prepare(tmp_path).facts["advice"]
        return [(one["level"], one["text"]) for one in advice if "class" in one["text"]]

    one = "all training rows are of the class 'a': there is nothing to learn"
    assert told(["a"] * 40, ["a"] * 4) == [("stop", one)]
    assert told(["a", "b"] * 20, ["a", "b"] * 2) == []
    unknown = "1 held-out class has no training row ('c'): it cannot be learned"
    assert told(["a", "b"] * 20, ["a", "c"]) == [("warning", unknown)]
    (level, text), _ = told([f"{n}" for n in range(40)], ["0"])  # and those that went to validation cannot be learned
    assert level == "warning" and "classes have a single training row: are the answers really classes?" in text


def test_too_few_rows_are_told_with_the_sums(tmp_path: Path) -> None:
    path, audit = write_jsonl(tmp_path / "equal.jsonl", clean_rows(1) * 40), tmp_path / "audit.jsonl"
    with pytest.raises(DataError) as caught:
        prepare_files([str(path)], Policy(languages=False), audit=audit)
    assert str(caught.value) == (
        "data: 1 row for the train split, at least 8 needed: 40 rows in = 1 kept + 39 dropped "
        "(39 x duplicate: same prompt and answer), first equal.jsonl:2 (row 2): duplicate: same prompt and answer; "
        "next: give more rows, or other shares: --ratio 60/20/20 (in a recipe: validation_fraction)"
    )
    assert len(events(audit, action="dropped")) == 39


def test_files_given_twice_are_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", clean_rows(40))
    for names in ([path, path], [tmp_path, path], [path, tmp_path / "." / "rows.jsonl"]):
        with pytest.raises(DataError, match=r"rows\.jsonl: given twice; next: give it once"):
            prepare_files(list(map(str, names)), Policy(languages=False))
    (tmp_path / "other").mkdir()
    write_jsonl(tmp_path / "other" / "rows.jsonl", clean_rows(40, seed=1))
    both = prepare_files([str(path), str(tmp_path / "other" / "rows.jsonl")], Policy(languages=False))
    assert list(both.facts["read"].values()) == [40, 40]
