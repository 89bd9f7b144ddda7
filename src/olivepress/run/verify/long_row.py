"""A long text, judged beyond the tokens that the short prompts reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from olivepress.core.artifact import Check
from olivepress.measure.proof.long_row import LongRowProof
from olivepress.measure.quality.fidelity import divergence, log_softmax
from olivepress.measure.quality.long_row import HEAD, read_long_row

__all__ = ["NOT_COMPARED", "NOT_OPENED", "check_long_row", "check_merged_row", "not_compared"]

NOT_COMPARED = "not_compared"
NOT_OPENED = "answers and divergence were not compared: nothing on this machine can run it"
_FP32_LOGIT_LIMIT = 2.0e-3  # sums over thousands of keys, in another order
# Rounded weights diverge at every position alike; a window or a rope that is another does so from its switch on. On
# random models the median behind a switch was 0.2 to 0.8 of the largest before it in int4, and 2.1 with a wrong window.
_TIMES_BEFORE, _NOTHING, _ENOUGH = 1.5, 1.0e-6, 8
# An answer and the same text as a prompt: 1e-14 nats in fp32, 6e-5 where a rope switched unseen. In int4 a rounding
# that falls the other way is 4e-7 in a model of two layers, or nothing at all.
_TIMES_USUAL, _ROUNDING = {True: 10.0, False: 30.0}, {True: 1.0e-5, False: 5.0e-5}
# The long text is rows behind rows, prompts for the most part: nothing was trained on them, so that their level says
# little of a rounded export, which may be 0.02 or 0.5 nats away and answer alike. What is structurally wrong is seen by
# the jump at its switch; this is the level of a model that has lost its language.
_LOST = 3.0
_ANOTHER = "a window or a rope is not the parent's"


def not_compared(reason: str) -> Iterator[Check]:
    """A check that reports the reason why something was not compared; nothing without a reason."""
    if reason:
        yield Check(name=NOT_COMPARED, passed=True, detail=reason)


def check_long_row(proof: LongRowProof, *, limit: float, exact: bool, before: str = "") -> Iterator[Check]:
    """An export on the long row, as prompt and token by token; ``before`` the names of a package's checks."""
    across = f" across {', '.join(map(str, proof.switches))}" if proof.switches else ""
    first = proof.switches[0] if proof.switches else HEAD
    mean, usual, most = _of(proof.beyond), _median(proof.beyond), max(proof.before, default=0.0)
    known = bool(proof.switches) and len(proof.before) >= _ENOUGH
    jumps = known and usual > max(_TIMES_BEFORE * most, _NOTHING)
    detail = f"nats a token, tokens {first} to {proof.tokens}{across}, as a prompt"
    if jumps:
        detail += f"; half of them above {usual:.2g}, before the switch none above {most:.2g}: {_ANOTHER}"
    allowed = limit if exact else max(limit, _LOST)
    passed = mean <= allowed and not jumps
    yield Check(name=f"{before}long_prompt", passed=passed, value=mean, limit=allowed, detail=detail)
    if proof.answers:
        yield _answers(f"{before}long_answer", proof, limit, across, exact)
    if exact:
        worst = max(proof.beyond_worst, proof.answers_worst)
        name, detail = f"{before}long_logit_diff", f"largest logit difference in a text of {proof.tokens} tokens"
        yield Check(name=name, passed=worst <= _FP32_LOGIT_LIMIT, value=worst, limit=_FP32_LOGIT_LIMIT, detail=detail)


def _answers(name: str, proof: LongRowProof, limit: float, across: str, exact: bool) -> Check:
    """Answers across the switches against the same text as a prompt: as far apart as where there is no switch."""
    value, usual = max(proof.answers), max(proof.usual, default=0.0)
    jumps = value > max(_TIMES_USUAL[exact] * usual, _ROUNDING[exact]) and bool(proof.switches)
    detail = f"nats, an answer{across or f' up to token {proof.tokens}'} against the same text as a prompt"
    if jumps:
        detail += f"; {usual:.2g} where there is no switch: {_ANOTHER} in answers that cross it"
    return Check(name=name, passed=value <= limit and not jumps, value=value, limit=limit, detail=detail)


def _of(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else 0.0


def check_merged_row(with_adapter: Path, merged: Path, limit: float) -> Iterator[Check]:
    """Base and adapter against the merged model on the long row; nothing where there is none."""
    first, second = read_long_row(with_adapter), read_long_row(merged)
    if first is None or second is None or first.logits is None or second.logits is None:
        return
    pair = [log_softmax(row.logits.astype(np.float64)) for row in (first, second) if row.logits is not None]
    beyond = [index for index, position in enumerate(first.positions) if position >= HEAD]
    value = float(divergence(*pair)[beyond].mean())
    detail = f"nats a token to base and adapter, tokens {HEAD} to {len(first.ids)}"
    yield Check(name="long_prompt", passed=value <= limit, value=value, limit=limit, detail=detail)
