"""Groups of weights: as wide as asked for and as the model's matrices allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.catalog import families, targets
from olivepress.catalog.groups import group_size, with_group_sizes
from olivepress.core.errors import RecipeError
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.render import render_files

CONFIGS = {name: facts.config for family in families().values() for name, facts in family.models.items()}


@pytest.mark.parametrize(
    ("model", "most", "size"),
    [
        ("microsoft/Phi-4-mini-instruct", 256, 256),
        ("microsoft/Phi-4-mini-instruct", 128, 128),
        ("Qwen/Qwen2.5-0.5B-Instruct", 256, 128),  # 896 = 7 x 128
        ("google/gemma-3-1b-it", 256, 128),  # 1152 = 9 x 128, and heads of 256
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 128, 64),  # 576 = 9 x 64
    ],
)
def test_the_widest_group_that_divides_every_row(model: str, most: int, size: int) -> None:
    assert group_size(CONFIGS[model], most) == size


def test_the_inputs_of_the_output_projection_count() -> None:
    wide = {"hidden_size": 1024, "intermediate_size": 2048, "num_attention_heads": 7, "head_dim": 32}
    assert group_size(wide, 256) == 32


def test_a_width_that_nothing_divides_is_refused() -> None:
    odd = {"hidden_size": 1020, "intermediate_size": 2048, "num_attention_heads": 4}
    with pytest.raises(RecipeError, match=r"1020, 2048, 1020 wide.*next: take targets that quantize nothing"):
        group_size(odd, 256)


@pytest.mark.parametrize("name", CONFIGS)
def test_no_group_of_a_catalog_target_is_left_open(name: str) -> None:
    for target in targets().values():
        passes = with_group_sizes(target.passes, CONFIGS[name])
        sizes = {key: value for one in passes.values() for key, value in one.items()
                 if key in ("group_size", "int4_block_size")}  # fmt: skip
        assert all(isinstance(size, int) for size in sizes.values()), target.target


def test_a_recipe_shows_the_size(project: Path) -> None:
    (text,) = (text for path, text in render_files(load_plan("smollm")).items() if path.stem == "export-cpu-int4")
    assert "group_size: 64\n" in text and "int4_block_size: 64\n" in text
