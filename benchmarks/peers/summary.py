"""From rounds to figures: medians with intervals, ratios paired by round, and what the goals say to them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olivepress.stats.intervals import bootstrap_median

__all__ = ["GOALS", "Goal", "goal_row", "median", "paired_ratio", "share_of_bandwidth"]

Figure = dict[str, Any]  # value, n, ci_low, ci_high, or value None with a reason


def median(values: Sequence[float]) -> Figure:
    """Median, its bootstrap interval (95 %; none below 3 values), and n."""
    if not values:
        return {"value": None, "reason": "not measured"}
    interval = bootstrap_median(values)
    ends = {"ci_low": interval[0], "ci_high": interval[1]} if interval else {}
    return {"value": statistics.median(values), "n": len(values), **ends}


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """Median over rounds of ours / theirs in the same round."""
    return median([one / other for one, other in zip(ours, theirs, strict=True)])


def share_of_bandwidth(decode_tps: Sequence[float], read_bytes: int | str, read_bytes_per_s: float) -> Figure:
    """Bytes of weights that a token reads x tokens per second, of what the machine can read."""
    if isinstance(read_bytes, str):
        return {"value": None, "reason": read_bytes}
    return median([rate * read_bytes / read_bytes_per_s for rate in decode_tps])


@dataclass(frozen=True, kw_only=True)
class Goal:
    """``metric`` of ours is at least ``times`` that of ``peer`` (of the ceiling where ``peer`` is None)."""

    title: str
    metric: str
    peer: str | None
    times: float


GOALS = (
    Goal(title="decode against llama.cpp Q4_0", metric="decode_tps", peer="llama-q4_0", times=1.3),
    Goal(title="decode against llama.cpp Q4_K_M", metric="decode_tps", peer="llama-q4_k_m", times=1.0),
    Goal(title="prefill against OpenVINO GenAI int4", metric="prefill_tps", peer="openvino-int4", times=1.0),
    Goal(title="decode against stock Olive", metric="decode_tps", peer="olive-int4", times=2.0),
    Goal(title="prefill against stock Olive", metric="prefill_tps", peer="olive-int4", times=2.0),
    Goal(title="decode, share of the measured read bandwidth", metric="bandwidth_share", peer=None, times=0.6),
)


def goal_row(goal: Goal, ours: Mapping[str, Any] | None, peer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Ratio (or share), and the verdict: met or missed when the whole interval is on one side, else unclear.

    ``ours`` and ``peer`` hold each metric's ``rounds``. Not measured on either side: no verdict, with the reason.
    """
    row: dict[str, Any] = {"goal": goal.title, "at_least": goal.times}
    if ours is None or (goal.peer is not None and peer is None):
        missing = "ours" if ours is None else goal.peer
        return row | {"ratio": {"value": None, "reason": f"{missing}: not measured"}, "verdict": "not measured"}
    if goal.peer is None:
        ratio = ours[goal.metric]
    else:
        assert peer is not None
        ratio = paired_ratio(ours["rounds"][goal.metric], peer["rounds"][goal.metric])
    return row | {"ratio": ratio, "verdict": verdict(ratio, goal.times)}


def verdict(ratio: Mapping[str, Any], least: float) -> str:
    """met, missed, or cannot tell where the interval holds the goal."""
    if ratio.get("value") is None:
        return "not measured"
    low, high = ratio.get("ci_low", ratio["value"]), ratio.get("ci_high", ratio["value"])
    return "met" if low >= least else "missed" if high < least else "cannot tell"


def no_worse(ours: Mapping[str, Any], peer: Mapping[str, Any]) -> str:
    """Whether the divergence is no larger: yes, no, or not measured (two point values on the same texts)."""
    if ours.get("value") is None or peer.get("value") is None:
        return "not measured"
    return "yes" if ours["value"] <= peer["value"] else "no"
