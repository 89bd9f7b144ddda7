"""What a training asks of a machine, before its job: the GPU, the memory; and checkpoints of other settings."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.cli import ahead_text
from olivepress.core.errors import RecipeError, SetupError
from olivepress.pipeline.plan import load_plan
from olivepress.recipe.finetune import Finetune
from olivepress.run import here, training_device
from olivepress.run.cleanup import other_checkpoints
from olivepress.workflow.estimate import Shape, finetune_memory, gpu_bytes, need
from olivepress.workflow.render import render_all
from olivepress.workflow.row_lengths import RowLengths
from olivepress.workflow.training_memory import trained_parameters
from tests.end_to_end.families import write_recipe


def plan_of(project: Path, **finetune: Any) -> Any:
    write_recipe(project / "recipes" / "small.yaml", "embedded:tiny-phi", finetune=finetune)
    return load_plan("small")


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_device, "training_device", lambda: "cpu")


@pytest.mark.parametrize(
    ("finetune", "says"),
    [
        ({"optim": "paged_adamw_8bit"}, "finetune.optim is paged_adamw_8bit, which needs a CUDA GPU"),
        ({"optim": "adamw_8bit", "method": "full"}, "finetune.optim is adamw_8bit, which needs a CUDA GPU"),
        ({"torch_dtype": "float16", "method": "full"}, "finetune.torch_dtype is float16, which needs a CUDA GPU"),
        ({"gpus": 2}, "finetune.gpus is 2, which needs as many CUDA GPUs; this machine trains on the CPU"),
    ],
)
def test_what_only_a_gpu_can_do(project: Path, cpu: None, finetune: dict[str, Any], says: str) -> None:
    plan = plan_of(project, **finetune)
    with pytest.raises(SetupError, match=says):
        here.check_here(plan, plan.jobs[0])
    with pytest.raises(SetupError, match=says):
        here.check_here(plan, plan.jobs[0], force=True)


@pytest.mark.parametrize(
    ("method", "cards", "place"),
    [
        ("lora", (), "the GPU"),
        ("lora", (1, 1), "all 2 GPUs, the layers spread over them,"),
        ("full", (1, 1), "the first of 2 GPUs"),
        ("full", (1,), "the GPU"),
    ],
)
def test_where_it_trains(
    project: Path, monkeypatch: pytest.MonkeyPatch, method: str, cards: tuple[int, ...], place: str
) -> None:
    monkeypatch.setattr(training_device, "training_device", lambda: "cuda")
    monkeypatch.setattr(training_device, "gpu_memory", lambda: cards)
    plan = plan_of(project, method=method)
    assert training_device.training_place(plan) == place
    monkeypatch.setattr(training_device, "training_device", lambda: "cpu")
    assert training_device.training_place(plan) == "the CPU"


def test_several_gpus_that_share_a_batch(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each takes is that of its part of the batch, and the smallest decides; more than there are is refused."""
    monkeypatch.setattr(training_device, "training_device", lambda: "cuda")
    monkeypatch.setattr(training_device, "gpu_memory", lambda: (80, 24, 12))
    plan = plan_of(project, gpus=2, batch_size=8)
    assert training_device.training_place(plan) == "2 GPUs, 4 of the 8 rows of a batch on each,"
    assert training_device.memory_to_train_on(plan) == 24
    assert gpu_bytes(plan) == gpu_bytes(plan_of(project, batch_size=4)) < gpu_bytes(plan_of(project, batch_size=8))
    training_device.check_training_device(plan)
    with pytest.raises(SetupError, match=r"finetune\.gpus is 4, this machine has 3"):
        training_device.check_training_device(plan_of(project, gpus=4, batch_size=8))
    monkeypatch.setattr(training_device, "gpu_memory", lambda: ())  # not known
    training_device.check_training_device(plan_of(project, gpus=4, batch_size=8))


