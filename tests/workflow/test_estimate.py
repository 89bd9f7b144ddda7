"""What a job will take, estimated before it runs: from the widths of a model and the lengths of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from olivepress.catalog import ModelFacts, families, targets
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.recipe.schema import Finetune
from olivepress.workflow import estimate as estimates
from olivepress.workflow.estimate import (
    Need,
    Shape,
    export_memory,
    export_seconds,
    finetune_memory,
    finetune_seconds,
    need,
    needs,
    total,
)
from olivepress.workflow.machine_rates import rates_of
from olivepress.workflow.row_lengths import RowLengths, row_lengths

MODELS = {name: facts for family in families().values() for name, facts in family.models.items()}
SMOLLM2 = Shape.of(MODELS["HuggingFaceTB/SmolLM2-135M-Instruct"])
ROWS = RowLengths(rows=1000, longest=100, mean=50.0, longest_logits=100, mean_logits=50.0)
FLOAT32 = Finetune(batch_size=8, torch_dtype="float32")


@pytest.mark.parametrize("name", MODELS)
def test_widths_are_read_right(name: str) -> None:
    """Weights counted from the widths of a config are the parameters that the catalog knows from the files."""
    shape = Shape.of(MODELS[name])
    layer = 2 * shape.hidden * shape.queries + 2 * shape.hidden * shape.keys + 3 * shape.hidden * shape.inner
    heads = shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
    # A short convolution has projections of four times hidden² in place of an attention's.
    attention = 2 * shape.hidden * (shape.queries + shape.keys)
    types = list(MODELS[name].config.get("layer_types", ()))
    others = types.count("conv") * (4 * shape.hidden**2 - attention)
    if "linear_attention" in types:  # in Qwen 3.5 the queries of full attention have gates of their own size
        others += types.count("linear_attention") * (gated_delta_net(MODELS[name].config) - attention)
        others += types.count("full_attention") * shape.hidden * shape.queries
    assert shape.layers * layer + others + heads == pytest.approx(shape.parameters, rel=0.01)


def gated_delta_net(config: Mapping[str, Any]) -> int:
    """Weights of a layer of linear attention in transformers' Qwen3_5GatedDeltaNet: queries and keys, values, their
    gate and the way out, and two numbers for each head."""
    keys = config["linear_num_key_heads"] * config["linear_key_head_dim"]
    values = config["linear_num_value_heads"] * config["linear_value_head_dim"]
    return int(config["hidden_size"] * (2 * keys + 3 * values + 2 * config["linear_num_value_heads"]))


def test_logits_of_a_large_vocabulary_count() -> None:
    """Four times float32 for every token of the batch: 49,152 more tokens of vocabulary are 0.63 GB and what the
    allocator keeps."""
    wider = replace(SMOLLM2, vocabulary=2 * SMOLLM2.vocabulary)
    more = finetune_memory(wider, FLOAT32, ROWS) - finetune_memory(SMOLLM2, FLOAT32, ROWS)
    assert 1.0 <= more / (800 * 49_152 * 16) <= 1.5


def test_logits_of_prompts_do_not_count() -> None:
    answers = replace(ROWS, longest_logits=10, mean_logits=5.0)
    less = finetune_memory(SMOLLM2, FLOAT32, ROWS) - finetune_memory(SMOLLM2, FLOAT32, answers)
    assert 1.0 <= less / (8 * 90 * 49_152 * 16) <= 1.5
    share = finetune_seconds(SMOLLM2, FLOAT32, answers) / finetune_seconds(SMOLLM2, FLOAT32, ROWS)
    assert 0.79 < share < 0.85  # the head has 28 of 135 million parameters


def test_checkpointing_keeps_one_layer_only() -> None:
    kept, again = (
        finetune_memory(SMOLLM2, FLOAT32.model_copy(update={"gradient_checkpointing": on}), ROWS)
        for on in (False, True)
    )
    deeper = replace(SMOLLM2, layers=60)
    assert kept - again > 1e9
    more = finetune_memory(deeper, FLOAT32.model_copy(update={"gradient_checkpointing": True}), ROWS) - again
    assert more < 0.2 * (finetune_memory(deeper, FLOAT32, ROWS) - kept)


def test_memory_is_of_the_longest_rows_and_time_of_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "machine_rates", lambda: rates_of(1.0e11, bfloat16=True))
    longer, more = replace(ROWS, longest=200), replace(ROWS, mean=100.0, mean_logits=100.0)
    assert finetune_memory(SMOLLM2, FLOAT32, longer) > finetune_memory(SMOLLM2, FLOAT32, ROWS) + 1e9
    assert finetune_memory(SMOLLM2, FLOAT32, more) == finetune_memory(SMOLLM2, FLOAT32, ROWS)
    once, twice = (finetune_seconds(SMOLLM2, FLOAT32, rows) for rows in (ROWS, more))
    operations = 4 * 134_515_008 * 3 * 1000 * 50  # three epochs
    assert twice - once == pytest.approx(operations / 1.0e11 / 0.43)


def test_gptq_takes_more_than_rounding() -> None:
    known, wide = targets(), replace(SMOLLM2, inner=16_384)
    assert export_memory(wide, known["cpu-int4"], 4) - export_memory(wide, known["cpu-int4-rtn"], 4) == 12 * 16_384**2


def test_calibration_counts_its_rows_and_the_cubes_of_its_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """SmolLM2 135M: layers of 2 · 576 · (576 + 192) + 3 · 576 · 1536 weights, six projections of 576 inputs and one of
    1536; 64 of the rows calibrate, or all where there are fewer."""
    monkeypatch.setattr(estimates, "machine_rates", lambda: rates_of(1.0e11, bfloat16=True))
    target, longer = targets()["cpu-int4"], replace(ROWS, mean=150.0)
    weights, squares, cubes = 3_538_944, 6 * 576**2 + 1536**2, 6 * 576**3 + 1536**3

    def seconds(rows: RowLengths, shape: Shape = SMOLLM2) -> float:
        return export_seconds(shape, target, 0, rows)

    a_token = 30 * (2 * 2 * weights + 2 * squares) / 1.0e11 / 0.43
    assert seconds(longer) - seconds(ROWS) == pytest.approx(64 * 100 * a_token)
    assert seconds(ROWS) - seconds(replace(ROWS, rows=8)) == pytest.approx(56 * 50 * a_token)
    nothing, layers = replace(ROWS, rows=0), replace(SMOLLM2, layers=60)
    columns = 6 * 576 + 1536
    behind = 576**2 * 576 * 2 + 576**2 * (2 * 192 + 2 * 1536) + 1536**2 * 576
    a_layer = (4 / 3 * cubes + behind) / 1.0e11 / 0.43 + 8.4e-8 * weights + 2.6e-5 * columns
    assert seconds(nothing, layers) - seconds(nothing) == pytest.approx(30 * a_layer)
    rounded = targets()["cpu-int4-rtn"]
    assert export_seconds(SMOLLM2, rounded, 0, longer) == export_seconds(SMOLLM2, rounded, 0, nothing)


def test_total_is_the_most_memory_and_all_the_time() -> None:
    one = Need(memory_bytes=5, disk_bytes=1, seconds=2.0)
    other = Need(memory_bytes=3, disk_bytes=4, seconds=3.0)
    assert total({"a": one, "b": other}) == Need(memory_bytes=5, disk_bytes=4, seconds=5.0)


def test_disk_counts_what_earlier_jobs_left() -> None:
    merge = Need(memory_bytes=5, disk_bytes=10, seconds=2.0, kept_bytes=7)
    export = Need(memory_bytes=3, disk_bytes=4, seconds=3.0, kept_bytes=1)
    assert total({"merge": merge, "a": export, "b": export}).disk_bytes == 7 + 1 + 4
    assert total({"merge": merge, "a": export, "b": export}).kept_bytes == 9


def test_lengths_of_rows_are_those_that_are_trained_on(project: Path) -> None:
    """By transformers' own tokenizer on every row, as training reads them."""
    from olivepress.data.store.reader import read_split
    from olivepress.workflow.olive_plugin.supervision import supervise

    plan = load_plan("tiny-phi")
    examples = supervise(read_split(prepare(plan), "train").rows, plan.model.path, max_length=256)
    lengths = [len(example.input_ids) for example in examples]
    found = row_lengths(plan)
    assert (found.rows, found.longest) == (2400, max(lengths))
    assert found.mean == pytest.approx(sum(lengths) / len(lengths), rel=0.1)


