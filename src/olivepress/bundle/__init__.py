"""Artifacts for devices that are elsewhere: packed at home, measured there, and their reports taken in again."""

from __future__ import annotations

from olivepress.bundle.device import bench_bundle, open_bundle
from olivepress.bundle.pack import Packed, bundle_artifact, bundle_plan
from olivepress.bundle.receive import Arrived, import_report, is_device_report

__all__ = [
    "Arrived",
    "Packed",
    "bench_bundle",
    "bundle_artifact",
    "bundle_plan",
    "import_report",
    "is_device_report",
    "open_bundle",
]