@pytest.mark.parametrize(
    ("finetune", "says"),
    [
        ({"gpus": 3, "batch_size": 8}, "a batch_size of which each of gpus, 3, takes as many rows"),
        ({"gpus": 2, "method": "dpo"}, "no gpus with method dpo"),
    ],
)
def test_what_several_gpus_do_not_take(project: Path, finetune: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        plan_of(project, **finetune)


def test_a_full_fine_tune_that_does_not_fit_memory(project: Path, cpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(project, method="full")
    wanted = need(plan, plan.jobs[0]).memory_bytes
    monkeypatch.setattr(here.psutil, "virtual_memory", lambda: SimpleNamespace(total=wanted - 1))
    with pytest.raises(SetupError, match=r"finetune: needs about .* of memory, this machine has") as error:
        here.check_here(plan, plan.jobs[0])
    assert str(error.value.next_step).startswith("set finetune.method: lora, freeze_layers, gradient_checkpointing")


@pytest.mark.parametrize(
    ("system", "torch", "device"),
    [
        ("linux", "2.9.0", "cuda"),
        ("linux", "2.9.0+cpu", "cpu"),
        ("linux", "2.9.0+cu128", "cuda"),
        ("win32", "2.9.0", "cpu"),
        ("win32", "2.9.0+cu128", "cuda"),
    ],
)
def test_the_build_of_pytorch_decides(monkeypatch: pytest.MonkeyPatch, system: str, torch: str, device: str) -> None:
    """A machine with an NVIDIA driver; PyPI's build for Windows has no CUDA."""
    monkeypatch.setattr(training_device.sys, "platform", system)
    monkeypatch.setattr(training_device, "version", lambda name: torch)
    monkeypatch.setattr(training_device, "fingerprint", lambda: SimpleNamespace(drivers={"nvidia": "570"}))
    assert training_device.training_device.__wrapped__() == device


@pytest.mark.parametrize(
    ("answer", "method", "expected"),
    [("24564\n81559\n", "full", 24564), ("24564\n81559\n", "lora", 106123), ("[N/A]\n", "lora", None)],
)
def test_the_memory_of_the_gpu(
    project: Path, monkeypatch: pytest.MonkeyPatch, answer: str, method: str, expected: int | None
) -> None:
    """Of the first for all weights, of all for an adapter; a fine-tune that does not fit is refused before it runs."""
    given = SimpleNamespace(returncode=0, stdout=answer)
    monkeypatch.setattr(training_device.subprocess, "run", lambda *_, **__: given)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    cards = training_device.gpu_memory.__wrapped__()
    monkeypatch.setattr(training_device, "gpu_memory", lambda: cards)
    plan = plan_of(project, method=method)
    memory = training_device.memory_to_train_on(plan)
    assert memory == (None if expected is None else expected * 1024**2)


def test_a_fine_tune_that_does_not_fit_the_gpu(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(project, method="lora")
    monkeypatch.setattr(here, "training_device", lambda: "cuda")
    monkeypatch.setattr(here.psutil, "virtual_memory", lambda: SimpleNamespace(total=1))
    monkeypatch.setattr(ahead_text, "size_text", str)
    for memory, text in ((gpu_bytes(plan), f"(of {gpu_bytes(plan)})"), (None, "not checked")):
        monkeypatch.setattr(here, "memory_to_train_on", lambda plan, memory=memory: memory)
        monkeypatch.setattr(training_device, "memory_to_train_on", lambda plan, memory=memory: memory)
        here.check_here(plan, plan.jobs[0])
        assert ahead_text._gpu_text(plan).endswith(text)
    monkeypatch.setattr(here, "memory_to_train_on", lambda plan: gpu_bytes(plan) - 1)
    with pytest.raises(SetupError, match=r"finetune: needs about .* of memory, the GPU has"):
        here.check_here(plan, plan.jobs[0])
    here.check_here(plan, plan.jobs[0], force=True)


def test_the_disk_of_all_weights_holds_three_checkpoints(project: Path) -> None:
    """Twelve bytes a parameter each, with the next one written before one is removed; or two and two models."""
    for settings, bytes_each in (({}, 36), ({"optim": "adamw_8bit"}, 20)):
        plan = plan_of(project, method="full", **settings)
        assert need(plan, plan.jobs[0]).disk_bytes == bytes_each * plan.model.facts.parameters


def test_the_memory_of_all_weights() -> None:
    """SmolLM2's 135 M parameters: 16 bytes each are 2.15 GB, of which freezing two thirds of the layers saves most."""
    shape = Shape(
        parameters=134_515_008, layers=30, hidden=576, inner=1536, queries=576, keys=192, vocabulary=49_152, tied=True
    )
    rows = RowLengths(rows=100, longest=1, mean=1.0, longest_logits=1, mean_logits=1.0)
    full = Finetune(method="full", torch_dtype="float32", batch_size=1)
    lora = Finetune(method="lora", torch_dtype="float32", batch_size=1, r=1)
    more = finetune_memory(shape, full, rows) - finetune_memory(shape, lora, rows)
    assert more == pytest.approx(12 * shape.parameters, rel=0.02)
    frozen = full.model_copy(update={"freeze_layers": 20})
    layers = shape.parameters - 49_152 * 576
    assert trained_parameters(shape, frozen) == layers * 10 // 30
    saved = finetune_memory(shape, full, rows) - finetune_memory(shape, frozen, rows)
    assert saved == pytest.approx(12 * (shape.parameters - layers / 3), rel=0.01)
    narrow = full.model_copy(update={"optim": "paged_adamw_8bit"})
    less = finetune_memory(shape, full, rows) - finetune_memory(shape, narrow, rows)
    assert less == pytest.approx(6 * shape.parameters)


def test_checkpoints_of_other_settings_are_named(project: Path) -> None:
    [first] = [each for each in render_all(plan_of(project)) if each.job_id == "finetune"]
    assert first.training_dir is not None and other_checkpoints(first) is None
    (first.training_dir / "checkpoint-3").mkdir(parents=True)
    assert other_checkpoints(first) is None
    changed = plan_of(project, eval_answers=2, early_stopping={"metric": "bleu", "patience": 2})
    [second] = [each for each in render_all(changed) if each.job_id == "finetune"]
    assert other_checkpoints(second) == first.training_dir / "checkpoint-3"
