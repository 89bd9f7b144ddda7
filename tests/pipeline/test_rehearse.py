"""What a rehearsal leaves out of a recipe: all that its few rows and random weights have no use for."""

from __future__ import annotations

from pathlib import Path

from olivepress.pipeline.rehearse import rehearsal_recipe
from olivepress.recipe.finetune import Finetune, Monitor
from olivepress.recipe.schema import load_recipe


def test_weights_of_labels_that_its_few_rows_may_lack(project: Path) -> None:
    recipe = load_recipe(Path("recipes/tiny-phi.yaml"))
    weighted = recipe.finetune.model_copy(update={"label_weights": {"lamp": 2.0}})
    small = rehearsal_recipe(recipe.model_copy(update={"finetune": weighted}))
    assert small.finetune.label_weights == {} and small.finetune.loss is None


def test_what_its_few_steps_of_one_row_have_no_room_for(project: Path) -> None:
    recipe = load_recipe(Path("recipes/tiny-phi.yaml"))
    fields = recipe.finetune.model_dump() | {"gpus": 2, "batch_size": 4, "monitor": Monitor(every=50)}
    small = rehearsal_recipe(recipe.model_copy(update={"finetune": Finetune.model_validate(fields)}))
    assert (small.finetune.gpus, small.finetune.batch_size, small.finetune.monitor) == (1, 1, None)
    pairs = Finetune(method="dpo", start_from="tickets")
    assert rehearsal_recipe(recipe.model_copy(update={"finetune": pairs})).finetune.start_from is None
