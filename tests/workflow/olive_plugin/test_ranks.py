"""Several processes that share each batch: the same training as one process that takes its rows one after another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("olive.workflows")

from olivepress.core.errors import JobError
from olivepress.core.jsonl import read_json_lines
from olivepress.workflow.olive_plugin import ranks
from tests.workflow.olive_plugin.training import rendered, run, train

TONES = {"demo": "phrase-tone", "max_train_rows": 40, "max_test_rows": 4, "max_length": 256}
# Rows are drawn by weight: in the same order, whatever the batch is.
SHORT = {
    "max_steps": 4,
    "learning_rate": 0.01,
    "eval_steps": 2,
    "eval_rows": 6,
    "eval_answers": 2,
    "torch_dtype": "float32",
}


def asking_for(processes: int) -> Any:
    return SimpleNamespace(processes=processes)


def test_one_process_trains_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does each of several, once it is started; only the first of these saves."""
    assert ranks.in_processes(None, None, asking_for(1), "out") is None
    assert ranks.is_first() and ranks.agreed({"a": 1}) == {"a": 1}
    monkeypatch.setenv("OLIVEPRESS_TRAINING_PROCESS", "1")
    for rank, first in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        assert ranks.in_processes(None, None, asking_for(2), "out") is None and ranks.is_first() == first


@pytest.mark.parametrize("code", [0, 1])
def test_how_they_are_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int) -> None:
    """By accelerate's launcher, whatever a configuration file of the user's says; a failure is the job's."""
    started = list[tuple[list[str], dict[str, str]]]()

    @contextmanager
    def start(command: list[str], environment: dict[str, str], **_: Any) -> Iterator[Any]:
        started.append((command, environment))
        yield SimpleNamespace(wait=lambda: code)

    monkeypatch.setattr(ranks, "start_process", start)
    with pytest.raises(RuntimeError, match="one of 3 training processes failed") if code else nullcontext():
        ranks._launch(tmp_path / "training.json", 3)
    [(command, environment)] = started
    assert " ".join(command[1:7]) == "-P -m accelerate.commands.launch --multi_gpu --num_processes 3"
    for option, value in {"--mixed_precision": "no", "--dynamo_backend": "no", "--main_process_port": "0"}.items():
        assert command[command.index(option) + 1] == value
    assert command[-2:] == [ranks.__name__, str(tmp_path / "training.json")]
    assert environment["PYTHONSAFEPATH"] == "1" and environment["OLIVEPRESS_TRAINING_PROCESS"] == "1"


def test_processes_that_do_not_know_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would train alone, and the last to save would ship."""
    alone, both = SimpleNamespace(world_size=1), SimpleNamespace(world_size=2)
    ranks.check_processes(alone, 2)  # it is none that was started
    monkeypatch.setenv("OLIVEPRESS_TRAINING_PROCESS", "1")
    ranks.check_processes(both, 2)
    with pytest.raises(JobError, match="a training process knows 1 of 2"):
        ranks.check_processes(alone, 2)


def test_what_is_rendered(project: Path) -> None:
    """The batch of the recipe is that of all GPUs together: steps and learning rate stay as they are."""
    settings = {"gpus": 4, "batch_size": 8, "max_steps": 6, "keep": "last", "eval_steps": 0}
    for method, kind in (("lora", "ExtendedLoRA"), ("full", "FullFinetune")):
        training = rendered(project, settings | {"method": method}).config["passes"][method]
        assert (training["type"], training["processes"]) == (kind, 4)
        assert training["training_args"]["per_device_train_batch_size"] == 2
        assert training["training_args"]["max_steps"] == 6
        assert "gradient_checkpointing_kwargs" not in training["training_args"]


def test_activations_are_recomputed_in_the_newer_way(project: Path) -> None:
    """In the older one every gradient of several processes is ready twice, which ends the run."""
    for gpus, expected in ((2, {"use_reentrant": False}), (1, None)):
        settings = {"gpus": gpus, "batch_size": 2, "max_steps": 6, "gradient_checkpointing": True}
        training = rendered(project, settings).config["passes"]["lora"]
        assert training["training_args"].get("gradient_checkpointing_kwargs") == expected


@pytest.fixture(autouse=True)
def datasets_here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a job has it: the processes inherit it."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(project / "datasets-cache"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("method", "recomputed"), [("lora", False), ("lora", True), ("full", True)])
def test_two_processes_train_as_one(project: Path, method: str, recomputed: bool) -> None:
    """On the CPU, over gloo: weights, losses and answers are those of accumulated batches."""
    labels = {"label_weights": {_a_label(): 3.0}, "method": method, "gradient_checkpointing": recomputed}
    alone = train(project, SHORT | labels | {"batch_size": 1, "gradient_accumulation_steps": 2}, data=TONES)
    workflow = rendered(project, SHORT | labels | {"batch_size": 2, "gpus": 2}, data=TONES)
    both = run(workflow)
    assert both.tensors.keys() == alone.tensors.keys()
    base = max(float(np.abs(alone.tensors[name]).max()) for name in alone.tensors)
    assert base > 0
    for name, tensor in alone.tensors.items():
        np.testing.assert_allclose(both.tensors[name], tensor, rtol=1e-3, atol=1e-5, err_msg=name)
    assert [each.step for each in both.steps] == [1, 2, 3, 4]
    assert both.validation == pytest.approx(alone.validation, rel=1e-4)
    assert [each.metrics for each in both.steps] == [each.metrics for each in alone.steps]
    training = workflow.training_dir
    assert training is not None
    lines = read_json_lines(training.with_name(f"{training.name}.jsonl"))
    assert [line["done"] for line in lines if "loss" in line] == [1, 2, 3, 4]  # the first process alone records


def _a_label() -> str:
    from olivepress.synthetic.embedded import generate

    return min(str(row.label) for row in generate("phrase-tone")["train"])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_goes_wrong_in_one_of_them_ends_all(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that it reports itself, and no artifact."""
    messages = Path("messages.jsonl").absolute()
    monkeypatch.setenv("OLIVEPRESS_MESSAGES", str(messages))
    workflow = rendered(project, SHORT | {"batch_size": 2, "gpus": 2}, data=TONES)
    text = workflow.path.read_text()
    workflow.path.write_text(text.replace("max_length: 256", "max_length: 17"))

    with pytest.raises((ValueError, RuntimeError, OSError)):
        run(workflow)
    errors = [json.loads(line) for line in messages.read_text().splitlines() if '"error"' in line]
    assert errors and "are longer than 17 tokens and left out" in errors[0]["error"] and errors[0]["next_step"]
    assert not Path("runs/small/finetune/adapter/adapter_model.safetensors").exists()
