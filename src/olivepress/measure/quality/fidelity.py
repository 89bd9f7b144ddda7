"""Divergence of an exported model from its PyTorch parent on the same tokens (see ``reference.write_reference``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from olivepress.core.errors import JobError
from olivepress.core.progress import Progress
from olivepress.measure.quality.reference_file import Reference, read_reference
from olivepress.report.device_report import Measurement, measured, not_measured
from olivepress.report.registry import in_group
from olivepress.runtimes.base import LanguageModel, teacher_forced
from olivepress.runtimes.chat_template.model_config import context_length
from olivepress.runtimes.open import open_model
from olivepress.stats.intervals import bootstrap_median, bootstrap_of_sums, cluster_mean

__all__ = [
    "ANSWER_METRICS",
    "divergence",
    "fidelity",
    "first_divergence",
    "kl_top",
    "log_softmax",
    "shift_sums",
]

NO_BASE_LOGITS = "the base's full logits are kept on the build machine"
NO_LOGITS = "the parent's full logits are kept on the build machine; here only its top 256 log-probabilities are known"
ADAPTER_METRICS = ("adapter_kept", "adapter_noise")
ANSWER_METRICS = ("kl_answer", "kl_per_answer", "kl_prompt", "kl_top256_answer", "top1_answer")


@dataclass(kw_only=True)
class _Prompt:
    """One prompt, the unit of the bootstrap; arrays have one value per kept position.

    ``answer``: whether a position predicts a token of an answer; ``start``: the kept position that predicts the first
    token of the last answer. ``kl`` in nats stays empty without the parent's full logits, ``shift`` (see
    ``shift_sums``) is None without the base's.
    """

    answer: np.ndarray
    start: int
    kl: np.ndarray = field(default_factory=lambda: np.zeros(0))
    kl_top: np.ndarray = field(default_factory=lambda: np.zeros(0))
    agree: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    shift: np.ndarray | None = None
    worst: float = 0.0


def fidelity(
    model_dir: Path, reference_dir: Path, *, model: LanguageModel | None = None, progress: Progress | None = None
) -> dict[str, Measurement]:
    """Teacher-forced divergence of an exported model from its parent, every metric of the group ``fidelity``.

    Without the parent's full logits (``logits-*.npy``) only the top-256 divergences, the agreements and
    first_divergence have values; without ``base-*.npy`` the adapter metrics have none; without known answers in the
    reference the answer metrics have none. Intervals resample whole prompts. Prompts that exceed the model's context
    are left out. JobError when the vocabularies differ, the model does not return logits for all positions, or they
    are not finite.
    """
    reference = read_reference(reference_dir)
    model = model or open_model(model_dir)
    if model.vocabulary < reference.vocab_size:
        raise JobError(
            f"{model_dir}: a vocabulary of {model.vocabulary} tokens, its parent has {reference.vocab_size}",
            next_step="export the model again",
        )
    prompts, start, context = list[_Prompt](), 0, context_length(model_dir)
    for index, ids in enumerate(reference.prompts):
        end = start + len(ids) - int(reference.firsts[index])
        if context is None or len(ids) <= context:
            prompts.append(_compare_prompt(model, reference, index, slice(start, end)))
        start = end
        if progress:
            progress(index + 1, len(reference.prompts))
    if not prompts:
        raise JobError(f"{model_dir}: every prompt of {reference_dir} exceeds its context of {context} tokens")
    return _measurements(prompts) | _adapter(prompts)


def _compare_prompt(model: LanguageModel, reference: Reference, index: int, lines: slice) -> _Prompt:
    """Compare one prompt of the reference; ``lines`` are its kept positions among those of all prompts."""
    parent, base = reference.logits(index), reference.base_logits(index)
    first, answer = int(reference.firsts[index]), reference.supervised[lines]
    # An adapter is trained for answers; where no answer is known, all positions count.
    shifted = answer if reference.supervised.any() else np.ones_like(answer)
    prompt = _Prompt(answer=answer, start=int(reference.starts[index]) - first)
    for offset, block in teacher_forced(model, reference.prompts[index].tolist()):
        logits = block[max(first - offset, 0) :, : reference.vocab_size]
        at = max(offset - first, 0)
        if len(logits):
            rows = slice(lines.start + at, lines.start + at + len(logits))
            parent_rows, base_rows = _rows(parent, at, len(logits)), _rows(base, at, len(logits))
            _compare(prompt, logits, parent_rows, base_rows, reference, rows, shifted[at : at + len(logits)])
    return prompt


def _rows(full: np.ndarray | None, offset: int, count: int) -> np.ndarray | None:
    """``count`` rows of full logits as float64; None without them."""
    return None if full is None else np.asarray(full[offset : offset + count], dtype=np.float64)


def _compare(
    prompt: _Prompt,
    logits: np.ndarray,
    parent: np.ndarray | None,
    base: np.ndarray | None,
    reference: Reference,
    rows: slice,
    shifted: np.ndarray,
) -> None:
    """Add a block of logits [rows, vocabulary] to the arrays of ``prompt``; ``shifted`` marks rows for the adapter."""
    logq = log_softmax(logits)
    top = kl_top(logq, reference.top_ids[rows], reference.top_logprobs[rows], reference.tail_mass[rows])
    prompt.kl_top = np.concatenate([prompt.kl_top, top])
    prompt.agree = np.concatenate([prompt.agree, logits.argmax(axis=1) == reference.top_ids[rows, 0]])
    if parent is None:
        return
    prompt.worst = max(prompt.worst, float(np.abs(parent - logits).max()))
    prompt.kl = np.concatenate([prompt.kl, divergence(log_softmax(parent), logq)])
    if base is not None and shifted.any():
        sums = shift_sums(base[shifted], parent[shifted], logits[shifted])
        prompt.shift = sums if prompt.shift is None else prompt.shift + sums


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """log softmax over the last axis, float64, shifted by the maximum."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def divergence(logp: np.ndarray, logq: np.ndarray) -> np.ndarray:
    """KL(p || q) = Σ p (log p - log q) in nats per row (Kullback, Leibler 1951); clipped at 0 against rounding."""
    return np.asarray(np.maximum((np.exp(logp) * (logp - logq)).sum(axis=-1), 0.0))


