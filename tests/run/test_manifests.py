"""What a manifest inherits from what its artifact was made from."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.core.artifact import Manifest, Resources
from olivepress.run import manifests
from olivepress.run.manifests import JobFacts, make_manifest
from olivepress.workflow.model import ResolvedModel
from tests.ui.project import write_artifact


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(manifests, "olive_python", lambda plan, job: None)


def made(
    kind: str = "finetune", *, start: str | None = None, model: str = "models/base", parent: Any = None
) -> Manifest:
    """The manifest of a job on real data and a real base model."""
    finetune = SimpleNamespace(seed=0, start_from=start)
    family: Any = SimpleNamespace(family="phi")
    plan: Any = SimpleNamespace(
        recipe=SimpleNamespace(name="second", finetune=finetune),
        model=ResolvedModel(path=model, facts=family, family=family, is_local=True),
        dataset=SimpleNamespace(name="tickets", version="ab" * 32, synthetic=False),
    )
    job: Any = SimpleNamespace(id=kind, kind=kind, target=None, parent="finetune" if parent else None)
    facts = JobFacts(
        key="k",
        parent=parent,
        verified="native",
        checks=(),
        files={},
        resources=Resources(seconds=1.0, peak_memory_bytes=None, peak_disk_bytes=None),
    )
    return make_manifest(plan, job, SimpleNamespace(sha256="e" * 64), facts)  # type: ignore[arg-type]


def adapter(**flags: bool) -> None:
    """A finished adapter of the recipe ``first``."""
    files = {
        "adapter/adapter_config.json": json.dumps({"peft_type": "LORA"}),
        "adapter/adapter_model.safetensors": "weights",
    }
    write_artifact("finetune", "first", files, **{"synthetic_data": False, **flags})


@pytest.mark.parametrize("start", ["first", "runs/first/finetune", "runs/first/finetune/adapter"])
@pytest.mark.parametrize("flag", ["synthetic_data", "random_weights"])
def test_an_adapter_that_is_trained_further_hands_on_what_it_was_trained_on(flag: str, start: str) -> None:
    adapter(**{flag: True})
    manifest = made(start=start)
    assert getattr(manifest, flag) is True
    other = {"synthetic_data": "random_weights", "random_weights": "synthetic_data"}[flag]
    assert getattr(manifest, other) is False


def test_what_is_made_from_it_inherits_it() -> None:
    adapter(synthetic_data=True)
    merged = made("merge", parent=made(start="first"), start="first")
    assert merged.synthetic_data and made("export", parent=merged).synthetic_data


def test_a_base_model_that_an_earlier_recipe_made_hands_it_on() -> None:
    write_artifact("merge", "first", {"model/config.json": "{}"}, synthetic_data=True)
    assert made(model="runs/first/merge/model").synthetic_data


def test_real_data_and_weights_stay_real_and_a_foreign_file_of_that_name_is_no_manifest() -> None:
    adapter()
    Path("models/base").mkdir(parents=True)
    Path("models/base/manifest.json").write_text('{"icons": []}')
    manifest = made(start="first")
    assert (manifest.synthetic_data, manifest.random_weights) == (False, False)
