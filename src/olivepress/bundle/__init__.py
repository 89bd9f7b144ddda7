"""Artifacts for devices elsewhere: packed here, measured there, and their reports imported here again."""

from __future__ import annotations

from olivepress.bundle.device import bench_bundle, open_bundle
from olivepress.bundle.pack import Packed, bundle_artifact, bundle_plan
from olivepress.bundle.receive import ImportedReport, import_report, is_device_report

__all__ = [
    "ImportedReport",
    "Packed",
    "bench_bundle",
    "bundle_artifact",
    "bundle_plan",
    "import_report",
    "is_device_report",
    "open_bundle",
]
