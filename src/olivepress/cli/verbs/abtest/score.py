"""``olivepress abtest score``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olivepress.cli.options import JsonOption
from olivepress.core.printable import printable

if TYPE_CHECKING:
    from olivepress.abtest.score import PairScore, Scores

__all__ = ["score"]


def score(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Filled sheets: JSON or CSV.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", help="The key of a sheet; those in abtests/ when left out."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score filled sheets of blind comparisons.

    Wins and ties with intervals, strengths over all pairs, agreement of the raters, position bias.
    """
    from olivepress.pipeline.release.abtest import score as score_files

    scores = score_files(files, key or ())
    if as_json:
        print(json.dumps(asdict(scores), indent=1))
        return
    _print(scores)


def _print(scores: Scores) -> None:
    for pair in scores.pairs:
        _print_pair(pair)
    print("\nstrength (Bradley-Terry, log odds; 95 % interval)")
    for each in scores.strengths:
        value = "0, the reference"
        if each.artifact != each.reference:
            interval = f"{each.ci_low:+.2f} to {each.ci_high:+.2f}"
            value = f"{each.log_strength:+.2f} ({interval}) against {printable(each.reference)}"
        print(f"  {printable(each.artifact)}: {value}")
    _print_raters(scores)
    for caution in scores.cautions:
        print(f"caution: {printable(caution)}", file=sys.stderr)


def _print_pair(pair: PairScore) -> None:
    a, b = printable(pair.a), printable(pair.b)
    print(f"{a} against {b}: {pair.n} prompts, {pair.identical} of them with equal answers")
    print(f"  wins {pair.wins_a}, losses {pair.wins_b}, ties {pair.ties}; the majority of a prompt's votes decides it")
    if pair.share is not None and pair.share_low is not None and pair.share_high is not None:
        interval = f"{100 * pair.share_low:.1f} to {100 * pair.share_high:.1f}"
        print(f"  {a} wins {100 * pair.share:.1f} % ({interval}) of those that are no tie, p = {pair.p_value:.3g}")
    interval = f"{100 * pair.ci_low:+.1f} to {100 * pair.ci_high:+.1f}"
    print(f"  wins - losses: {100 * pair.difference:+.1f} points of all prompts ({interval})")


def _print_raters(scores: Scores) -> None:
    print("\nraters")
    for rater in scores.raters:
        sides = rater.votes - rater.ties
        print(f"  {printable(rater.name)}: {rater.votes} votes, {rater.ties} ties, left {rater.left} of {sides}")
    agreed = scores.agreement
    if agreed.alpha is None:
        print(f"  agreement: not known, {agreed.reason}")
    else:
        interval = f"{agreed.ci_low:.2f} to {agreed.ci_high:.2f}"
        print(f"  agreement: Krippendorff's alpha {agreed.alpha:.2f} ({interval}) over {agreed.prompts} prompts")
    position = scores.position
    if position.share is not None and position.ci_low is not None and position.ci_high is not None:
        interval = f"{100 * position.ci_low:.1f} to {100 * position.ci_high:.1f}"
        share = f"{100 * position.share:.1f} % ({interval})"
        print(f"  the left answer has {share} of the votes for a side, p = {position.p_value:.3g}")
