"""Planted truths as loaded reports: per-example outcomes and rounds by hand, without measuring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from olivepress.compare.load import Loaded
from olivepress.report.device_report import DatasetUsed, Measurement, measured
from olivepress.report.examples import CONSTANT_ANSWER, Scores
from olivepress.report.noise import noise_floor
from olivepress.stats.intervals import wilson
from tests.report.factory import make_report

NOISE = (0.2, -0.1, 0.3, -0.3, 0.1, 0.0, -0.2, 0.25, -0.15, 0.05)  # percent, around the planted rate


def outcomes(text: str) -> np.ndarray:
    """``2*1 1*0`` → [1, 1, 0]."""
    runs = [run.split("*") for run in text.split()]
    return np.concatenate([np.full(int(count), float(value), dtype=np.float32) for count, value in runs])


def rounds_of(tps: Any) -> dict[int, float]:
    if tps is None:
        return {}
    rates = tps if isinstance(tps, list) else [tps * (1 + part / 100) for part in NOISE]
    return dict(enumerate(rates))


def planted(job: str, facts: Mapping[str, Any], constant: np.ndarray | None = None, **changes: Any) -> Loaded:
    """One report: ``facts`` as a line of planted_decisions.yaml."""
    answers = outcomes(facts["answers"]) if isinstance(facts.get("answers"), str) else facts.get("answers")
    by_round = rounds_of(facts.get("tps"))
    metrics = {"size_on_disk_bytes": measured("size_on_disk_bytes", 1e6 * facts.get("size", 100), n=1)}
    metrics["exact_match"] = Measurement(unit="ratio", reason="no dataset was given")
    if answers is not None:
        hits, n = int(answers.sum()), len(answers)
        metrics["exact_match"] = measured("exact_match", hits / n, n=n, interval=wilson(hits, n))
    if by_round:
        rate = float(np.median(list(by_round.values())))
        metrics |= {"decode_tps": measured("decode_tps", rate, n=30), "ttft_ms": measured("ttft_ms", 1e3 / rate, n=30)}
    if len(by_round) > 4:
        metrics["noise_floor"] = noise_floor(list(by_round.values()))
    for key, name in (("kl", "kl_divergence"), ("gain", "gain_retained")):
        if key in facts:
            value, low, high = facts[key]
            metrics[name] = measured(name, value, n=len(answers) if answers is not None else 9, interval=(low, high))
    version = "cd" * 32 if facts.get("version") == "other" else "ab" * 32
    fields: dict[str, Any] = {
        "job": job, "metrics": metrics, "bench_session": "s", "samples": (),
        "random_weights": facts.get("random", False), "emulated": facts.get("emulated", False),
        "synthetic_data": facts.get("synthetic", False),
        "dataset": None if answers is None else DatasetUsed(
            name="lamps", version=version, split="test", n=len(answers), of=len(answers)
        ),
    }  # fmt: skip
    scores = None
    if answers is not None:
        values = {"exact_match": answers} | ({} if constant is None else {CONSTANT_ANSWER: constant})
        scores = Scores(ids=tuple(f"e{i:04d}" for i in range(len(answers))), values=values)
    times = {"decode_tps": by_round, "ttft_ms": {number: 1e3 / rate for number, rate in by_round.items()}}
    return Loaded(report=make_report(**(fields | changes)), by_round=times if by_round else {}, scores=scores)


def reports_of(case: Mapping[str, Any]) -> list[Loaded]:
    """Every report of one line of planted_decisions.yaml."""
    constant = outcomes(case["constant"]) if "constant" in case else None
    found = [planted(f"export-{name}", facts, constant) for name, facts in case["artifacts"].items()]
    for role in ("base", "few-shot"):
        if role in case:
            facts = {"answers": case[role], "version": case.get(f"{role}_version")}
            found.append(planted(role, facts, runtime="pytorch", precision="fp32"))
    return found
