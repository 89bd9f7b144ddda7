"""Recipes are read strictly; every mistake is one line with file, line, expectation and nearest key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from olivepress.core.errors import RecipeError
from olivepress.recipe.schema import Recipe, json_schema, load_recipe

GOOD = "name: mine\nmodel: {path: some/model}\ndata: {demo: short-qa}\ntargets: [cpu-int4]\n"
MULTI = """\
name: mine
model: {path: some/model}
adapter_mode: multi
adapters:
  tone: {data: {demo: phrase-tone}, finetune: {r: 4}}
  qa: {data: {demo: short-qa}, task: answers}
finetune: {r: 8, learning_rate: 1.0e-3}
targets: [cpu-int4]
"""


def test_each_adapter_is_a_recipe_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(MULTI)
    members = load_recipe(path).members()
    assert [member.name for member in members.values()] == ["mine.tone", "mine.qa"]
    assert [(m.finetune.r, m.finetune.learning_rate) for m in members.values()] == [(4, 1e-3), (8, 1e-3)]
    assert {m.adapter_mode for m in members.values()} == {"merge"} and members["qa"].description == "answers"
    assert members["tone"].data is not None and members["tone"].data.demo == "phrase-tone"


def test_defaults(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(GOOD)
    recipe = load_recipe(path)
    assert (recipe.finetune.r, recipe.adapter_mode, recipe.targets) == (16, "merge", ("cpu-int4",))


def test_a_recipe_that_travels_as_json_is_the_same_to_the_letter(tmp_path: Path) -> None:
    """A worker renders the same workflow from it: a default of 32 would be written as 32.0 there."""
    path = tmp_path / "r.yaml"
    path.write_text(GOOD)
    here = load_recipe(path)
    there = Recipe.model_validate_json(json.dumps(here.model_dump(mode="json")))
    assert here.finetune.alpha == 32 and there == here
    assert repr(there) == repr(here)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD + "finetune:\n  lerning_rate: 1.0\n", 6, "did you mean 'learning_rate'?"),
        (GOOD + "finetune:\n  learning_rate: 1e-5\n", 6, "write 1.0e-05, not 1e-5"),
        (GOOD + "finetune:\n  seed: 010\n", 6, "010 is a number to the base 8: write it in decimals"),
        (GOOD + "finetune:\n  max_steps: 1:30\n", 6, "1:30 is a number to the base 60"),
        (
            GOOD + "benchmark: {workloads: [[16, 8], [16, 8]]}\n",
            5,
            "expected each workload once, [16, 8] is there twice",
        ),
        (GOOD + "finetune:\n  r: '4'\n", 6, "expected a valid integer"),
        (GOOD + "finetune:\n  r: 0\n", 6, "greater than or equal to 1"),
        (GOOD + "name: again\n", 5, "given twice, first on line 1"),
        (GOOD + "finetune: [1]\n", 5, "expected an object"),
        (
            GOOD + "finetune: {method: lola}\n",
            5,
            "'lora', 'qlora', 'dora', 'loha', 'lokr', 'full', 'dpo' or 'orpo'",
        ),
        (GOOD + "finetune: {method: loha, lora_dropout: 0.1}\n", 5, "no lora_dropout with method loha"),
        (GOOD + "finetune: {method: lokr, lora_dropout: 0.1}\n", 5, "remove it, or use lora, qlora or dora"),
        (GOOD + "finetune: {method: qlora, target_modules: [o_proj]}\n", 5, "no target_modules with method qlora"),
        (GOOD + "foo: {a: b\n", 6, "not valid YAML"),
        (GOOD + "tragets: [x]\n", 5, "did you mean 'targets'?"),
        (GOOD.replace("demo: short-qa", "demos: short-qa"), 3, "did you mean 'demo'?"),
        (GOOD.replace("demo: short-qa", "demo: short-qa, source: x"), 3, "exactly one of the keys"),
        (GOOD + "adapter_mode: multi\n", 1, "expected with adapter_mode multi the key 'adapters'"),
        (GOOD.replace("data: {demo: short-qa}\n", ""), 1, "expected the key 'data'"),
        (GOOD + "adapters: {a: {data: {demo: short-qa}}}\n", 1, "expected adapter_mode: multi"),
        (MULTI.replace("r: 4", "rr: 4"), 5, "unknown key 'adapters.tone.finetune.rr'; did you mean 'r'?"),
        (MULTI.replace("r: 4", "r: 0"), 5, "'adapters.tone.finetune.r' is 0, expected greater than"),
        (MULTI.replace("tone:", "to/ne:"), 5, "should match pattern"),
        (MULTI.replace("tone:", "nul:"), 5, "expected a name that Windows does not reserve for a device"),
        (GOOD.replace("name: mine", "name: COM1.x"), 1, "expected a name that Windows does not reserve for a device"),
        (GOOD.replace("name: mine", "name: mine."), 1, "expected a name without a dot at its end"),
        (GOOD + "budget: {all: {min_gain_retained: 95}}\n", 5, "expected a share of at most 2, as 0.95 for 95 %"),
        (GOOD.replace("name: mine", "name: ../up"), 1, "expected String should match"),
        (GOOD + "a: \x00\n", 1, "not valid YAML"),
        ("a: &x [*x]\n", 1, "refers to itself"),
        ("", 1, "is empty"),
        ("- a\n", 1, "expected a mapping"),
        ("!!python/object/apply:os.system ['true']\n", 1, "not valid YAML"),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    message = str(caught.value)
    assert says in message
    assert "\n" not in message
    # The whole file is meant where it is empty, unreadable or refers to itself.
    assert message.startswith((f"{path}:{line}:", f"{path}: "))


def test_missing_and_binary_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        load_recipe(tmp_path / "nothing.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match=r"cannot be read as text|not valid YAML"):
        load_recipe(tmp_path / "b.yaml")


def test_json_schema_is_strict() -> None:
    schema = json.loads(json_schema())
    assert schema["additionalProperties"] is False
    assert "learning_rate" in schema["$defs"]["Finetune"]["properties"]


def test_adapters_that_are_one_folder_on_windows(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(MULTI.replace("  qa:", "  TONE:"))
    with pytest.raises(RecipeError, match=r"different names than 'tone' and 'TONE', which are one file on Windows"):
        load_recipe(path)
