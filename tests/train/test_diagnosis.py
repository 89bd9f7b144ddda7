"""Findings from the recorded curves of real small runs, and from numbers written out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from olivepress.recipe.schema import Recipe
from olivepress.report.training_record import Shipped, TrainingStep
from olivepress.train.advised import changed_recipe
from olivepress.train.curve import curve_of
from olivepress.train.diagnosis import diagnose
from olivepress.train.evidence import Evidence, MemoryUse, RowFacts, RowLoss, RowLosses, TextChange
from olivepress.train.examine_curve import rounded

_LINES = [json.loads(line) for line in Path(__file__).with_name("curves.jsonl").read_text().splitlines()]
CURVES = {each["run"]: tuple(TrainingStep(total=0, **step) for step in each["steps"]) for each in _LINES}
HEALTHY = sorted(name for name in CURVES if name.startswith("healthy"))

# Recorded with: tiny-phi, 16 rows a step, rank 16; the steps and rates that the names say.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "overfitting": {"max_steps": 40, "learning_rate": 0.01, "lr_scheduler_type": "constant"},
    "too-short": {"max_steps": 12, "learning_rate": 0.001},
    "rate-of-2e-6": {"max_steps": 60, "learning_rate": 2.0e-6},
    "rate-of-0.05": {"max_steps": 60, "learning_rate": 0.05},
    "rate-of-0.15": {"max_steps": 60, "learning_rate": 0.15, "lr_scheduler_type": "constant"},
    "healthy-full": {"method": "full", "max_steps": 150, "learning_rate": 3.0e-4},
}


def recipe(**finetune: Any) -> Recipe:
    fields = {"name": "lamps", "model": {"path": "x/y"}, "data": {"source": "lamps.csv"}, "targets": ["cpu"]}
    return Recipe.model_validate_json(json.dumps(fields | {"finetune": finetune}))


def evidence(
    steps: tuple[TrainingStep, ...] = (), *, finetune: Mapping[str, Any] | None = None, **more: Any
) -> Evidence:
    settings = recipe(**(finetune or {}))
    return Evidence(run="lamps/finetune.1", recipe=settings, status="finished", reason="", steps=steps, **more)


def changes(finding: Any) -> dict[str, Any]:
    return {each.key: each.to for each in finding.changes}


def test_there_are_recorded_runs() -> None:
    assert len(HEALTHY) == 5 and len(CURVES) == 10


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_has_none(name: str) -> None:
    finetune = SETTINGS.get(name, {"learning_rate": 1.0e-3})
    diagnosis = diagnose(evidence(CURVES[name], finetune=finetune))
    assert diagnosis.findings == () and diagnosis.examined == ("curves",)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("overfitting", "overfitting", {"finetune.max_steps": 12, "finetune.early_stopping.patience": 3}),
        ("too-short", "underfitting", {"finetune.max_steps": 24}),
        ("rate-of-2e-6", "learning rate too low", {"finetune.learning_rate": 5.0e-5}),
        ("rate-of-0.05", "learning rate too high", {"finetune.learning_rate": 0.005, "finetune.warmup_ratio": 0.1}),
        ("rate-of-0.15", "learning rate too high", {"finetune.learning_rate": 0.015, "finetune.warmup_ratio": 0.1}),
    ],
)
def test_what_is_wrong_and_what_to_change(name: str, kind: str, expected: Mapping[str, Any]) -> None:
    (finding,) = diagnose(evidence(CURVES[name], finetune=SETTINGS[name])).findings
    assert finding.kind == kind and finding.evidence
    assert changes(finding) | expected == changes(finding)
    assert all(value is None or value == value for value in finding.evidence.values())


def test_the_numbers_of_the_evidence() -> None:
    (finding,) = diagnose(evidence(CURVES["overfitting"], finetune=SETTINGS["overfitting"])).findings
    losses = {each.step: each.validation_loss for each in CURVES["overfitting"] if each.validation_loss is not None}
    best = min(losses, key=lambda step: losses[step])
    assert finding.evidence["lowest_at_step"] == best == 12
    assert finding.evidence["lowest_validation_loss"] == losses[12]
    assert finding.evidence["last_validation_loss"] == losses[40]


def test_a_run_that_early_stopping_ended_is_healthy() -> None:
    """The same curve: what early stopping is for has happened, and the best checkpoint ships."""
    steps = CURVES["overfitting"]
    early = Shipped(step=12, steps=40, total=100, metric="loss", value=0.946, keep="best", stopped_early=True)
    assert diagnose(evidence(steps, finetune=SETTINGS["overfitting"], shipped=early)).findings == ()
    last = early.model_copy(update={"keep": "last", "step": 40})
    assert len(diagnose(evidence(steps, finetune=SETTINGS["overfitting"], shipped=last)).findings) == 1


def made(losses: list[float], validation: Mapping[int, float] | None = None) -> tuple[TrainingStep, ...]:
    return tuple(
        TrainingStep(step=step, total=len(losses), loss=loss, validation_loss=(validation or {}).get(step))
        for step, loss in enumerate(losses, start=1)
    )


def test_the_shape_of_an_adapter_that_is_trained_further_is_not_to_change() -> None:
    """A recipe with start_from refuses r."""
    steps = made([0.693, 0.69, 0.685, 0.68, 0.67, 0.67, 0.665, 0.66, 0.66, 0.66] * 3)
    for start, keys in ((None, {"finetune.r", "finetune.epochs"}), ("tickets", {"finetune.epochs"})):
        [finding] = diagnose(evidence(steps, finetune={"method": "dpo", "start_from": start})).findings
        assert set(changes(finding)) == keys


@pytest.mark.parametrize(
    ("losses", "kind"),
    [
        ([3.0, 2.5, 2.0, 1.6, 1.2, 1.0, 1.5, 3.0, 4.0, 4.2], "divergence"),
        ([3.0, 3.1, 5.0, 8.0, 9.0, 9.0, 9.1, 9.2, 9.0, 9.1], "divergence"),
        ([3.0, 2.0, 1.0, 1.9, 1.4, 1.0, 0.8, 0.7, 0.7, 0.7], "learning rate too high"),
        ([3.0, 2.9, 2.95, 2.9, 2.85, 2.9, 2.9, 2.85, 2.9, 2.85], "underfitting"),
        ([3.0, 2.6, 2.3, 2.0, 1.8, 1.6, 1.4, 1.2, 1.05, 0.9], "underfitting"),
        ([3.0, 1.5, 0.9, 0.6, 0.5, 0.45, 0.42, 0.41, 0.4, 0.4], None),
        # A rate of 2e-2 in a public report: down from 19 to 14, up again, and so on.
        ([19.0, 17.0, 15.0, 14.0, 16.0, 19.0, 17.0, 14.5, 17.0, 19.0], "divergence"),
        ([0.02, 0.02, 0.03, 0.02, 0.02, 0.02, 0.01, 0.02, 0.02, 0.02], None),  # nothing left to learn
    ],
)
def test_curves_without_validation(losses: list[float], kind: str | None) -> None:
    diagnosis = diagnose(evidence(made([loss for loss in losses for _ in range(3)])))
    assert [each.kind for each in diagnosis.findings] == ([] if kind is None else [kind])
    assert "eval_steps" in diagnosis.missing["overfitting"]


def test_preferences_have_rates_of_their_own() -> None:
    """At 2e-5 their loss hardly leaves ln 2 in a short run: not for the rate. Earlier answers are no part of it."""
    steps = made([0.693, 0.69, 0.685, 0.68, 0.67, 0.67, 0.665, 0.66, 0.66, 0.66] * 3)
    rows = ROWS.model_copy(update={"answers": 900})
    findings = diagnose(evidence(steps, finetune={"method": "dpo"}, rows=rows)).findings
    assert [each.kind for each in findings] == ["underfitting"]
    slow = diagnose(evidence(steps, finetune={"method": "dpo", "learning_rate": 1.0e-7})).findings
    assert [each.kind for each in slow] == ["learning rate too low"]
    assert changes(slow[0]) == {"finetune.learning_rate": 1.0e-6}


@pytest.mark.parametrize("steps", [4, 12, 200])
def test_batches_of_unlike_rows_are_noise(steps: int) -> None:
    """At 2e-5 the loss of an adapter stays between 1.2 and 1.5, as in a public report: no rise, but no learning."""
    random = Random(22)
    losses = [random.uniform(1.2, 1.5) for _ in range(steps)]
    findings = diagnose(evidence(made(losses), finetune={"learning_rate": 2.0e-5})).findings
    assert [each.kind for each in findings] == ([] if steps == 4 else ["learning rate too low"])


def test_a_number_that_is_not_finite() -> None:
    finetune = {"learning_rate": 0.5, "max_grad_norm": 1000.0, "method": "full", "torch_dtype": "float16"}
    (finding,) = diagnose(evidence(made([3.0, 2.0]), finetune=finetune, not_finite="grad_norm")).findings
    assert finding.kind == "divergence" and "at step 3" in finding.summary
    expected = {"finetune.learning_rate": 0.05, "finetune.max_grad_norm": 1.0, "finetune.torch_dtype": "bfloat16"}
    assert changes(finding) == expected
    (first,) = diagnose(evidence(not_finite="loss")).findings
    assert first.kind == "divergence" and changes(first) == {"finetune.learning_rate": 2.0e-5}


ROWS = RowFacts(
    rows=1000, sampled=300, too_long=0, max_length=256, longest=200, enough=180, tokens=30_000, trained_tokens=6000,
    answers=300, trained_answers=300, marked_up=0, system_shares={"train": 0.0, "test": 0.0}, vocabulary=1000,
)  # fmt: skip


@pytest.mark.parametrize(
    ("update", "kind", "key", "to"),
    [
        ({"too_long": 60, "enough": 700}, "supervision", "data.max_length", 700),
        ({"answers": 900}, "supervision", "finetune.train_on", "all_turns"),
        ({"marked_up": 30, "example_of_markup": "[INST]"}, "template", "data.source", None),
        ({"system_shares": {"train": 1.0, "test": 0.0}}, "template", "data.source", None),
        ({"lost": ("row 1: the template omits system texts",)}, "template", "model.path", None),
        ({"vocabulary": 100}, "template", "model.path", None),
        ({"too_long": 15}, None, "", None),
        ({"marked_up": 2}, None, "", None),
    ],
)
def test_rows(update: Mapping[str, Any], kind: str | None, key: str, to: Any) -> None:
    steps = made([6.0, 1.5, 0.9, 0.6, 0.5, 0.45, 0.42, 0.41, 0.4, 0.4])
    findings = diagnose(evidence(steps, rows=ROWS.model_copy(update=update))).findings
    assert [each.kind for each in findings] == ([] if kind is None else [kind])
    for finding in findings:
        assert key in changes(finding)
        assert to is None or changes(finding)[key] == to


def test_an_instruction_with_signs_of_a_template() -> None:
    facts = ROWS.model_copy(update={"marked_up": 300, "example_of_markup": "[INST]", "marked_up_instruction": True})
    given = evidence(rows=facts)
    data = given.recipe.data
    assert data is not None
    changed = given.recipe.model_copy(update={"data": data.model_copy(update={"instruction": "[INST] Name it."})})
    (finding,) = diagnose(replace(given, recipe=changed)).findings
    assert changes(finding) == {"data.instruction": None}


@pytest.mark.parametrize(("contradicted", "measured", "finds"), [(1, 20, False), (2, 20, True), (2, 300, False)])
def test_label_noise(contradicted: int, measured: int, finds: bool) -> None:
    row = RowLoss(id="7", loss=9.0, given=0.001, other=0.99, answer="bad", prompt="user: hi", suggested="good")
    learned = measured - contradicted
    losses = RowLosses(
        rows=300, measured=measured, learned=learned, median=0.02, contradicted=contradicted, highest=(row,)
    )
    findings = diagnose(evidence(row_losses=losses)).findings
    assert [each.kind for each in findings] == (["label noise"] if finds else [])
    if finds:
        assert findings[0].rows[0].suggested == "good" and findings[0].evidence["highest_loss"] == 9.0


def test_a_half_trained_model_says_nothing_of_labels() -> None:
    """Measured: sure of 26 wrong answers in 600 rows that are all right, of which it had learned 235."""
    row = RowLoss(id="7", loss=4.7, given=0.001, other=0.86, answer="red", prompt="user: hi", suggested="sheep")
    losses = RowLosses(rows=2400, measured=600, learned=235, median=0.5, contradicted=26, highest=(row,))
    diagnosis = diagnose(evidence(row_losses=losses))
    assert diagnosis.findings == () and "label noise" not in diagnosis.examined
    assert diagnosis.missing["label noise"].startswith("the model has learned 235 of 600 rows")


@pytest.mark.parametrize(
    ("after", "low", "finds"), [(15.0, 1.2, True), (15.0, 1.05, False), (10.5, None, False), (12.0, None, True)]
)
def test_forgetting(after: float, low: float | None, finds: bool) -> None:
    text = TextChange(before=10.0, after=after, tokens=5000, ci_low=low, ci_high=9.0 if low else None)
    findings = diagnose(evidence(text=text, finetune={"learning_rate": 3.0e-4})).findings
    assert [each.kind for each in findings] == (["forgetting"] if finds else [])
    if finds:
        assert changes(findings[0]) == {"finetune.learning_rate": 1.0e-4, "finetune.epochs": 1.5}


@pytest.mark.parametrize(
    ("finetune", "expected"),
    [({"epochs": 0.5}, {}), ({"max_steps": 1}, {}), ({"max_steps": 9}, {"finetune.max_steps": 4})],
)
def test_a_short_run_is_not_made_longer_against_forgetting(
    finetune: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    text = TextChange(before=10.0, after=15.0, tokens=5000, ci_low=1.2, ci_high=2.0)
    [finding] = diagnose(evidence(text=text, finetune={"learning_rate": 3.0e-4, **finetune})).findings
    assert changes(finding) == {"finetune.learning_rate": 1.0e-4, **expected}


@pytest.mark.parametrize(
    ("memory", "finds"),
    [
        (MemoryUse(peak=8 * 10**9, machine=16 * 10**9), False),
        (MemoryUse(peak=15 * 10**9, machine=16 * 10**9), True),
        (MemoryUse(peak=8 * 10**9, machine=16 * 10**9, ended_by_it=True), True),
        (MemoryUse(peak=None, machine=None), False),
    ],
)
def test_memory(memory: MemoryUse, finds: bool) -> None:
    findings = diagnose(evidence(memory=memory, rows=ROWS)).findings
    assert [each.kind for each in findings] == (["memory"] if finds else [])
    if finds:
        assert changes(findings[0]) == {
            "finetune.batch_size": 4,
            "finetune.gradient_accumulation_steps": 2,
            "finetune.gradient_checkpointing": True,
            "data.max_length": 180,
        }


# Settings whose usual change the recipe, or a plan of it, refuses.
EDGES: list[Mapping[str, Any]] = [
    {"epochs": 9000.0},
    {"max_steps": 90_000_000},
    {"r": 60_000},
    {"r": 24},
    {"method": "full", "freeze_layers": 2, "torch_dtype": "float16"},
    {"method": "qlora"},
    {"method": "loha"},
    {"method": "lokr", "target_modules": ["q_proj"]},
    {"method": "dpo", "start_from": "tickets"},
    {"max_steps": 30, "eval_steps": 3},
    {"max_steps": 30, "eval_steps": 3, "early_stopping": {"patience": 8}},
    {"max_steps": 30, "eval_steps": 12, "early_stopping": {"patience": 1}},
    {"max_steps": 30, "monitor": {"every": 15}},
    {"keep": "last", "loss": {"module": "own.py:loss"}},
    {"gradient_accumulation_steps": 50_000, "packing": True},
]


@pytest.mark.parametrize("finetune", EDGES, ids=[",".join(each) for each in EDGES])
def test_every_advice_is_one_that_the_recipe_takes(finetune: Mapping[str, Any]) -> None:
    """Of all kinds of findings; so does a plan of it, by the number of rows and the shape of the model."""
    row = RowLoss(id="7", loss=9.0, given=0.001, other=0.99, answer="bad", prompt="user: hi", suggested="good")
    over = {4: 2.0, 9: 1.0, 15: 1.6, 21: 2.2, 30: 2.8}
    curves = {
        "divergence": made([3.0, 2.5, 2.0, 1.6, 1.2, 1.0, 1.5, 3.0, 4.0, 4.2] * 3),
        "learning rate too high": made([loss for loss in (3, 2, 1, 1.9, 1.4, 1, 0.8, 0.7, 0.7, 0.7) for _ in range(3)]),
        "overfitting": made([loss for loss in (3, 2.2, 1, 0.6, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1) for _ in range(3)], over),
        "underfitting": made([loss for loss in (3, 2.6, 2.3, 2, 1.8, 1.6, 1.4, 1.2, 1, 0.9) for _ in range(3)]),
        "nothing": made([3.0, 2.9, 2.95, 2.9, 2.85, 2.9, 2.9, 2.85, 2.9, 2.85] * 3),
    }
    facts = ROWS.model_copy(update={"too_long": 60, "enough": 700, "context": 512, "width": 64, "answers": 900})
    seen = set[str]()
    for steps in curves.values():
        given = evidence(
            steps,
            finetune=finetune,
            rows=facts,
            row_losses=RowLosses(rows=300, measured=20, learned=15, median=0.02, contradicted=5, highest=(row,)),
            text=TextChange(before=10.0, after=15.0, tokens=5000),
            memory=MemoryUse(peak=15 * 10**9, machine=16 * 10**9),
        )
        for finding in diagnose(given).findings:
            seen.add(finding.kind)
            changed = changed_recipe(given.recipe, finding.changes)
            assert changed is not None, (finding.kind, finding.changes)
            assert not any(each.to == each.now for each in finding.changes)
            assert changed.finetune.r <= max(64, given.recipe.finetune.r)
            assert changed.data is not None and changed.data.max_length <= 512
            if changed.finetune.max_steps and changed.finetune.early_stopping:
                steps_made, every = changed.finetune.max_steps, changed.finetune.eval_steps
                evaluations = 10 if every is None else -(-steps_made // every)
                assert changed.finetune.early_stopping.patience <= evaluations - 2
    assert {"divergence", "overfitting", "underfitting", "supervision", "label noise", "forgetting"} <= seen


def test_advice_against_overfitting_by_the_length_of_the_run() -> None:
    """What is left of a run of 12 steps has four evaluations, and the quality monitor's steps are its own."""
    over = dict(zip(range(3, 31, 3), (2.0, 1.4, 1.2, 1.0, 1.6, 1.9, 2.2, 2.4, 2.6, 2.8), strict=True))
    losses = [loss for loss in (3, 2.2, 1, 0.6, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1) for _ in range(3)]
    for stopping, expected in (
        (None, {"finetune.early_stopping.patience": 2}),
        (8, {"finetune.early_stopping.patience": 2}),
    ):
        finetune: dict[str, Any] = {"max_steps": 30, "eval_steps": 3, "lora_dropout": 0.1}
        if stopping is not None:
            finetune["early_stopping"] = {"patience": stopping}
        [finding] = diagnose(evidence(made(losses, over), finetune=finetune)).findings
        assert changes(finding) == {"finetune.max_steps": 12, **expected}


def test_rows_longer_than_the_model_reads() -> None:
    """data.max_length cannot be raised beyond its context."""
    for context, expected in (
        (512, {"data.max_length": 512}),
        (256, {"data.source": None}),
        (None, {"data.max_length": 700}),
    ):
        rows = ROWS.model_copy(update={"too_long": 60, "enough": 700, "context": context})
        [finding] = diagnose(evidence(rows=rows)).findings
        assert finding.kind == "supervision" and set(changes(finding)) == set(expected)
        assert all(value is None or changes(finding)[key] == value for key, value in expected.items())


def test_a_run_without_a_step() -> None:
    diagnosis = diagnose(evidence())
    assert diagnosis.findings == () and diagnosis.missing["curves"] == "no step is recorded"
    assert curve_of(()) is None


@pytest.mark.parametrize(("value", "expected"), [(0.00123, 0.0012), (2.0e-5 / 3, 6.7e-6), (0.0, 0.0), (15.4, 15.0)])
def test_two_digits(value: float, expected: float) -> None:
    assert rounded(value) == pytest.approx(expected)
