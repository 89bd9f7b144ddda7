"""Perplexity of a text by a sliding window, in tokens and, comparable between tokenizers, in bits per byte.

The method is Hugging Face's strided evaluation ("Perplexity of fixed-length models", transformers documentation):
windows of ``window`` tokens start every ``stride`` tokens, and each scores only the tokens that no window before it
scored, so that all but the first window's tokens have at least window - stride tokens of context.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olivepress.core.bounded import TEXT, read_bytes
from olivepress.core.errors import DataError, UsageError
from olivepress.core.progress import Progress
from olivepress.measure.quality.fidelity import log_softmax
from olivepress.report.device_report import Measurement, measured, not_measured
from olivepress.runtimes.base import teacher_forced
from olivepress.runtimes.chat_template.model_config import context_length
from olivepress.runtimes.open import open_model
from olivepress.stats.intervals import bootstrap_of_sums

__all__ = [
    "TextLikelihood",
    "not_measured_text",
    "perplexity_exported",
    "read_text",
    "scored_bytes",
    "strided_likelihood",
    "text_metrics",
    "window_and_stride",
]

WINDOW = 1024  # tokens, if the model's context has as many
LARGEST_EXPONENT = 700.0  # nats per token; e to the power of 710 is no float64

LogitsOf = Callable[[Sequence[int]], Iterable[tuple[int, np.ndarray]]]
"""Tokens → blocks (offset, logits [rows, vocabulary]): row r has the logits for the token after offset + r."""


@dataclass(frozen=True, kw_only=True)
class TextLikelihood:
    """The likelihood of a text. ``nll_nats`` is the sum over the ``scored_tokens``, all ``tokens`` but the first.

    ``utf8_bytes`` are those of the scored text (see ``scored_bytes``); ``blocks`` are (nats, scored tokens) of each
    window, which the interval resamples.
    """

    nll_nats: float
    tokens: int
    scored_tokens: int
    utf8_bytes: int
    window: int
    stride: int
    blocks: tuple[tuple[float, int], ...]


def read_text(path: Path) -> str:
    """The text of a UTF-8 file; DataError when it cannot be read or is only white space."""
    try:
        text = read_bytes(path, TEXT, DataError).decode("utf-8")  # bytes: line ends are part of what is scored
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise DataError(f"{path}: cannot be read ({reason})", next_step="give a UTF-8 text file") from error
    if not text.strip():
        raise DataError(f"{path}: the text is empty", next_step="give a text file with some pages")
    return text


def perplexity_exported(
    model_dir: Path,
    text: str,
    *,
    window: int | None = None,
    stride: int | None = None,
    progress: Progress | None = None,
) -> TextLikelihood:
    """Likelihood of ``text`` under an exported model; window and stride in tokens, as ``window_and_stride``.

    The text is tokenized whole, without special tokens before it. DataError for a text of fewer than two tokens;
    UsageError for a window that does not fit; JobError when the model returns NaN or not every position's logits.
    """
    model = open_model(model_dir)
    ids = model.encode(text)
    size, step = window_and_stride(model_dir, window, stride)
    return strided_likelihood(
        ids,
        lambda part: teacher_forced(model, part),
        window=size,
        stride=step,
        utf8_bytes=scored_bytes(text, model.decode(ids[:1])),
        progress=progress,
    )


def window_and_stride(model_dir: Path, window: int | None, stride: int | None) -> tuple[int, int]:
    """Both in tokens; by default the context, at most 1024, and half the window.

    UsageError unless 1 <= stride < window <= context: with stride = window no window's first token would be scored.
    """
    limit = context_length(model_dir)
    size = min(limit or WINDOW, WINDOW) if window is None else window
    step = max(size // 2, 1) if stride is None else stride
    if not 1 <= step < size or (limit is not None and size > limit):
        raise UsageError(
            f"a window of {size} tokens with a stride of {step} in a context of {limit}",
            next_step="choose 1 <= stride < window <= context",
        )
    return size, step


def scored_bytes(text: str, first_token: str) -> int:
    """UTF-8 bytes of ``text`` without its first token, which has no context to be predicted from.

    Where the decoded first token does not begin the text (a part of a character, a tokenizer that normalises), its
    bytes are unknown and stay counted, which lowers bits per byte by at most one token's share.
    """
    whole = len(text.encode("utf-8"))
    return whole - len(first_token.encode("utf-8")) if text.startswith(first_token) else whole


def strided_likelihood(
    ids: Sequence[int],
    logits_of: LogitsOf,
    *,
    window: int,
    stride: int,
    utf8_bytes: int,
    progress: Progress | None = None,
) -> TextLikelihood:
    """-Σ log p(token | the tokens before it in its window), in nats; ``progress`` counts tokens.

    DataError for fewer than two tokens.
    """
    if len(ids) < 2:
        raise DataError("the text is empty or a single token", next_step="give a text file with some pages")
    blocks: list[tuple[float, int]] = []
    scored = 1  # the first token has no context
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        blocks.append((_window_nats(ids[begin:end], scored - begin, logits_of), end - scored))
        scored = end
        if progress:
            progress(end, len(ids))
        if end == len(ids):
            break
    return TextLikelihood(
        nll_nats=math.fsum(nats for nats, _ in blocks),
        tokens=len(ids),
        scored_tokens=len(ids) - 1,
        utf8_bytes=utf8_bytes,
        window=window,
        stride=stride,
        blocks=tuple(blocks),
    )


def _window_nats(ids: Sequence[int], first: int, logits_of: LogitsOf) -> float:
    """Negative log-likelihood of ``ids[first:]``. The last token is not an input: nothing of the window follows it."""
    total = 0.0
    for offset, logits in logits_of(ids[:-1]):
        skip = max(first - 1 - offset, 0)
        targets = np.asarray(ids[offset + skip + 1 : offset + len(logits) + 1], dtype=np.int64)
        if len(targets):
            total -= float(log_softmax(logits[skip:])[np.arange(len(targets)), targets].sum())
    return total


def text_metrics(likelihood: TextLikelihood) -> dict[str, Measurement]:
    """perplexity = exp(nats / scored tokens); bits_per_byte = nats / (ln 2 · bytes of the scored text).

    Intervals: bootstrap over windows of the mean nats per token (tokens of one window are not independent), None below
    3 windows. That of bits_per_byte takes the text's tokens per byte as given. Null with a reason when the perplexity
    is too large for a float, or no byte was scored.
    """
    mean, n = likelihood.nll_nats / likelihood.scored_tokens, likelihood.scored_tokens
    blocks = np.asarray(likelihood.blocks, dtype=np.float64)
    interval = bootstrap_of_sums(blocks, lambda sums: sums[:, 0] / sums[:, 1])
    return {
        "perplexity": _perplexity(mean, n, interval),
        "bits_per_byte": _bits_per_byte(likelihood, mean, interval),
    }


def _perplexity(mean: float, n: int, interval: tuple[float, float] | None) -> Measurement:
    if max(mean, *(interval or (mean,))) > LARGEST_EXPONENT:
        return not_measured("perplexity", f"{mean:.0f} nats per token: the model assigns the text no probability")
    ends = (math.exp(interval[0]), math.exp(interval[1])) if interval else None
    return measured("perplexity", math.exp(mean), n=n, interval=ends)


def _bits_per_byte(likelihood: TextLikelihood, mean: float, interval: tuple[float, float] | None) -> Measurement:
    if likelihood.utf8_bytes < 1:
        return not_measured("bits_per_byte", "the scored text has no bytes")
    scale = likelihood.scored_tokens / (math.log(2) * likelihood.utf8_bytes)
    ends = (interval[0] * scale, interval[1] * scale) if interval else None
    return measured("bits_per_byte", mean * scale, n=likelihood.utf8_bytes, interval=ends)


def not_measured_text(reason: str) -> dict[str, Measurement]:
    """Both metrics of a text, null with ``reason``."""
    return {name: not_measured(name, reason) for name in ("perplexity", "bits_per_byte")}
