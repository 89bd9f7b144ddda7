"""Planted exports: what is kept must not be refused, what is lost by more than the margin must not pass."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from olivepress.core.artifact import TaskVerdict
from olivepress.measure.quality.noninferiority import PILOT, judge_task, rows_needed, rows_to_ask
from olivepress.report.device_report import measured
from olivepress.run.verify.divergence import divergence_checks
from olivepress.run.verify.task_text import verdict_text

KEPT, LOST, OPEN = "not inferior", "inferior", "cannot tell"
LIMIT = 0.03  # of the divergence, for 4 bits
Scores = tuple[list[float], list[float]]


def pairs(both: int, only_parent: int, only_export: int, neither: int) -> Scores:
    """Right (1) or wrong (0) of parent and export, by how many rows who of them has right."""
    counts = ((1.0, 1.0, both), (1.0, 0.0, only_parent), (0.0, 1.0, only_export), (0.0, 0.0, neither))
    rows = [(parent, export) for parent, export, count in counts for _ in range(count)]
    return [parent for parent, _ in rows], [export for _, export in rows]


def passes(verdict: TaskVerdict, kl: float, tokens: int = 8) -> bool:
    """Whether an export with this verdict and this divergence of its answers, of so many tokens, is done."""
    metrics = {
        "kl_divergence": measured("kl_divergence", 9.0, n=9),  # prompts, which are not judged, may have lost all
        "kl_prompt": measured("kl_prompt", 9.0, n=9),
        "kl_answer": measured("kl_answer", kl, n=9),
        "kl_per_answer": measured("kl_per_answer", tokens * kl, n=9),
        "top1_answer": measured("top1_answer", 1.0, n=9),
    }
    checks = divergence_checks(metrics, "", limit=LIMIT, min_top1=0.9, on_answers=True, verdict=verdict)
    return all(check.passed for check in checks) and verdict.call != LOST


# (what was planted, rows by who has them right, KL of the answers, the verdict, whether the export is done)
PLANTED = [
    # As measured on SmolLM2 and Banking77, 200 rows; the discordant rows are the least that fit the shares.
    ("8 bits keep it", (121, 2, 3, 74), 0.0011, OPEN, True),
    ("mixed 4 and 8 bits keep it", (120, 3, 5, 72), 0.0084, OPEN, True),
    ("GPTQ, too few rows to tell", (112, 11, 8, 69), 0.041, OPEN, False),
    ("k-quant loses 13 points", (95, 28, 2, 75), 0.106, LOST, False),
    ("rounding loses 17 points", (87, 36, 2, 75), 0.217, LOST, False),
    ("rounding loses 17 points, and its divergence looks well", (87, 36, 2, 75), 0.001, LOST, False),
    # The same model trained again, 300 rows, teacher forced; lost and won as they were counted.
    ("rounding in groups of 64", (141, 65, 8, 86), 0.204, LOST, False),
    ("GPTQ in groups of 64", (180, 26, 12, 82), 0.046, OPEN, False),
    ("GPTQ, head in 8 bits", (179, 27, 12, 82), 0.039, OPEN, False),
    ("GPTQ with zero points, head in 8 bits", (197, 9, 8, 86), 0.0194, OPEN, True),
    ("GPTQ in groups of 32", (188, 18, 12, 82), 0.0278, OPEN, False),
    # A second seed: 500 validation rows showed 3.2 points lost, 1,000 test rows 0.8: kept, and refused at first.
    ("cpu-int4, shown to be worse, not by more than the margin", (324, 21, 5, 150), 0.0123, OPEN, True),
    ("GPTQ with act-order and scales searched", (199, 7, 6, 88), 0.0098, OPEN, True),
    ("GPTQ mixed with 8 bits", (194, 12, 2, 92), 0.0098, OPEN, True),
    # Nothing is lost.
    ("the same answers", (300, 0, 0, 200), 0.0, KEPT, True),
    ("the same answers, 189 rows", (115, 0, 0, 74), 0.0, KEPT, True),
    ("the same answers, 188 rows", (114, 0, 0, 74), 0.0, OPEN, True),
    ("the same answers, 100 rows", (60, 0, 0, 40), 0.0, OPEN, True),
    ("the same answers, 100 rows, far away", (60, 0, 0, 40), 0.5, OPEN, False),
    ("all right, both", (500, 0, 0, 0), 0.0, KEPT, True),
    ("few differ, evenly", (300, 2, 2, 196), 0.01, KEPT, True),
    ("few differ, evenly, far away", (300, 5, 5, 190), 0.3, KEPT, True),
    ("the export gains", (300, 3, 8, 189), 0.02, KEPT, True),
    ("the export gains much", (300, 10, 60, 130), 0.5, KEPT, True),
    ("many differ, evenly", (300, 40, 40, 120), 0.015, OPEN, True),
    ("many differ, evenly, far away", (300, 40, 40, 120), 0.2, OPEN, False),
    ("many differ, evenly, many rows", (2400, 100, 100, 2400), 0.2, KEPT, True),
    ("a little lost of many rows", (9000, 200, 150, 9000), 0.2, KEPT, True),
    # More than the margin is lost.
    ("4 points lost", (280, 30, 8, 182), 0.05, LOST, False),
    ("4 points lost of a perfect parent", (480, 20, 0, 0), 0.01, LOST, False),
    ("6 points lost of a perfect parent", (470, 30, 0, 0), 0.01, LOST, False),
    ("4 points lost, few rows", (115, 14, 6, 65), 0.025, OPEN, False),
    ("4 points lost, few rows, far away", (115, 14, 6, 65), 0.05, OPEN, False),
    ("6 points lost, many differ", (250, 60, 30, 160), 0.02, LOST, False),
    ("2.5 points lost of many rows, far away", (900, 70, 20, 1010), 0.04, OPEN, False),
    ("3.5 points lost of many rows", (900, 90, 20, 990), 0.02, LOST, False),
    ("everything lost", (0, 300, 0, 200), 0.9, LOST, False),
    ("everything lost at the pilot", (0, 60, 0, 40), 0.9, LOST, False),
    ("a third lost of the fewest rows", (5, 10, 0, 15), 0.05, LOST, False),
    # At the margin.
    ("the margin lost, all of it seen", (490, 10, 0, 0), 0.01, OPEN, True),
    ("the margin lost", (295, 12, 2, 191), 0.018, OPEN, True),
    ("the margin lost, far away", (295, 12, 2, 191), 0.04, OPEN, False),
    ("shown to be worse, by less than the margin", (300, 6, 0, 194), 0.02, OPEN, True),
    ("worse by 1.5 points of many rows", (900, 60, 30, 1010), 0.02, OPEN, True),
    ("worse by 1 point of very many rows", (4500, 150, 50, 5300), 0.2, KEPT, True),
    # What cannot be told whatever it is.
    ("neither is ever right", (0, 0, 0, 500), 0.01, OPEN, True),
    ("neither is ever right, far away", (0, 0, 0, 500), 0.2, OPEN, False),
    ("the parent is hardly ever right and the export never", (0, 8, 0, 492), 0.2, OPEN, False),
    ("the parent is right in 5 of 100, the export too", (20, 5, 5, 470), 0.01, KEPT, True),
    ("29 rows, all lost", (0, 29, 0, 0), 0.01, OPEN, True),
    ("29 rows, all lost, far away", (0, 29, 0, 0), 0.2, OPEN, False),
    ("no rows", (0, 0, 0, 0), 0.01, OPEN, True),
    ("30 rows, all the same", (20, 0, 0, 10), 0.01, OPEN, True),
]


@pytest.mark.parametrize(("counts", "kl", "call", "done"), [case[1:] for case in PLANTED], ids=[c[0] for c in PLANTED])
def test_a_planted_export(counts: tuple[int, int, int, int], kl: float, call: str, done: bool) -> None:
    verdict = judge_task("exact_match", *pairs(*counts), margin=0.02, available=1000)
    assert (verdict.call, passes(verdict, kl)) == (call, done), verdict
    rows = sum(counts)
    assert verdict.rows == (rows if rows >= 30 else 0)
    told = verdict.call != OPEN
    assert told is (not verdict.reason and verdict.rows_needed is None)


def test_long_answers_lose_more_of_them_at_the_same_divergence_a_token() -> None:
    """SmolLM2 on SNIPS: JSON of many tokens, 500 validation rows cannot tell, 1,000 test rows lost 4.9 points."""
    verdict = judge_task("exact_match", *pairs(186, 45, 23, 246), margin=0.02, available=1291)
    assert verdict.call == OPEN and verdict.difference == pytest.approx(-0.044)
    assert not passes(verdict, 0.0169, tokens=32) and passes(verdict, 0.0169, tokens=8)
    # With 8 bits in some layers 2.0 points: 62 lost, 42 won of the 1,000 test rows.
    kept = judge_task("exact_match", *pairs(204, 27, 21, 248), margin=0.02, available=1291)
    assert kept.call == OPEN and passes(kept, 0.0081, tokens=32)
    # A wider margin allows more; a score of free text loses only what its words are worth.
    wider = judge_task("exact_match", *pairs(186, 45, 23, 246), margin=0.07, available=1291)
    assert wider.call == OPEN and passes(wider, 0.0169, tokens=32)
    text = judge_task("rouge_l", [0.5] * 100 + [0.6] * 100, [0.6] * 100 + [0.45] * 100, margin=0.02, available=200)
    assert text.call == OPEN and passes(text, 0.0169, tokens=200)


def free_text(parent: Sequence[float], export: Sequence[float], times: int) -> Scores:
    return list(parent) * times, list(export) * times


@pytest.mark.parametrize(
    ("scores", "call"),
    [
        (free_text([0.5, 0.75, 1.0, 0.25], [0.5, 0.75, 1.0, 0.25], 100), KEPT),
        (free_text([0.5, 0.75, 1.0, 0.25], [0.5, 0.75, 1.0, 0.25], 25), OPEN),  # nothing differs on too few rows
        (free_text([0.5, 0.75, 1.0, 0.25], [0.52, 0.73, 1.0, 0.25], 100), KEPT),
        (free_text([0.5, 0.75, 1.0, 0.25], [0.4, 0.65, 0.9, 0.15], 100), LOST),
        (free_text([0.5, 0.75, 1.0, 0.25], [0.0, 0.0, 0.0, 0.0], 25), LOST),  # empty answers
        (free_text([0.5, 0.75, 1.0, 0.25], [0.9, 0.35, 0.6, 0.63], 30), OPEN),
        (free_text([0.0, 0.0, 0.02, 0.0], [0.0, 0.0, 0.0, 0.0], 100), OPEN),  # a parent that has nothing to lose
    ],
)
def test_planted_free_text(scores: Scores, call: str) -> None:
    verdict = judge_task("rouge_l", *scores, margin=0.02, available=1000)
    assert verdict.call == call, verdict


def draw(rng: np.random.Generator, n: int, loss: float, discordant: float) -> Scores:
    """Rows of a parent that is right in 60 %; ``discordant`` of them differ, the export loses ``loss`` on average."""
    chances = [0.6 - (discordant + loss) / 2, (discordant + loss) / 2, (discordant - loss) / 2]
    both, only_parent, only_export, neither = rng.multinomial(n, [*chances, 1 - sum(chances)])
    return pairs(both, only_parent, only_export, neither)


def rates(loss: float, discordant: float, available: int, draws: int = 400) -> dict[str, float]:
    """How often each verdict is given, pilot and all."""
    rng, calls = np.random.default_rng(int(1000 * loss) + available), list[str]()
    for _ in range(draws):
        both = np.asarray(draw(rng, available, loss, discordant))
        parent, export = both[:, rng.permutation(available)]
        asked = rows_to_ask(parent[:PILOT], export[:PILOT], 0.02, available)
        calls.append(judge_task("exact_match", parent[:asked], export[:asked], margin=0.02, available=available).call)
    return {call: calls.count(call) / draws for call in (KEPT, LOST, OPEN)}


# 2.5 % are promised; of 400 draws 4.5 % are the 99 % quantile of that.
@pytest.mark.parametrize(("discordant", "available"), [(0.05, 500), (0.05, 1000), (0.15, 500), (0.3, 2000)])
def test_what_ninety_five_percent_promise(discordant: float, available: int) -> None:
    assert rates(0.04, discordant, available)[KEPT] <= 0.045
    assert rates(0.02, discordant, available)[KEPT] <= 0.045  # the margin itself
    assert rates(0.02, discordant, available)[LOST] <= 0.045


def test_enough_rows_tell() -> None:
    """Where so many rows are there as are said to be needed, they tell in four of five cases."""
    parent, export = draw(np.random.default_rng(0), 100, 0.0, 0.04)
    needed = rows_needed([1.0] * 60 + [0.0] * 40, [1.0] * 58 + [0.0] * 40 + [1.0] * 2, 0.02)
    assert 800 < needed < 1200 and len(parent) == len(export) == 100
    assert rates(0.0, 0.04, 1200)[KEPT] > 0.8
    assert rates(0.17, 0.2, 500)[LOST] > 0.99 and rates(0.06, 0.08, 1000)[LOST] > 0.95


def test_rows_that_are_needed_by_the_formula() -> None:
    """Nothing differs: z²·(1 - margin)/margin rows and no fewer; of scores (1.96 + 0.84)²·s²/margin²."""
    same = [1.0] * 5000
    assert 189 <= rows_needed(same, same, 0.02) <= 210  # one row of 5,002 is counted as different
    halves = [0.5] * 5000
    assert rows_needed(halves, halves, 0.05) == 73  # the same bound
    apart = [0.6, 0.4] * 2500
    assert rows_needed(halves, apart, 0.02) == pytest.approx(7.849 * 0.01 / 0.0004, rel=0.03)


def test_what_is_very_clearly_worse_ends_at_the_pilot() -> None:
    assert rows_to_ask(*pairs(40, 25, 2, 33), 0.02, 500) == 100
    assert rows_to_ask(*pairs(58, 4, 2, 36), 0.02, 500) == 500
    assert rows_to_ask(*pairs(58, 4, 2, 36), 0.1, 500) < 500
    assert rows_to_ask(*pairs(20, 1, 1, 8), 0.02, 30) == 30


def test_a_verdict_in_words() -> None:
    def text(*counts: int, available: int = 1000) -> str:
        return verdict_text(judge_task("exact_match", *pairs(*counts), margin=0.02, available=available))

    kept = "keeps the task: exact match 61.2 % against 61.0 % of the merged model on 500 validation rows"
    assert text(303, 2, 3, 192) == f"{kept}, difference +0.2 points (-0.9 to +1.4), margin 2"
    lost = "loses the task: exact match 44.5 % against 61.5 % of the merged model on 200 validation rows"
    assert text(87, 36, 2, 75).startswith(f"{lost}, difference -17.0 points (")
    few = text(112, 11, 8, 69, available=200)
    assert re.search(r"; about [12],\d{3} rows needed, the validation split has 200; the divergence decides$", few)
    assert "the validation split has 1,000 (200 were asked: limits.rows in the recipe allows more)" in text(
        112, 11, 8, 69
    )
    assert text(5, 0, 0, 5) == "cannot tell: 10 validation rows are too few; at least 30 are needed"
    assert "too close to the margin for 500 rows" in text(300, 6, 0, 194) and "itself is not shown" in text(
        0, 0, 0, 500
    )
