"""What disturbed a measurement: other programs, the hypervisor, heat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from olivepress.report.device_report import ProcessSample

__all__ = ["disturbances"]

OTHER_LOAD, STEAL = 0.10, 0.05  # of the cores' time; a report warns of more


def disturbances(processes: Sequence[ProcessSample]) -> list[str]:
    """One sentence for each disturbance, by the medians over the measuring processes."""
    sentences = []
    other = [p.conditions.other_load for p in processes if p.conditions.other_load is not None]
    if other and float(np.median(other)) > OTHER_LOAD:
        sentences.append(
            f"other programs used {100 * float(np.median(other)):.0f} % of the cores during the measurement"
        )
    steal = [p.conditions.steal for p in processes if p.conditions.steal is not None]
    if steal and float(np.median(steal)) > STEAL:
        sentences.append(
            f"the hypervisor took {100 * float(np.median(steal)):.0f} % of the cores during the measurement"
        )
    throttled = sum(p.conditions.throttled or 0 for p in processes)
    if throttled:
        sentences.append(f"the processor throttled {throttled} times because of heat")
    return sentences
