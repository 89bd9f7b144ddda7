"""Validation, early stopping and the best checkpoint, through Olive itself on a task that is made to overfit."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("olive.workflows")

from olivepress.core.errors import JobError
from olivepress.report.task_metrics import Answers, Example, task_metrics
from olivepress.workflow.olive_plugin.monitor import TrainingMonitor
from tests.workflow.olive_plugin.training import rendered, run, same, train

# Eight rows at a high rate: what is learned from them is soon of them alone.
OVERFITS = {
    "max_steps": 24, "batch_size": 8, "learning_rate": 0.01, "lr_scheduler_type": "constant", "eval_steps": 2,
    "eval_rows": 8, "save_steps": 3,
}  # fmt: skip
PATIENCE = 3
STOPS = OVERFITS | {"early_stopping": {"patience": PATIENCE}}
# One step is an epoch of the first, three are one of the second: the order of the rows is drawn again and again.
METHODS = {"lora": {"method": "lora"}, "full": {"method": "full", "learning_rate": 0.002, "batch_size": 3}}


def expected_stop(losses: dict[int, float]) -> tuple[int, int]:
    """(step of the best, step at which it stops): by hand, from the losses of a run that is not stopped."""
    best, since = None, 0
    for step, loss in losses.items():
        if best is None or loss < losses[best]:
            best, since = step, 0
        else:
            since += 1
        if since == PATIENCE:
            assert best is not None
            return best, step
    raise AssertionError(f"it does not overfit: {losses}")


@pytest.mark.parametrize("method", METHODS)
def test_it_stops_at_the_known_step_and_ships_the_better_model(method: str, project: Path) -> None:
    rate = METHODS[method]
    whole = train(project, OVERFITS | rate | {"keep": "last"})
    best, stop = expected_stop(whole.validation)
    assert 0 < best < stop < 24
    assert whole.shipped is not None and (whole.shipped.step, whole.shipped.stopped_early) == (24, False)
    until_best = train(project, OVERFITS | rate | {"keep": "last", "max_steps": best})
    stopped = train(project, STOPS | rate)
    assert stopped.shipped is not None
    assert (stopped.shipped.step, stopped.shipped.steps, stopped.shipped.stopped_early) == (best, stop, True)
    assert stopped.validation == {step: loss for step, loss in whole.validation.items() if step <= stop}
    assert same(stopped.tensors, until_best.tensors) and not same(stopped.tensors, whole.tensors)
    assert stopped.shipped.value == whole.validation[best] < whole.validation[24]


def interrupted(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """The run ends behind its step ``at`` as by Control-C, before anything of the step is saved."""
    unchanged = TrainingMonitor.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
        unchanged(self, args, state, control, **rest)
        if state.global_step == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingMonitor, "on_step_end", on_step_end)


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_has_the_same_best(method: str, project: Path) -> None:
    """Interrupted between the best checkpoint and the step at which it stops, and again right behind that."""
    workflow = rendered(project, STOPS | METHODS[method])
    training = workflow.training_dir
    assert training is not None
    whole = run(workflow)
    assert whole.shipped is not None and whole.shipped.stopped_early
    for at in (whole.shipped.step + 1, whole.shipped.steps):
        shutil.rmtree(training)
        training.with_name(f"{training.name}.jsonl").unlink()
        shutil.rmtree("runs/small/.cache")
        shutil.rmtree("runs/small/finetune")
        with pytest.MonkeyPatch.context() as patch:
            interrupted(patch, at)
            with pytest.raises(KeyboardInterrupt):
                run(workflow)
        assert any(training.glob("checkpoint-*"))
        resumed = run(workflow)
        assert resumed.shipped == whole.shipped and same(resumed.tensors, whole.tensors)
        assert [(each.step, each.loss) for each in resumed.steps] == [(each.step, each.loss) for each in whole.steps]
        assert resumed.validation == whole.validation


@pytest.mark.parametrize("method", METHODS)
def test_recomputed_activations_change_no_weight(method: str, project: Path) -> None:
    """An adapter that no gradient reached would be the one of its first step: the same loss at every step."""
    settings = {"max_steps": 4, "eval_steps": 0, "keep": "last", "batch_size": 2} | METHODS[method]
    kept = train(project, settings)
    recomputed = train(project, settings | {"gradient_checkpointing": True})
    assert same(recomputed.tensors, kept.tensors)
    moved = [name for name, weights in kept.tensors.items() if "lora_B" in name and weights.any()]
    assert len(moved) == sum("lora_B" in name for name in kept.tensors)


def test_a_run_that_is_resumed_after_its_last_step(project: Path) -> None:
    """Killed while Olive saves the result: one more step, which the trainer makes, is not in it."""
    workflow = rendered(project, STOPS | {"keep": "last", "save_steps": 1})
    whole = run(workflow)
    assert whole.shipped is not None and whole.shipped.stopped_early
    shutil.rmtree("runs/small/.cache")
    shutil.rmtree("runs/small/finetune")
    again = run(workflow)
    assert again.shipped == whole.shipped and same(again.tensors, whole.tensors)
    assert max(each.step for each in again.steps) == whole.shipped.steps


def test_a_whole_run_that_is_resumed_trains_no_further(project: Path) -> None:
    """Killed while Olive saves the result of a run without validation."""
    workflow = rendered(project, {"max_steps": 4, "eval_steps": 0, "keep": "last", "save_steps": 2, "batch_size": 2})
    whole = run(workflow)
    shutil.rmtree("runs/small/.cache")
    shutil.rmtree("runs/small/finetune")
    again = run(workflow)
    assert same(again.tensors, whole.tensors) and [each.step for each in again.steps] == [1, 2, 3, 4]


def test_the_best_by_the_tasks_own_metric(project: Path) -> None:
    """Its value is that of the answers which plain transformers and peft give with the adapter that ships."""
    settings = {"eval_answers": 4, "eval_steps": 4, "early_stopping": {"metric": "bleu", "patience": 4}}
    trained = train(project, OVERFITS | settings)
    values = {each.step: each.metrics["bleu"] for each in trained.steps if each.metrics}
    assert list(values) == [4, 8, 12, 16, 20, 24] and len(set(values.values())) > 1
    best = max(values.values())
    assert trained.shipped is not None
    assert trained.shipped.step == next(step for step, value in values.items() if value == best)
    assert trained.shipped.value == best == pytest.approx(_bleu_of_the_adapter(), abs=1e-6)


def _bleu_of_the_adapter() -> float:
    """Of four of the eight rows that stand at equal distances in the validation split."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    [file] = Path("datasets").glob("*/validation.jsonl")
    lines = file.read_text().splitlines()
    rows = [json.loads(lines[number * len(lines) // 8])["messages"] for number in range(4)]
    base = AutoModelForCausalLM.from_pretrained("models/tiny-phi", dtype=torch.float32)
    model = PeftModel.from_pretrained(base, "runs/small/finetune/adapter").eval()
    tokenizer, examples = AutoTokenizer.from_pretrained("models/tiny-phi"), []
    longest = max(len(tokenizer(row[-1]["content"], add_special_tokens=False).input_ids) for row in rows)
    for number, (*question, answer) in enumerate(rows):
        ids = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")
        given = model.generate(input_ids=ids, max_new_tokens=longest + 9, do_sample=False, eos_token_id=[1, 0])
        text = tokenizer.decode(given[0, ids.shape[1] :], skip_special_tokens=True)
        examples.append(Example(id=str(number), output=text, expected=answer["content"]))
    value = task_metrics(Answers(examples=tuple(examples)))["bleu"].value
    assert value is not None
    return value


def test_a_run_whose_metric_was_changed_by_hand(project: Path) -> None:
    """The text of a rendered workflow is edited, and its checkpoints are those of another metric."""
    workflow = rendered(project, STOPS | {"max_steps": 10})
    with pytest.MonkeyPatch.context() as patch:
        interrupted(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            run(workflow)
    text = (
        workflow.path.read_text()
        .replace("metric: loss", "metric: f1_token")
        .replace("max_rows: 8", "max_rows: 8\n    answers: 2")
    )
    workflow.path.write_text(text.replace("metric_for_best_model: loss", "metric_for_best_model: f1_token"))
    run_fails(workflow, "was not evaluated by f1_token at step 2: its metric was changed")


def run_fails(workflow: Any, says: str) -> None:
    messages = Path("messages.jsonl").absolute()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLIVEPRESS_MESSAGES", str(messages))
        shutil.rmtree("runs/small/.cache", ignore_errors=True)
        with contextlib.suppress(JobError, ValueError):  # of some errors Olive itself makes a line in its log
            run(workflow)
    assert says in messages.read_text()
