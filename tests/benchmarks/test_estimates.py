"""What is estimated before a job runs, held against what jobs took: recorded runs, and rehearsals on real shapes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from estimates import OUT, estimated, estimated_seconds, markdown
from estimating import rehearsed_plan

from olivepress.catalog import ModelFacts, families
from olivepress.recipe.schema import Finetune
from olivepress.workflow import estimate as estimates
from olivepress.workflow.estimate import Shape, finetune_seconds, need
from olivepress.workflow.machine_rates import MachineRates, rates_of
from olivepress.workflow.row_lengths import RowLengths

RECORDED = json.loads(OUT.read_text(encoding="utf-8"))
REHEARSALS = OUT.parent / "rehearsals"
TWO_CORES = 2.45e11  # float32 operations a second of the machine that these were measured on
# As machine_rates measured the busy machine that Ministral 3 was rehearsed on, in processor time.
OF_MINISTRAL = MachineRates(float32_flops=3.2e10, bfloat16_flops=2.6e9, start=5.1)


def ratio(estimate: float, took: float) -> float:
    return max(estimate / took, took / estimate)


@pytest.mark.parametrize("record", RECORDED["jobs"], ids=lambda record: f"{record['run']}: {record['job']}")
def test_memory_of_a_recorded_job(record):
    facts = ModelFacts.model_validate(RECORDED["models"][record["model"]])
    assert ratio(estimated(record, facts), record["peak_memory_bytes"]) <= 1.3


TIMED = [record for record in RECORDED["jobs"] if record["processor_seconds"] is not None]


@pytest.mark.parametrize("record", TIMED, ids=lambda record: f"{record['run']}: {record['job']}")
def test_time_of_a_recorded_job(monkeypatch: pytest.MonkeyPatch, record):
    """The processor's own seconds, of one thread."""
    monkeypatch.setattr(estimates, "machine_rates", None)  # undone: the estimate sets it, too
    facts = ModelFacts.model_validate(RECORDED["models"][record["model"]])
    assert ratio(estimated_seconds(record, facts), record["processor_seconds"]) <= 1.3


def test_what_was_recorded_is_a_real_model_and_what_its_estimate_was_wrong_about():
    of_smollm2 = [record for record in RECORDED["jobs"] if record["model"] == "SmolLM2-135M-Instruct"]
    jobs = {record["job"] for record in of_smollm2}
    assert jobs >= {"finetune", "merge", "export-cpu-fp32", "export-cpu-int8", "export-cpu-int4-rtn"}
    assert max(record["peak_memory_bytes"] for record in of_smollm2) > 4.7e9  # plan said 1.5 GB


def steps(name: str) -> dict[str, dict[str, float]]:
    record = json.loads((REHEARSALS / f"{name}.json").read_text(encoding="utf-8"))
    return {step["name"]: step for step in record["steps"]}


@pytest.mark.parametrize("job", ["finetune", "merge", "export-cpu-int4-rtn"])
@pytest.mark.parametrize("name", ["phi", "llama", "qwen"])
def test_memory_of_a_rehearsed_job(project: Path, name: str, job: str):
    plan = rehearsed_plan(name)
    assert ratio(need(plan, plan.job(job)).memory_bytes, steps(name)[job]["peak_memory_bytes"]) <= 1.3


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "machine_rates", lambda: rates_of(TWO_CORES, bfloat16=True))


@pytest.mark.parametrize("job", ["finetune", "merge", "export-cpu-int4-rtn"])
@pytest.mark.parametrize("name", ["phi", "llama"])
def test_time_of_a_rehearsed_job(project: Path, monkeypatch: pytest.MonkeyPatch, two_cores, name: str, job: str):
    """Recorded before long rows were compared: none here, and as many rows as the merge's check says. Not qwen: the
    rate of the machine that it was rehearsed on is not known."""
    monkeypatch.setattr(estimates, "horizon", lambda config, parameters: SimpleNamespace(length=0))
    rows = {"phi": 9, "llama": 8}[name]
    assert f"{rows} validation rows" in (REHEARSALS / f"{name}.json").read_text(encoding="utf-8")
    monkeypatch.setattr(estimates, "REFERENCE_PROMPTS", rows)
    monkeypatch.setattr(estimates, "answer_seconds", lambda *_, **__: 0.0)  # of random weights, none are asked for
    plan = rehearsed_plan(name)
    assert ratio(need(plan, plan.job(job)).seconds, steps(name)[job]["seconds"]) <= 1.3


def test_time_of_a_calibrated_export(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Ministral 3's 3.4 billion parameters, most of them rounded by GPTQ: 62 minutes, of which plan said 25."""
    monkeypatch.setattr(estimates, "machine_rates", lambda: OF_MINISTRAL)
    monkeypatch.setattr(estimates, "answer_seconds", lambda *_, **__: 0.0)  # of random weights, none are asked for
    plan = rehearsed_plan("ministral")
    job = plan.job("export-cpu-int4")
    assert ratio(need(plan, job).seconds, steps("ministral")[job.id]["seconds"]) <= 1.3


def test_time_of_a_real_fine_tune(two_cores):
    """300 steps of 8 Banking77 rows, 60 tokens each: 12.5 minutes on two idle cores."""
    shape = Shape.of(families()["smollm"].models["HuggingFaceTB/SmolLM2-135M-Instruct"])
    settings = Finetune(batch_size=8, max_steps=300, torch_dtype="float32")
    rows = RowLengths(rows=8799, longest=144, mean=60.0, longest_logits=144, mean_logits=60.0)  # it had all logits
    seconds = finetune_seconds(shape, settings, rows)
    assert ratio(seconds, 750.0) <= 1.3


def test_the_table_is_of_the_records(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(estimates, "machine_rates", None)  # undone: the table sets it, too
    text = markdown(RECORDED)
    assert text == OUT.with_suffix(".md").read_text(encoding="utf-8")
    assert all(record["run"] in text for record in RECORDED["jobs"]) and "| phi | finetune | 9.31 GB |" in text
