"""The quality monitor: what an alert is, by hand; and real runs whose quality falls, through Olive itself."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("olive.workflows")

import torch

from olivepress.core.errors import JobError
from olivepress.core.jsonl import read_json_lines
from olivepress.data.store.examples import Example
from olivepress.report.training_record import step_line, training_steps
from olivepress.workflow.olive_plugin.answers import Given, Questions
from olivepress.workflow.olive_plugin.monitor import TrainingMonitor
from olivepress.workflow.olive_plugin.quality import Quality, Watched, _valid, _variety, alerts_of, measure_quality
from olivepress.workflow.olive_plugin.selection import Selection
from olivepress.workflow.olive_plugin.supervision import Supervised
from olivepress.workflow.olive_plugin.validation import Validation
from tests.workflow.olive_plugin.test_answers import Words
from tests.workflow.olive_plugin.test_training import interrupted
from tests.workflow.olive_plugin.training import rendered, run, same

# The rate is far too high: with the fourth step the loss rises above its first value.
FALLS = {
    "max_steps": 12, "batch_size": 16, "learning_rate": 0.05, "r": 16, "alpha": 32, "save_steps": 4, "eval_steps": 0,
    "keep": "last", "warmup_ratio": 0.25, "monitor": {"every": 2, "rows": 6},
}  # fmt: skip
DATA = {"demo": "device-command", "max_train_rows": 200, "max_length": 256}


@pytest.mark.parametrize(
    ("name", "best", "value", "rows", "fallen"),
    [
        ("perplexity", 2.0, 2.19, 10, False),
        ("perplexity", 2.0, 2.21, 10, True),
        ("exact_match", 0.8, 0.73, 100, False),
        ("exact_match", 0.8, 0.71, 100, True),
        ("exact_match", 0.5, 0.4, 10, False),  # one row of ten
        ("exact_match", 0.5, 0.3, 10, True),
        ("distinct", 1.0, 0.89, 10, True),
        ("format_valid", 0.0, 0.0, 10, False),
    ],
)
def test_an_alert_is_ten_percent_below_the_best(name: str, best: float, value: float, rows: int, fallen: bool) -> None:
    worse = best * 2 if name == "perplexity" else best / 2
    earlier = [(5, {name: worse}), (10, {name: best}), (15, {name: worse})]
    alerts = alerts_of(earlier, {name: value}, rows)
    assert [(each.metric, each.best, each.best_step) for each in alerts] == ([(name, best, 10)] if fallen else [])


def test_the_first_look_is_no_alert() -> None:
    assert alerts_of([], {"perplexity": 1e9, "exact_match": 0.0}, 30) == ()


def test_variety_is_that_of_the_expected_answers() -> None:
    right = ["turn the lamp on", "turn the fan off", "open a door"]
    assert _variety(right, right) == 1.0
    assert _variety(["turn the lamp on"] * 3, right) == pytest.approx((3 / 9) / (7 / 8), abs=1e-3)
    assert _variety(["some words that are all different here"] * 1, right) == 1.0  # more than is asked for
    assert _variety(["yes"] * 4, ["yes", "no", "yes", "no"]) == pytest.approx(0.25 / 0.5)
    assert _variety(["a"], [""]) is None


@pytest.mark.parametrize(
    ("more", "given", "valid"),
    [
        ({}, [Given(text="x", ended=True), Given(text="x", ended=False)], [True, False]),
        (
            {"labels": ("good", "bad")},
            [Given(text="good", ended=True), Given(text="goood", ended=True)],
            [True, False],
        ),
        (
            {"expected": ('{"a": 1}', '{"a": 2}')},
            [Given(text='{"a": 3}', ended=True), Given(text='{"a": ', ended=True)],
            [True, False],
        ),
        (
            {"json_schema": {"required": ["a"]}},
            [Given(text='{"a": 3}', ended=True), Given(text='{"b": 3}', ended=True)],
            [True, False],
        ),
    ],
)
def test_the_form_of_an_answer(more: dict[str, Any], given: list[Given], valid: list[bool]) -> None:
    rows = (Example(id="1", messages=()), Example(id="2", messages=()))
    fields: dict[str, Any] = {"expected": ("x", "y"), "budget": 8, "ends": (1,), "tokenizer": None} | more
    assert list(_valid(given, Questions(rows=rows, prompts=((5,), (6,)), **fields))) == valid


def test_a_look_draws_no_random_number() -> None:
    """Else a run with a monitor would not have the weights of the same run without."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
            attention_dropout=0.5,
        )
    ).train()  # fmt: skip
    questions = Questions(
        rows=(Example(id="1", messages=()),), prompts=((5, 6, 7),), expected=("1 2",), budget=4, ends=(19,),
        tokenizer=Words(),
    )  # fmt: skip
    example = Supervised(input_ids=(5, 6, 7, 8, 9), labels=(-100, -100, -100, 8, 9))
    watched = Watched(settings=Quality(every=1, rows=1), questions=questions, examples=(example,))
    before = torch.get_rng_state()
    values = measure_quality(model, watched)
    assert torch.equal(torch.get_rng_state(), before) and model.training
    with torch.no_grad():
        logits = model.eval()(input_ids=torch.tensor([[5, 6, 7, 8, 9]])).logits[0]
    likelihood = logits[2].log_softmax(-1)[8] + logits[3].log_softmax(-1)[9]
    assert values["perplexity"] == pytest.approx(math.exp(-float(likelihood) / 2), rel=1e-5)


