"""What the check of ``olivepress run`` measured on validation rows, next to what the test rows show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["checked", "checks_table"]

Check = Mapping[str, Any]
ENDS = ("ci_low", "ci_high")


def checked(output: str, job: str) -> dict[str, Any] | None:
    """From ``olivepress run --json``: divergence of the answers and the verdict by the task; None if nothing was
    compared."""
    try:
        outcomes = json.loads(output)
    except ValueError:  # it stopped before the job began
        return None
    checks: dict[str, Check] = {
        check["name"]: check for outcome in outcomes if outcome["job"] == job for check in outcome["checks"]
    }
    if "kl_answer" not in checks:
        return None
    task = checks.get("keeps_task", {}).get("task") or {}
    return {
        "kl_answer": checks["kl_answer"]["value"], "kl_interval": [checks["kl_answer"][end] for end in ENDS],
        "top1_answer": checks["top1_answer"]["value"], "verdict": task.get("call"), "rows": task.get("rows"),
        "difference": task.get("difference"), "interval": [task.get(end) for end in ENDS],
    }  # fmt: skip


def checks_table(record: Mapping[str, Any]) -> list[str]:
    """A line for each export that was compared, by its divergence: what the limits and the margin are judged by."""
    lines: list[tuple[float, str]] = []
    for task in record["tasks"].values():
        for name, subject in task["subjects"].items():
            for number, check in enumerate(subject.get("checks", [])):
                if check is not None:
                    lost = subject["seed_differences"][number]
                    cells = [
                        record["subjects"][name]["title"], task["title"], str(record["seeds"][number]),
                        f"{check['kl_answer']:.4f}", f"{check['top1_answer']:.3f}", check["verdict"] or "–",
                        _points(check["difference"], check["interval"]), _points(lost["difference"], lost["interval"]),
                        subject["states"][number],
                    ]  # fmt: skip
                    lines.append((check["kl_answer"], f"| {' | '.join(cells)} |"))
    head = [
        "| | task | seed | KL of the answers | top-1 | verdict | on validation rows, points | on test rows, points "
        "| `olivepress run` |",
        "|---|---|---:|---:|---:|---|---:|---:|---|",
    ]
    return [*head, *(line for _, line in sorted(lines))]


def _points(difference: float | None, interval: Sequence[float | None]) -> str:
    if difference is None:
        return "–"
    low, high = (100 * end for end in interval if end is not None)
    return f"{100 * difference:+.1f} ({low:+.1f} to {high:+.1f})"
