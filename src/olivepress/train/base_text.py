"""The perplexity of a text before and after a training, window by window: a task of a child process."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from olivepress.core.progress import Progress
from olivepress.core.yaml_document import Record
from olivepress.measure.quality.parent_text import perplexity_pytorch
from olivepress.measure.quality.perplexity import TextLikelihood, read_text
from olivepress.recipe.methods import FourBit
from olivepress.stats.intervals import bootstrap_of_sums

__all__ = ["TextPair", "TextSpec", "text_pair"]


class TextSpec(Record):
    """The base in ``base_dir`` and what was trained of it: an adapter on it, or the model in ``model_dir``."""

    base_dir: Path
    model_dir: Path
    adapter_dir: Path | None = None
    four_bit: FourBit | None = None
    text: Path
    window: int | None = None


class TextPair(Record):
    """Perplexities, and the 95 % interval of after / before: a bootstrap over the windows, which both models share."""

    before: float
    after: float
    tokens: int
    ci_low: float | None = None
    ci_high: float | None = None


def text_pair(spec: TextSpec, progress: Progress) -> TextPair:
    """DataError as ``read_text``, JobError for a model that cannot be loaded."""
    text = read_text(spec.text)
    before = perplexity_pytorch(spec.base_dir, text, window=spec.window, four_bit=spec.four_bit, progress=progress)
    after = perplexity_pytorch(
        spec.model_dir,
        text,
        window=spec.window,
        adapter_dir=spec.adapter_dir,
        four_bit=spec.four_bit,
        progress=progress,
    )
    return compare_likelihoods(before, after)


def compare_likelihoods(before: TextLikelihood, after: TextLikelihood) -> TextPair:
    """The interval is None for fewer than three windows."""
    pairs = zip(before.blocks, after.blocks, strict=True)
    sums = np.asarray([(late[0] - early[0], early[1]) for early, late in pairs], dtype=np.float64)
    interval = bootstrap_of_sums(sums, lambda drawn: drawn[:, 0] / drawn[:, 1])
    return TextPair(
        before=math.exp(min(before.nll_nats / before.scored_tokens, 700.0)),
        after=math.exp(min(after.nll_nats / after.scored_tokens, 700.0)),
        tokens=before.scored_tokens,
        ci_low=math.exp(min(interval[0], 700.0)) if interval else None,
        ci_high=math.exp(min(interval[1], 700.0)) if interval else None,
    )
