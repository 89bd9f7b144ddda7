"""The base model of a plan, where its files are not here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from olivepress.pipeline.plan import load_plan
from olivepress.run.base_model import model_identity


def test_without_the_hub_client_a_hub_model_is_its_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The light install compares reports and has no Hub client."""
    plan = load_plan("qwen")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    identity = model_identity(plan)
    assert identity.whole.startswith("Qwen/Qwen2.5-0.5B-Instruct@") and identity.training == identity.whole
