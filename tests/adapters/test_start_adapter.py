"""The adapter that a preference tuning starts from: where it is, and what is refused before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.adapters.start_adapter import adapter_sha256, check_start, start_adapter
from olivepress.core.errors import AdapterError, RecipeError
from olivepress.recipe.schema import Recipe
from tests.ui.project import write_artifact

BASE = "models/base"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def adapter(folder: str, **config: Any) -> Path:
    path = Path(folder)
    path.mkdir(parents=True)
    (path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8} | config))
    (path / "adapter_model.safetensors").write_bytes(b"weights")
    return path


def recipe(start: str | None, name: str = "second") -> Recipe:
    finetune = {"method": "dpo", **({"start_from": start} if start else {})}
    data, targets = {"source": "pairs"}, ("cpu-int4",)
    return Recipe.model_validate(
        {"name": name, "model": {"path": BASE}, "data": data, "finetune": finetune, "targets": targets}
    )


@pytest.mark.parametrize("start", ["first", "runs/first/finetune", "runs/first/finetune/adapter"])
def test_a_recipe_an_artifact_and_a_folder(start: str) -> None:
    folder = adapter("runs/first/finetune/adapter")
    found = start_adapter(start)
    assert found.folder == folder and found.record == {"path": folder.as_posix(), "sha256": adapter_sha256(folder)}
    check_start(recipe(start), BASE)


def test_the_hash_is_of_weights_and_config() -> None:
    first = adapter_sha256(adapter("a"))
    assert adapter_sha256(adapter("b")) == first != adapter_sha256(adapter("c", r=8))


def test_none_is_asked_for() -> None:
    check_start(recipe(None), BASE)


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ("missing", "expected a recipe with a finished adapter, or the folder of one; next: olivepress run missing"),
        ("../outside", "lies outside of the project"),
        ("dora", "a DoRA adapter, expected LoRA"),
        ("loha", "a LOHA adapter, expected LoRA"),
        ("second", "the adapter that this recipe itself makes"),
        ("broken", "not the config of a PEFT adapter"),
        ("pissa", "changed the base's weights before training"),
    ],
)
def test_what_cannot_be_started_from(here: Path, monkeypatch: pytest.MonkeyPatch, start: str, problem: str) -> None:
    adapter("outside")
    adapter("project/dora", use_dora=True)
    adapter("project/loha", peft_type="LOHA")
    adapter("project/pissa", init_lora_weights="pissa")
    adapter("project/runs/second/finetune/adapter")
    (adapter("project/broken") / "adapter_config.json").write_text("{")
    monkeypatch.chdir(here / "project")
    with pytest.raises((RecipeError, AdapterError)) as error:
        check_start(recipe(start), BASE)
    assert problem in str(error.value)


def test_an_adapter_of_another_model(here: Path) -> None:
    adapter("runs/lamps/finetune/adapter")
    write_artifact("finetune", base_model="models/other", target=None, parent=None)
    with pytest.raises(RecipeError, match=r"trained on models/other, expected an adapter of models/base"):
        check_start(recipe("lamps"), BASE)
    write_artifact("finetune", base_model="base", target=None, parent=None)  # of an absolute path its name is recorded
    check_start(recipe("lamps"), "/somewhere/base")
