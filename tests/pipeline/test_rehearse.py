"""What a rehearsal leaves out of a recipe: all that its few rows and random weights have no use for."""

from __future__ import annotations

from pathlib import Path

from olivepress.pipeline.rehearse import rehearsal_recipe
from olivepress.recipe.schema import load_recipe


def test_weights_of_labels_that_its_few_rows_may_lack(project: Path) -> None:
    recipe = load_recipe(Path("recipes/tiny-phi.yaml"))
    weighted = recipe.finetune.model_copy(update={"label_weights": {"lamp": 2.0}})
    small = rehearsal_recipe(recipe.model_copy(update={"finetune": weighted}))
    assert small.finetune.label_weights == {} and small.finetune.loss is None
