"""Exit codes for a pipeline: worse, not worse, or it cannot be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from olivepress.compare.gate import EXIT, gate
from olivepress.compare.load import Loaded
from olivepress.core.errors import UsageError
from olivepress.report.examples import Scores

from .test_decide import LAPTOP, artifact
from .test_verdicts import IDS

BEFORE = artifact("cpu-int4", right=380, rate=100, size=2e8)


def test_the_exit_codes() -> None:
    assert EXIT == {"pass": 0, "worse": 1, "cannot tell": 2}


def test_the_same_passes_and_better_passes() -> None:
    assert gate([BEFORE], [BEFORE]).result == "pass"
    assert gate([artifact("cpu-int4", right=395, rate=150, size=1e8)], [BEFORE]).result == "pass"


@pytest.mark.parametrize(("right", "rate", "size"), [(340, 100, 2e8), (380, 80, 2e8), (380, 100, 4e8)])
def test_worse_in_one_metric_is_worse(right: int, rate: float, size: float) -> None:
    found = gate([artifact("cpu-int4", right=right, rate=rate, size=size)], [BEFORE])
    assert found.result == "worse" and all("worse" in reason for reason in found.reasons)


def test_too_few_examples_cannot_tell() -> None:
    """20 equal pairs do not exclude a loss of 5 points."""

    def few(item: Loaded) -> Loaded:
        assert item.scores is not None
        values = {name: np.asarray(column[:20]) for name, column in item.scores.values.items()}
        return replace(item, scores=Scores(ids=IDS[:20], values=values))

    found = gate([few(BEFORE)], [few(BEFORE)])
    assert found.result == "cannot tell" and "is not excluded (n=20)" in found.reasons[0]


def test_what_has_no_counterpart_cannot_tell() -> None:
    other = artifact("cpu-int4", right=380, rate=100, size=2e8, machine=LAPTOP)
    found = gate([BEFORE, other], [BEFORE])
    assert found.result == "cannot tell" and "not in the baseline" in found.reasons[0]
    found = gate([other], [BEFORE])
    assert found.result == "cannot tell" and "no report has a counterpart" in found.reasons[-1]
    with pytest.raises(UsageError, match="twice in the baseline"):
        gate([BEFORE], [BEFORE, artifact("cpu-int4", right=1, rate=1, size=1)])


def test_other_data_cannot_tell() -> None:
    data = BEFORE.report.dataset.model_copy(update={"version": "cd" * 32})  # type: ignore[union-attr]
    now = replace(BEFORE, report=BEFORE.report.model_copy(update={"dataset": data}))
    found = gate([now], [BEFORE])
    assert found.result == "cannot tell" and "different data" in found.reasons[0]
