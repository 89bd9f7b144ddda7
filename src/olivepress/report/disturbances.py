"""What disturbed a measurement: other programs, the hypervisor, heat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from olivepress.report.device_report import ProcessSample

__all__ = ["disturbances", "is_busy"]

OTHER_LOAD, STEAL = 0.10, 0.05  # of the cores' time; a report warns of more


def is_busy(processes: Sequence[ProcessSample]) -> bool:
    """Whether other programs or the hypervisor took more of the cores than a report accepts without a warning."""
    other = [p.conditions.other_load for p in processes if p.conditions.other_load is not None]
    steal = [p.conditions.steal for p in processes if p.conditions.steal is not None]
    return _median(other) > OTHER_LOAD or _median(steal) > STEAL


def _median(shares: Sequence[float]) -> float:
    return float(np.median(shares)) if shares else 0.0


def disturbances(processes: Sequence[ProcessSample]) -> list[str]:
    """One sentence for each disturbance, by the medians over the measuring processes."""
    sentences = []
    other = [p.conditions.other_load for p in processes if p.conditions.other_load is not None]
    if _median(other) > OTHER_LOAD:
        sentences.append(f"other programs used {100 * _median(other):.0f} % of the cores during the measurement")
    steal = [p.conditions.steal for p in processes if p.conditions.steal is not None]
    if _median(steal) > STEAL:
        sentences.append(f"the hypervisor took {100 * _median(steal):.0f} % of the cores during the measurement")
    throttled = sum(p.conditions.throttled or 0 for p in processes)
    if throttled:
        sentences.append(f"the processor throttled {throttled} times because of heat")
    return sentences
