"""What fine-tuning bought, and how much of it an artifact kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from olivepress.report.measurement import Measurement, measured, not_measured
from olivepress.stats.intervals import paired_difference, resampled_sums

__all__ = ["gain_retained"]

MIN_GAIN = 0.01  # below one point of exact match there is no gain to take a share of


def gain_retained(
    base: Mapping[str, bool] | None,
    tuned: Mapping[str, bool] | None,
    own: Mapping[str, bool] | None,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> Measurement:
    """(own - base) / (tuned - base) in exact match, on the examples that all three answered (id → correct).

    The interval resamples whole examples, the same for all three (paired percentile bootstrap, 95 %); it is left out
    when the gain vanishes in more than 1 % of the resamples. Where artifact and parent differ in no example,
    resampling knows no spread: then it is Newcombe's interval of own - tuned over the gain. Null without a base, a
    tuned parent or a gain.
    """
    if base is None or tuned is None or own is None:
        return not_measured("gain_retained", "the base and the fine-tuned model were not measured beside it")
    ids = sorted(base.keys() & tuned.keys() & own.keys())
    if not ids:
        return not_measured("gain_retained", "base, fine-tuned model and artifact share no example")
    rights = np.asarray([[base[i], tuned[i], own[i]] for i in ids], dtype=np.float64)
    zero, full, kept = rights.mean(axis=0)
    if full - zero < MIN_GAIN:
        return not_measured("gain_retained", f"fine-tuning gained {100 * (full - zero):.1f} points: no gain to retain")
    share, gain = float((kept - zero) / (full - zero)), float(full - zero)
    if (rights[:, 1] == rights[:, 2]).all():
        hits = int(rights[:, 1].sum())
        low, high = paired_difference(hits, 0, 0, len(ids) - hits)
        return measured("gain_retained", share, n=len(ids), interval=(1 + low / gain, 1 + high / gain))
    means = resampled_sums(rights, resamples=resamples, seed=seed) / len(ids)
    gains = means[:, 1] - means[:, 0]
    there = gains >= MIN_GAIN
    shares = (means[there, 2] - means[there, 0]) / gains[there]
    interval = None
    if len(shares) >= 0.99 * resamples:
        low, high = np.quantile(shares, [0.025, 0.975])
        interval = (float(low), float(high))
    return measured("gain_retained", share, n=len(ids), interval=interval)
