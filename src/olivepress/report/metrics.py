"""Imports every module that declares metrics, in the order in which tables list them."""

from __future__ import annotations

# isort: off
from olivepress.report import exact_metrics as exact_metrics
from olivepress.report import label_metrics as label_metrics
from olivepress.report import text_metrics as text_metrics
from olivepress.report import fidelity_metrics as fidelity_metrics
from olivepress.report import latency_metrics as latency_metrics
from olivepress.report import cost_metrics as cost_metrics
# isort: on

__all__: list[str] = []
