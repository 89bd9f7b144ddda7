"""Preference tuning through Olive itself, compared with what plain PyTorch computes of the same adapters."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("olive.workflows")
pytest.importorskip("trl")

import torch
from safetensors.numpy import load_file, save_file

from olivepress.adapters.start_adapter import adapter_sha256
from olivepress.core.errors import DataError, JobError
from olivepress.data.store.reader import read_split
from olivepress.run.verify.adapter import adapter_checks
from olivepress.workflow.olive_plugin.monitor import TrainingMonitor
from olivepress.workflow.olive_plugin.pairs import tokenized_pairs
from olivepress.workflow.olive_plugin.passes import preference
from tests.workflow.olive_plugin.pairs import FEW_PAIRS, log_probabilities, write_pairs
from tests.workflow.olive_plugin.training import rendered, run, same, train

BETA = 0.25
DPO = {
    "method": "dpo", "beta": BETA, "max_steps": 6, "batch_size": 4, "learning_rate": 0.005, "torch_dtype": "float32",
    "lr_scheduler_type": "constant", "eval_steps": 3, "save_steps": 3, "keep": "last",
}  # fmt: skip
SFT = {"method": "lora", "max_steps": 4, "learning_rate": 0.005, "torch_dtype": "float32", "eval_steps": 0}


@pytest.fixture
def pairs(project: Path) -> Path:
    write_pairs(project)
    return project


def held_out(workflow: Any, split: str) -> Any:
    """The tokens of the pairs of a split."""
    (data,) = [each for each in workflow.config["data_configs"] if each["name"] == "train"]
    model, directory = workflow.config["input_model"]["model_path"], Path(data["load_dataset_config"]["directory"])
    return tokenized_pairs(read_split(directory, split).rows, model, max_length=512).items


def adapted(workflow: Any, adapter: Path | None) -> Any:
    """The base with an adapter, by transformers and PEFT alone."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(workflow.config["input_model"]["model_path"], dtype=torch.float32)
    return (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()


def dpo_loss(policy: Any, reference: Any) -> float:
    """Rafailov et al. 2023, equation 7, of log probabilities [pairs, 2]."""
    ratios = policy - reference
    return float(-torch.nn.functional.logsigmoid(BETA * (ratios[:, 0] - ratios[:, 1])).mean())


def test_dpo_is_the_loss_of_the_paper_and_preferred_answers_gain(pairs: Path) -> None:
    workflow = rendered(pairs, DPO, data=FEW_PAIRS)
    trained = run(workflow)
    assert trained.steps[0].loss == pytest.approx(
        math.log(2), abs=6e-5
    )  # policy and reference are the same; logged to 4 digits
    output = Path(workflow.config["output_dir"], "adapter")
    validation, test = held_out(workflow, "validation"), held_out(workflow, "test")
    base, tuned = adapted(workflow, None), adapted(workflow, output)
    before, after = (log_probabilities(model, validation) for model in (base, tuned))
    assert trained.validation[6] == pytest.approx(dpo_loss(after, before), abs=1e-5)
    assert trained.steps[-1].metrics["preference_accuracy"] == float((after - before).diff(dim=1).lt(0).float().mean())
    margins = [log_probabilities(model, test) @ torch.tensor([1.0, -1.0]) for model in (base, tuned)]
    assert float((margins[1] - margins[0]).mean()) > 1.0  # nats, on pairs that were not trained on
    (finite, moved) = adapter_checks(output, "dpo")
    assert finite.passed and moved.passed


def test_it_goes_on_from_a_finished_adapter(pairs: Path) -> None:
    first = rendered(pairs, SFT | {"keep": "last"}, data=FEW_PAIRS)
    run(first)
    start = pairs / "started" / "adapter"
    shutil.copytree(Path(first.config["output_dir"], "adapter"), start)
    workflow = rendered(pairs, DPO | {"start_from": "started", "eval_answers": 2}, data=FEW_PAIRS)
    trained = run(workflow)
    assert trained.steps[0].loss == pytest.approx(math.log(2), abs=6e-5)
    output = Path(workflow.config["output_dir"], "adapter")
    validation = held_out(workflow, "validation")
    before, after = (log_probabilities(adapted(workflow, adapter), validation) for adapter in (start, output))
    assert trained.validation[6] == pytest.approx(dpo_loss(after, before), abs=1e-5)
    assert not (output / "ref").exists() and "exact_match" in trained.steps[-1].metrics
    configs = [json.loads((folder / "adapter_config.json").read_text()) for folder in (start, output)]
    assert configs[0]["r"] == configs[1]["r"]
    assert sorted(configs[0]["target_modules"]) == sorted(configs[1]["target_modules"])  # PEFT writes a set
    (_, moved) = adapter_checks(output, "dpo", start)
    assert moved.passed and moved.value == moved.limit == len(trained.tensors)
    (_, still) = adapter_checks(start, "dpo", start)
    assert not still.passed and "that of the adapter that was trained further" in still.detail


def test_an_adapter_that_changed_or_fits_nothing_is_no_start(pairs: Path) -> None:
    from peft import LoraConfig, get_peft_model

    layer = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    model = get_peft_model(layer, LoraConfig(target_modules=["0", "1"]))
    model.save_pretrained("start")
    record = {"path": "start", "sha256": adapter_sha256(Path("start"))}
    assert preference._checked_start(record) == "start" and preference._checked_start(None) is None
    preference._check_loaded(model, "start")
    tensors = load_file("start/adapter_model.safetensors")
    lost = min(tensors)
    save_file({name: value for name, value in tensors.items() if name != lost}, "start/adapter_model.safetensors")
    with pytest.raises(JobError, match=rf"does not fit the model .it has no {lost}"):
        preference._check_loaded(model, "start")
    save_file({**tensors, "other": tensors[lost]}, "start/adapter_model.safetensors")
    with pytest.raises(JobError, match=r"does not fit the model .other fits nothing"):
        preference._check_loaded(model, "start")
    with pytest.raises(JobError, match="changed since the workflow was rendered"):
        preference._checked_start(record)
    with pytest.raises(JobError, match="start_from gone: No such file"):
        preference._checked_start(record | {"path": "gone"})


def test_orpo_is_the_loss_of_its_paper(pairs: Path) -> None:
    settings = DPO | {"method": "orpo", "max_steps": 2, "batch_size": 16, "eval_steps": 1}
    workflow = rendered(pairs, settings, data=FEW_PAIRS)
    trained = run(workflow)
    model = adapted(workflow, None)
    tokens = held_out(workflow, "train")
    lengths = torch.tensor([[len(pair["chosen_ids"]), len(pair["rejected_ids"])] for pair in tokens])
    means = log_probabilities(model, tokens) / lengths
    odds = (means - torch.log1p(-means.exp())) @ torch.tensor([1.0, -1.0])  # Hong et al. 2024, equations 4 to 7
    whole = [
        {"prompt_ids": [p["prompt_ids"][0]], "chosen_ids": [*p["prompt_ids"][1:], *p["chosen_ids"]]} for p in tokens
    ]
    sums = log_probabilities(model, [each | {"rejected_ids": each["chosen_ids"]} for each in whole])[:, 0]
    entropy = -sums.sum() / sum(len(each["chosen_ids"]) for each in whole)
    expected = entropy - BETA * torch.nn.functional.logsigmoid(odds).mean()
    assert trained.steps[0].loss == pytest.approx(float(expected), abs=1e-4)
    assert trained.validation[2] < trained.validation[1]


def test_a_resumed_run_is_the_same(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(pairs, DPO, data=FEW_PAIRS)
    workflow = rendered(pairs, DPO, data=FEW_PAIRS)
    assert workflow.training_dir is not None
    for folder in (workflow.training_dir, workflow.cache_dir, Path(workflow.config["output_dir"])):
        shutil.rmtree(folder, ignore_errors=True)
    unchanged = TrainingMonitor.on_step_end

    def interrupt(self: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
        unchanged(self, args, state, control, **rest)
        if state.global_step == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingMonitor, "on_step_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(workflow)
    monkeypatch.setattr(TrainingMonitor, "on_step_end", unchanged)
    assert [path.name for path in workflow.training_dir.iterdir()] == ["checkpoint-3"]
    resumed = run(workflow)
    assert same(resumed.tensors, whole.tensors) and resumed.validation == whole.validation


def _rows(project: Path) -> Any:
    workflow = rendered(project, SFT | {"keep": "last"}, data=FEW_PAIRS)
    (data,) = workflow.config["data_configs"]
    directory = Path(data["load_dataset_config"]["directory"])
    return read_split(directory, "train").rows, workflow.config["input_model"]["model_path"]


def test_what_cannot_be_compared_is_refused(pairs: Path) -> None:
    from dataclasses import replace

    rows, model = _rows(pairs)
    with pytest.raises(DataError, match="has no rejected answer, which dpo and orpo train on"):
        tokenized_pairs([replace(rows[0], rejected=None)], model, max_length=512)
    with pytest.raises(DataError, match="none of 16 pairs fits max_length 5"):
        tokenized_pairs(rows, model, max_length=5)
    counts: list[Any] = []
    items = tokenized_pairs(rows, model, max_length=512).items
    lengths = sorted(len(p["prompt_ids"]) + max(len(p["chosen_ids"]), len(p["rejected_ids"])) for p in items)
    kept = tokenized_pairs(rows, model, max_length=lengths[7], on_counts=counts.append)
    assert len(kept) == sum(length <= lengths[7] for length in lengths) and counts[0].rows == 16