def kl_top(logq: np.ndarray, ids: np.ndarray, logp: np.ndarray, tail_p: np.ndarray) -> np.ndarray:
    """KL in nats per row over the parent's top tokens plus one bucket for the rest.

    Merging outcomes cannot raise a divergence (data processing inequality), so this bounds the full KL from below
    (up to the float32 rounding of the stored log-probabilities, about 1e-8 nats).
    """
    top_q = np.take_along_axis(logq, ids.astype(np.int64), axis=1)
    tail_q = np.clip(1.0 - np.exp(top_q).sum(axis=1), 1e-12, 1.0)
    inside = (np.exp(logp) * (logp - top_q)).sum(axis=1)
    # Below 1e-6 the parent's tail is rounding of its float32 sums, not probability.
    tail = np.where(tail_p > 1e-6, tail_p * np.log(np.maximum(tail_p, 1e-12) / tail_q), 0.0)
    return np.asarray(np.maximum(inside + tail, 0.0))


def shift_sums(base: np.ndarray, parent: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """[Σ (q−b)·(p−b), Σ (p−b)², Σ (q−p)²] over rows and vocabulary of logits: base b, tuned parent p, export q.

    Each row is centred first. Softmax is invariant to a constant added to a row, and centring removes it from logits
    and log-probabilities alike, with the same result. Without it, each row's log Z, which any noise raises, would enter
    every log-probability and count noise as shift.
    """
    shift, actual = parent - base, ours - base
    shift -= shift.mean(axis=1, keepdims=True)
    actual -= actual.mean(axis=1, keepdims=True)
    return np.asarray([(actual * shift).sum(), (shift**2).sum(), ((actual - shift) ** 2).sum()])


def _adapter(prompts: Sequence[_Prompt]) -> dict[str, Measurement]:
    """How much of the adapter's shift the export retains, over the answers; see ``shift_sums`` for the letters.

    adapter_kept = Σ (q−b)·(p−b) / Σ (p−b)² is the least-squares factor of the shift in the export: 1 when it is
    complete, 0 when it is lost. Quantization adds noise n, q = p + n; where n is not aligned with the shift, their
    product is zero on average, so noise widens the spread and leaves the value. Its size is
    adapter_noise = |q−p| / |p−b|: a random direction in d dimensions is aligned with the shift by about 1/√d, which
    moves the value by adapter_noise/√d.
    """
    shifts = [prompt.shift for prompt in prompts if prompt.shift is not None]
    sums = np.stack(shifts) if shifts else np.zeros((0, 3))
    if sums[:, 1].sum() == 0.0:
        reason = "the adapter changes nothing on these prompts" if len(sums) else NO_BASE_LOGITS
        return {name: not_measured(name, reason) for name in ADAPTER_METRICS}
    answers = sum(int(prompt.answer.sum()) for prompt in prompts)
    n = answers or sum(len(prompt.agree) for prompt in prompts)

    def measurement(name: str, estimate: Callable[[np.ndarray], np.ndarray]) -> Measurement:
        value = float(estimate(sums.sum(axis=0, keepdims=True))[0])
        return measured(name, value, n=n, interval=bootstrap_of_sums(sums, estimate))

    return {
        "adapter_kept": measurement("adapter_kept", lambda s: s[:, 0] / s[:, 1]),
        "adapter_noise": measurement("adapter_noise", lambda s: np.sqrt(s[:, 2] / s[:, 1])),
    }


def _median_interval(parts: list[np.ndarray], *, resamples: int = 500, seed: int = 0) -> tuple[float, float] | None:
    """Percentile bootstrap of the median over all tokens that resamples whole prompts; None below 3 prompts."""
    if len(parts) < 3:
        return None
    rng = np.random.default_rng(seed)
    picks = (rng.integers(0, len(parts), len(parts)) for _ in range(resamples))
    medians = [float(np.median(np.concatenate([parts[i] for i in pick]))) for pick in picks]
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def first_divergence(agree: np.ndarray) -> int:
    """Number of tokens of an answer before the first disagreement; all of them when there is none."""
    return len(agree) if agree.all() else int(np.argmin(agree))


def _measurements(prompts: Sequence[_Prompt]) -> dict[str, Measurement]:
    agree, top = [prompt.agree for prompt in prompts], [prompt.kl_top for prompt in prompts]
    answers = [prompt.answer for prompt in prompts]
    metrics = {
        "kl_top256": _mean("kl_top256", top),
        "kl_top256_answer": _mean("kl_top256_answer", top, answers),
        "top1_agreement": _mean("top1_agreement", agree),
        "top1_answer": _mean("top1_answer", agree, answers),
        "first_divergence": _first_divergences(prompts),
    }
    if all(len(prompt.kl) for prompt in prompts):
        parts = [prompt.kl for prompt in prompts]
        kl = np.concatenate(parts)
        metrics["kl_divergence"] = _mean("kl_divergence", parts)
        metrics["kl_answer"] = _mean("kl_answer", parts, answers)
        metrics["kl_per_answer"] = _per_answer(prompts)
        metrics["kl_prompt"] = _mean("kl_prompt", parts, [~answer for answer in answers])
        metrics["kl_p50"] = measured("kl_p50", float(np.median(kl)), n=len(kl), interval=_median_interval(parts))
        metrics["kl_p999"] = measured("kl_p999", float(np.quantile(kl, 0.999)), n=len(kl))
        metrics["max_abs_logit_diff"] = measured(
            "max_abs_logit_diff", max(prompt.worst for prompt in prompts), n=len(kl)
        )
    names = [name for name in in_group("fidelity") if name not in ADAPTER_METRICS]
    return {name: metrics.get(name) or not_measured(name, NO_LOGITS) for name in names}


def _first_divergences(prompts: Sequence[_Prompt]) -> Measurement:
    """The median over the answers; prompts that were cut before their answer have none."""
    answers = [prompt.agree[prompt.start :] for prompt in prompts if 0 <= prompt.start < len(prompt.agree)]
    tokens = [first_divergence(answer) for answer in answers]
    if not tokens:
        return not_measured("first_divergence", "the reference's prompts end before their answers")
    return measured("first_divergence", float(np.median(tokens)), n=len(tokens), interval=bootstrap_median(tokens))


def _per_answer(prompts: Sequence[_Prompt]) -> Measurement:
    """Of each prompt's last answer the sum over its tokens; their mean."""
    sums = [
        float(prompt.kl[prompt.start :][prompt.answer[prompt.start :]].sum()) for prompt in prompts if _ends(prompt)
    ]
    if not sums:
        return not_measured("kl_per_answer", "the reference has no answer tokens")
    return measured("kl_per_answer", sum(sums) / len(sums), n=len(sums), interval=cluster_mean(sums, [1] * len(sums)))


def _ends(prompt: _Prompt) -> bool:
    """Whether the prompt has tokens of its last answer; one that was cut before it has none."""
    return 0 <= prompt.start < len(prompt.answer) and bool(prompt.answer[prompt.start :].any())


def _mean(name: str, parts: Sequence[np.ndarray], among: Sequence[np.ndarray] | None = None) -> Measurement:
    """Mean over all tokens, or over those marked by ``among``; the interval resamples whole prompts."""
    if among is not None:
        parts = [part[mask] for part, mask in zip(parts, among, strict=True) if mask.any()]
    sums, counts = [float(part.sum()) for part in parts], [len(part) for part in parts]
    if not counts:
        kind = "prompt" if name == "kl_prompt" else "answer"
        return not_measured(name, f"the reference has no {kind} tokens")
    return measured(name, sum(sums) / sum(counts), n=sum(counts), interval=cluster_mean(sums, counts))