def test_logits_are_those_of_the_trainers_batches(project: Path) -> None:
    """By transformers' own sampler: from the token before the first label of a batch to the end of its longest row."""
    from transformers.trainer_pt_utils import LengthGroupedSampler

    from olivepress.data.store.reader import read_split
    from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, supervise

    plan = load_plan("tiny-phi")
    examples = supervise(read_split(prepare(plan), "train").rows, plan.model.path, max_length=256)
    lengths = [len(example.input_ids) for example in examples]
    answers = [sum(label != IGNORE_INDEX for label in example.labels) for example in examples]
    size = plan.recipe.finetune.batch_size
    order = list(LengthGroupedSampler(size, lengths=lengths))
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    kept = [max(lengths[i] for i in b) - min(lengths[i] - answers[i] for i in b) + 1 for b in batches]
    rows = row_lengths(plan)
    assert rows.mean_logits == pytest.approx(sum(kept) / len(kept), rel=0.3)
    assert rows.longest_logits == pytest.approx(kept[0], rel=0.5)


@pytest.mark.parametrize(
    "fields",
    [
        {"packing": True},
        {"label_smoothing": 0.1},
        {"train_on": "all_turns"},
        {"label_weights": {"a": 2.0}},
        {"loss": {"module": "own.py:loss"}},
    ],
)
def test_every_token_has_logits_where_the_trainer_needs_them(project: Path, fields: dict[str, Any]) -> None:
    plan = load_plan("tiny-phi")
    fewer = row_lengths(plan)
    assert fewer.longest_logits < fewer.longest and fewer.mean_logits <= fewer.mean
    finetune = Finetune.model_validate(plan.recipe.finetune.model_dump(exclude_unset=True) | fields)
    rows = row_lengths(replace(plan, recipe=plan.recipe.model_copy(update={"finetune": finetune})))
    assert (rows.longest_logits, rows.mean_logits) == (rows.longest, rows.mean)


def test_lengths_by_letters_where_no_tokenizer_is(project: Path) -> None:
    """The demo's rows have 57 tokens at most in a real vocabulary, in none more than what a row may have."""
    found = row_lengths(load_plan("phi"))
    assert 40 <= found.mean <= found.longest <= 80


def test_every_job_of_every_recipe_has_an_estimate(project: Path) -> None:
    for name in ("tiny-phi", "phi", "gemma"):
        plan = load_plan(name)
        wanted = needs(plan)
        assert list(wanted) == [job.id for job in plan.jobs] and wanted
        assert all(one.memory_bytes > 5e8 and one.seconds > 5 and one.disk_bytes > 0 for one in wanted.values())
        assert wanted["merge"] == need(plan, plan.job("merge"))


def test_a_config_that_says_little_is_enough() -> None:
    shape = Shape.of(ModelFacts(parameters=1000, config={"hidden_size": 64, "vocab_size": 10}))
    assert (shape.layers, shape.inner, shape.queries, shape.tied) == (1, 256, 64, True)
