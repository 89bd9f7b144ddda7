"""What calibration sees, through Olive's own data container: whole rows of the task, no padding, as many as asked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.pipeline.render import render_files
from tests.synthetic import tiny
from tests.workflow.test_task_weights import both_tasks

extension = pytest.importorskip("olivepress.workflow.olive_plugin.extension")
config = pytest.importorskip("olive.data.config")
transformers = pytest.importorskip("transformers")
rows_module = pytest.importorskip("olivepress.workflow.olive_plugin.rows")


def test_what_is_computed_in_is_not_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers leaves it there: a float32 training after one in bfloat16 would be computed in bfloat16."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    extension.activate(seed=0)
    transformers.TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])
    assert os.environ["ACCELERATE_MIXED_PRECISION"] == "no"


def test_a_row_has_the_weight_of_its_task(project: Path) -> None:
    """Of the dataset that it was mixed from, beside its own label; 1 where that has no weight."""
    prepare(load_plan("tiny-phi"))
    directory = both_tasks().directory
    rows = extension.load_split(str(directory), "train")
    inputs = extension.supervise_rows(rows, "models/tiny-phi", 512, task_weights={"phrase-tone": 3.0})
    weights = [inputs[index][0][rows_module.WEIGHT] for index in range(len(inputs))]
    assert weights == [1.0 if row.answer.startswith("{") else 3.0 for row in rows.items]
    assert sorted(set(weights)) == [1.0, 3.0]


def test_calibration_rows_are_whole_rows_without_padding(project: Path) -> None:
    """NVIDIA/Model-Optimizer#1261, ModelCloud/GPTQModel#1968 and intel/auto-round#1167: pad tokens in what the scales
    were chosen by, rows without the chat template. Each batch is a row as transformers renders and tokenizes it."""
    plan = load_plan("tiny-phi")
    prepare(plan)
    for path, text in render_files(plan).items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    [rendered] = [text for path, text in render_files(plan).items() if Path(path).name == "export-cpu-int4.yaml"]
    [settings] = yaml.safe_load(rendered)["data_configs"]
    loader = config.DataConfig(**settings).to_data_container().create_dataloader()
    batches = [batch for batch, _ in loader]
    tokenizer = transformers.AutoTokenizer.from_pretrained(plan.model.path)
    lines = (plan.dataset.directory / "train.jsonl").read_text().splitlines()
    conversations = [json.loads(line)["messages"] for line in lines]
    expected = {tuple(tokenizer.apply_chat_template(each, tokenize=True)) for each in conversations}
    assert len(batches) == min(64, len(lines)) and len({batch["input_ids"].shape for batch in batches}) > 1
    for batch in batches:
        assert batch["attention_mask"].shape == batch["input_ids"].shape and bool((batch["attention_mask"] == 1).all())
        assert tuple(batch["input_ids"][0].tolist()) in expected


def calibrated(model: Path, words: list[int], **settings: Any) -> list[int]:
    """The lengths of the calibration rows of a split whose questions have that many words."""
    rows = [
        Example(
            id=f"r{number}",
            messages=({"role": "user", "content": "lamp " * count}, {"role": "assistant", "content": "on"}),
            label=None,
        )
        for number, count in enumerate(words)
    ]
    given = {"max_length": 64, "max_rows": 8} | settings
    found = extension.calibration_rows(rows_module.Rows(rows), str(model), **given)
    return [len(found[number][0]["input_ids"]) for number in range(len(found))]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = tiny.make_tokenizer(folder)
    ends = [tokenizer.convert_tokens_to_ids("<|end|>")]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    return folder


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ([1, 2, 3], 3),
        ([3, 200] * 50, 8),
        ([200, *[3] * 7] * 8, 8),  # every row at equal distances is too long
        ([*[200] * 90, *[3] * 5], 5),
        ([3] * 1000, 8),
    ],
)
def test_others_take_the_place_of_rows_that_are_too_long(model: Path, words: list[int], rows: int) -> None:
    """microsoft/Olive#2609 and casper-hansen/AutoAWQ#297: fewer rows than asked for, where there were enough."""
    lengths = calibrated(model, words)
    assert len(lengths) == rows and max(lengths) <= 64


def test_the_rows_are_of_all_parts_of_the_split(model: Path) -> None:
    """A split that is sorted, by length here: the first rows alone would say nothing of the rest."""
    lengths = calibrated(model, list(range(1, 41)), max_rows=4)
    assert lengths == [lengths[0] + count for count in (0, 10, 20, 30)]
    assert list(rows_module.spread(10, 4)) == [0, 2, 5, 7, 1, 4, 8, 3, 6, 9]


def test_no_row_that_is_short_enough(model: Path) -> None:
    with pytest.raises(DataError, match=r"none of 20 rows fits max_length 64 \(the shortest has \d+\)"):
        calibrated(model, [200] * 20)
