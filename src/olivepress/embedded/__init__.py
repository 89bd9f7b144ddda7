"""What ships inside the package so that the demo needs no network: a tiny trained Phi and three tasks."""

from __future__ import annotations

from pathlib import Path

from olivepress.embedded.demo_data import TASKS, DemoRow, answer_schema, generate

TINY_PHI: Path = Path(__file__).parent / "tiny_phi"

__all__ = ["TASKS", "TINY_PHI", "DemoRow", "answer_schema", "generate"]