def test_a_fall_is_recorded_and_a_resumed_run_sees_the_same(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workflow = rendered(project, FALLS, data=DATA)
    training = workflow.training_dir
    assert training is not None
    record = training.with_name(f"{training.name}.jsonl")
    whole = run(workflow)
    looks = {each.step: each for each in whole.steps if each.quality}
    assert list(looks) == [2, 4, 6, 8, 10, 12]
    assert all(
        set(each.quality) == {"perplexity", "exact_match", "format_valid", "distinct"} for each in looks.values()
    )
    first, second = looks[2].quality["perplexity"], looks[4].quality["perplexity"]
    assert second > 1.1 * first
    alert = next(alert for alert in looks[4].alerts if alert.metric == "perplexity")
    assert (alert.value, alert.best, alert.best_step) == (second, first, 2)
    assert f"olivepress: alert at step 4: perplexity is {second:.4g}" in capsys.readouterr().out
    assert training_steps([step_line(each) for each in whole.steps]) == whole.steps  # the form that the artifact keeps
    assert looks[12].quality["perplexity"] == pytest.approx(_perplexity_by_hand(), rel=1e-4)
    again = _interrupted_and_resumed(workflow, record, at=7)
    assert [(each.step, each.loss, each.quality, each.alerts) for each in again.steps] == [
        (each.step, each.loss, each.quality, each.alerts) for each in whole.steps
    ]
    assert same(again.tensors, whole.tensors)


def _interrupted_and_resumed(workflow: Any, record: Path, at: int) -> Any:
    shutil.rmtree(workflow.training_dir)
    record.unlink()
    shutil.rmtree("runs/small/.cache")
    shutil.rmtree("runs/small/finetune")
    with pytest.MonkeyPatch.context() as patch:
        interrupted(patch, at)
        with pytest.raises(KeyboardInterrupt):
            run(workflow)
    return run(workflow)


def _perplexity_by_hand() -> float:
    """Of six rows at equal distances in the validation split, by plain transformers and peft."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    [file] = Path("datasets").glob("*/validation.jsonl")
    lines = file.read_text().splitlines()
    base = AutoModelForCausalLM.from_pretrained("models/tiny-phi", dtype=torch.float32)
    model = PeftModel.from_pretrained(base, "runs/small/finetune/adapter").eval()
    tokenizer, losses = AutoTokenizer.from_pretrained("models/tiny-phi"), []
    for number in range(6):
        messages = json.loads(lines[number * len(lines) // 6])["messages"]
        prefix = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True)
        full = tokenizer.apply_chat_template(messages)
        answer = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, tokenize=False)
        rest = tokenizer.apply_chat_template(messages, tokenize=False)[len(answer) :]
        ids = torch.tensor([[*prefix, *tokenizer(rest, add_special_tokens=False).input_ids]])
        assert abs(len(full) - ids.shape[1]) <= 1
        labels = ids.clone()
        labels[0, : len(prefix)] = -100
        with torch.no_grad():
            losses.append(float(model(input_ids=ids, labels=labels).loss))
    return math.exp(sum(losses) / len(losses))


def test_an_alert_that_ends_the_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = Path("messages.jsonl").absolute()
    monkeypatch.setenv("OLIVEPRESS_MESSAGES", str(messages))
    workflow = rendered(project, FALLS | {"monitor": {"every": 2, "rows": 6, "on_alert": "fail"}}, data=DATA)
    with contextlib.suppress(JobError, ValueError):
        run(workflow)
    lines = read_json_lines(messages)
    error = next(line for line in lines if "error" in line)
    assert "step 4: " in error["error"] and "on_alert is fail" in error["error"] and error["next_step"]
    assert max(each.step for each in training_steps(lines)) == 4
    assert any("alert at step 4" in note for line in lines for note in line.get("notes", ()))
    assert not Path("runs/small/finetune/adapter/adapter_model.safetensors").exists()


@pytest.mark.parametrize(("steps", "refused"), [(4, True), (5, True), (6, False)])
def test_a_monitor_that_would_look_once(steps: int, refused: bool) -> None:
    """Packing makes fewer steps of the rows than the recipe's check can know."""
    monitor = TrainingMonitor()
    unused: Any = None
    monitor.watched = Watched(settings=Quality(every=5, rows=2), questions=unused, examples=())
    state, control = SimpleNamespace(global_step=0, max_steps=steps, eval_steps=0), SimpleNamespace()
    expected = pytest.raises(JobError, match=f"every is 5, expected less than the {steps} steps of the run")
    with expected if refused else contextlib.nullcontext():
        monitor.on_train_begin(None, state, control, model=torch.nn.Linear(1, 1))


class Looks(list[int]):
    """In place of the fixed rows: the steps at which they were asked."""

    settings = Quality(every=5, rows=2)

    def is_due(self, step: int, last: int) -> bool:
        return step % 5 == 0 or step == last

    def look(self, _: Any, state: Any) -> tuple[dict[str, float], tuple[()]]:
        self.append(state.global_step)
        return {"perplexity": 2.0}, ()


@pytest.mark.parametrize(("patience", "at", "looks"), [(1, 3, [3]), (1, 5, [5]), (2, 3, [])])
def test_the_step_at_which_early_stopping_ends_a_run_is_looked_at(
    tmp_path: Path, patience: int, at: int, looks: list[int]
) -> None:
    """Its last one, which no other rule calls due; once where it is due anyway."""
    monitor, watched = TrainingMonitor(), Looks()
    as_any: Any = watched
    monitor.watched = as_any
    monitor.validation = Validation(selection=Selection(keep="last", metric="loss", patience=patience))
    history = [{"step": 1, "eval_loss": 1.0}, {"step": at, "eval_loss": 2.0}]
    state = SimpleNamespace(global_step=at, max_steps=20, epoch=0.5, log_history=history)
    control = SimpleNamespace(should_training_stop=False)
    args = SimpleNamespace(output_dir=str(tmp_path / "training"), seed=0)
    monitor.on_step_end(args, state, control, model=torch.nn.Linear(1, 1))
    monitor.on_evaluate(args, state, control, model=torch.nn.Linear(1, 1), metrics={"eval_loss": 2.0})
    assert watched == looks and control.should_training_stop == (patience == 1)
    assert [each.step for each in training_steps(read_json_lines(tmp_path / "training.jsonl")) if each.quality] == looks


def test_a_monitor_without_rows_to_look_at(project: Path) -> None:
    messages = Path("messages.jsonl").absolute()
    workflow = rendered(project, FALLS, data=DATA)
    text = workflow.path.read_text()
    workflow.path.write_text(text.replace("max_length: 256", "max_length: 17"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLIVEPRESS_MESSAGES", str(messages))
        with contextlib.suppress(Exception):  # Olive makes a line in its log of it
            run(workflow)
    assert "finetune.monitor: 0 of" in messages.read_text()
