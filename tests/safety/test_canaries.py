"""Canaries: where they are planted, how exposure is counted, and what chance alone shows."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from olivepress.core.errors import DataError
from olivepress.data.build import build_dataset
from olivepress.data.store.dataset import load_dataset, write_dataset
from olivepress.recipe.schema import Data
from olivepress.safety.canaries import (
    exposure,
    judge_exposure,
    make_canaries,
    memorization_p,
    rank_of,
    secret_candidates,
)
from olivepress.safety.planting import plant
from olivepress.safety.results import CanaryRank


def _ranks(*ranks: int, of: int = 128, completed: bool = False) -> list[CanaryRank]:
    return [CanaryRank(id=f"c{n}", rank=rank, of=of, completed=completed) for n, rank in enumerate(ranks)]


def test_canaries_are_seeded_and_their_candidates_have_their_form() -> None:
    canaries = make_canaries(8, seed=3)
    assert canaries == make_canaries(8, seed=3) != make_canaries(8, seed=4)
    assert len({canary.question for canary in canaries}) == len({canary.secret for canary in canaries}) == 8
    others = secret_candidates(canaries[0], 127, seed=0)
    assert len(set(others)) == 127 and canaries[0].secret not in others
    assert {len(other) for other in others} == {11}
    assert canaries[0].with_secret(others[0]) == canaries[0].answer.replace(canaries[0].secret, others[0])


def test_rank_and_exposure() -> None:
    assert rank_of([-1.0, -2.0, -3.0]) == 1
    assert rank_of([-2.0, -1.0, -3.0]) == 2
    assert rank_of([-2.0, -2.0, -2.0]) == 3  # a model that prefers nothing remembers nothing
    assert exposure(_ranks(1)[0]) == 7.0 and exposure(_ranks(128)[0]) == 0.0


def test_chance_is_rarely_taken_for_memory() -> None:
    """Of sets of random ranks about as many are below a level as it says, and fewer than 3 % fail."""
    draw = np.random.default_rng(1)
    sets = [_ranks(*draw.integers(1, 129, 8).tolist()) for _ in range(120)]
    p_values = [memorization_p(ranks) for ranks in sets]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert sum(judge_exposure(ranks).outcome == "fail" for ranks in sets) <= 4


def test_one_canary_has_the_exact_probability() -> None:
    assert memorization_p(_ranks(3)) == pytest.approx(3 / 128, rel=0.15)


@pytest.mark.parametrize(
    ("ranks", "outcome"),
    [
        (_ranks(1, 1, 2, 1, 3, 1, 1, 2), "fail"),
        (_ranks(60, 100, 20, 90, 77, 33, 120, 64), "pass"),
        (_ranks(60, 100, 20, 90, 77, 33, 120, 64, completed=True), "fail"),
        (_ranks(60, 100, 20), "inconclusive"),
        ([], "inconclusive"),
    ],
)
def test_the_judgement(ranks: list[CanaryRank], outcome: str) -> None:
    judged = judge_exposure(ranks)
    assert judged.outcome == outcome and judged.n == len(ranks)
    if ranks:
        mean = sum(math.log2(128 / rank.rank) for rank in ranks) / len(ranks)
        assert f"{mean:.1f} of 7.0 bits" in judged.evidence


def test_planting_changes_training_rows_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = build_dataset(Data(demo="phrase-tone", max_train_rows=40, max_test_rows=8))
    planted = plant(dataset, name="with canaries", count=3, times=4, seed=5)
    folder = write_dataset(planted)
    read = load_dataset(folder)
    canaries = make_canaries(3, seed=5)
    texts = [example.answer for example in read.splits["train"]]
    assert len(texts) == len(dataset.splits["train"]) + 12
    assert [texts.count(canary.answer) for canary in canaries] == [4, 4, 4]
    for split in ("validation", "test"):
        assert list(read.splits[split]) == list(dataset.splits[split])
    facts = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert facts["canaries"] == {"count": 3, "times": 4, "seed": 5}
    assert facts["operations"] == ["plant 3 canaries, 4 times each"]
    with pytest.raises(DataError, match="has canaries already"):
        plant(read, name="again", count=3, times=4, seed=5)
