"""Every diagnosis is provoked by a real small run, and healthy runs have none."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("olive.workflows")

from olivepress.synthetic.embedded import generate
from olivepress.train.diagnosis import diagnose
from olivepress.train.finding import Finding
from tests.train.real_runs import LORA, examined, write_rows
from tests.workflow.olive_plugin.training import FEW, NAME, rendered

Cli = Callable[..., subprocess.CompletedProcess[str]]
ALL = {"demo": "device-command", "max_length": 256}
TONES = {"demo": "phrase-tone", "max_length": 256}
CALM = "The station is near the river. A train leaves every hour, and the last one is at midnight. " * 40
LEARNS_TONES = {  # as recipes/tiny-tasks.yaml
    "r": 4, "alpha": 8, "target_modules": ["qkv_proj", "o_proj"], "batch_size": 32, "max_steps": 250,
    "learning_rate": 3.0e-3, "save_steps": 1000,
}  # fmt: skip
# Learned by heart from eight rows.
OVERFITS = {
    "max_steps": 40, "batch_size": 8, "learning_rate": 0.01, "lr_scheduler_type": "constant", "eval_steps": 2,
    "eval_rows": 8, "save_steps": 1000,
}  # fmt: skip


def changes(finding: Finding) -> dict[str, Any]:
    return {each.key: each.to for each in finding.changes}


def test_a_healthy_run_has_no_finding(project: Path) -> None:
    evidence = examined(project, LORA | {"max_steps": 60, "learning_rate": 3.0e-3}, ALL)
    diagnosis = diagnose(evidence)
    assert diagnosis.findings == ()
    assert diagnosis.examined == ("curves", "rows")
    assert evidence.rows is not None and evidence.rows.sampled == 300 and evidence.rows.trained_tokens > 0


def test_overfitting(project: Path) -> None:
    (finding,) = diagnose(examined(project, OVERFITS, FEW)).findings
    assert finding.kind == "overfitting"
    assert 0 < changes(finding)["finetune.max_steps"] < 30


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("finetune", "data"),
    [
        (LEARNS_TONES | {"batch_size": 16, "max_steps": 400}, TONES),
        (LORA | {"max_steps": 150, "learning_rate": 3.0e-3}, ALL),
        ({"method": "full", "batch_size": 16, "save_steps": 1000, "max_steps": 150, "learning_rate": 3.0e-4}, ALL),
    ],
    ids=["tones", "commands", "full"],
)
def test_healthy_runs(finetune: Mapping[str, Any], data: Mapping[str, Any], project: Path) -> None:
    """The losses of all their rows included."""
    diagnosis = diagnose(examined(project, finetune, data, losses=True))
    assert diagnosis.findings == ()
    assert diagnosis.examined == ("curves", "rows", "label noise")


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("finetune", "kind", "key"),
    [
        ({"max_steps": 12, "learning_rate": 1.0e-3}, "underfitting", "finetune.max_steps"),
        ({"max_steps": 40, "learning_rate": 2.0e-6}, "learning rate too low", "finetune.learning_rate"),
        ({"max_steps": 60, "learning_rate": 0.05}, "learning rate too high", "finetune.learning_rate"),
        (
            {"max_steps": 20, "learning_rate": 5.0, "lr_scheduler_type": "constant", "max_grad_norm": 1000.0},
            "divergence",
            "finetune.max_grad_norm",
        ),
    ],
    ids=["too short", "too low", "too high", "divergence"],
)
def test_curves(finetune: Mapping[str, Any], kind: str, key: str, project: Path) -> None:
    evidence = examined(project, LORA | dict(finetune), ALL)
    (finding,) = diagnose(evidence).findings
    assert finding.kind == kind and key in changes(finding)
    assert (evidence.not_finite is not None) == (kind == "divergence")


FOUR_STEPS = {"max_steps": 4, "batch_size": 4, "learning_rate": 1.0e-3, "eval_steps": 0, "keep": "last"}


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("case", "kind", "key"),
    [
        ("signs", "template", "data.source"),
        ("system", "template", "data.source"),
        ("long", "supervision", "data.max_length"),
        ("turns", "supervision", "finetune.train_on"),
    ],
)
def test_rows(case: str, kind: str, key: str, project: Path) -> None:
    findings = diagnose(examined(project, FOUR_STEPS, _rows(case, project))).findings
    (finding,) = [each for each in findings if each.kind in ("template", "supervision")]
    assert finding.kind == kind and key in changes(finding)


def _rows(case: str, project: Path) -> dict[str, Any]:
    """Rows of the demo, spoiled in one way; the test split of the second case is not."""
    folder = project / "rows"
    folder.mkdir()
    for split, rows in generate("device-command").items():
        made = []
        for number, row in enumerate(rows[:150]):
            prompt = f"[INST] {row.prompt} [/INST]" if case == "signs" else row.prompt
            if case == "long" and number % 4 == 0:
                prompt += " and please do so before the evening comes" * 12
            messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": row.answer}]
            if case == "turns":
                before = rows[number - 1]
                messages = [
                    {"role": "user", "content": before.prompt},
                    {"role": "assistant", "content": before.answer},
                    *messages,
                ]
            if case == "system" and split != "test":
                messages = [{"role": "system", "content": "You control a house."}, *messages]
            made.append({"messages": messages})
        write_rows(folder / f"{split}.jsonl", made)
    return {"source": "rows", "max_length": 128 if case == "long" else 512}


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_label_noise(project: Path) -> None:
    """One label in ten is another one: the rows listed are among those, and what the model suggests is the true one."""
    true = _noisy_tones(project)
    evidence = examined(project, LEARNS_TONES, {"source": "tones", "max_length": 256}, losses=True)
    (finding,) = [each for each in diagnose(evidence).findings if each.kind == "label noise"]
    assert len(finding.rows) == 10
    wrong = [row for row in finding.rows if true.get(row.prompt.removeprefix("user: "), row.answer) != row.answer]
    assert len(wrong) >= 9
    assert finding.rows[0].loss > 3.0


def _noisy_tones(project: Path) -> dict[str, str]:
    """Prompt → the true label of each row whose label was changed."""
    folder, random, true = project / "tones", Random(22), dict[str, str]()
    folder.mkdir()
    for split, rows in generate("phrase-tone").items():
        labels = sorted({str(row.label) for row in rows})
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["prompt", "completion"])
            for row in rows:
                answer = row.answer
                if split == "train" and random.random() < 0.1:
                    answer = random.choice([label for label in labels if label != row.answer])
                    true[" ".join(row.prompt.split())] = row.answer
                writer.writerow([row.prompt, answer])
    return true


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_forgetting(project: Path) -> None:
    finetune = {"method": "full", "batch_size": 16, "save_steps": 1000, "max_steps": 40, "learning_rate": 3.0e-3}
    evidence = examined(project, finetune, ALL, text=CALM)
    (finding,) = [each for each in diagnose(evidence).findings if each.kind == "forgetting"]
    assert finding.evidence["ratio"] == pytest.approx(
        _perplexity("runs/small/finetune/model") / _perplexity(), rel=0.05
    )
    assert changes(finding)["finetune.method"] == "lora"


def _perplexity(folder: str = "models/tiny-phi") -> float:
    """By plain transformers, in windows that do not overlap: not quite the same tokens are scored."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = AutoTokenizer.from_pretrained("models/tiny-phi")(CALM, add_special_tokens=False).input_ids
    losses = []
    for start in range(0, len(ids) - 64, 32):
        window = torch.tensor([ids[start : start + 64]])
        labels = window.clone()
        labels[0, :32] = -100
        with torch.no_grad():
            losses.append(float(model(input_ids=window, labels=labels).loss))
    return float(torch.tensor(losses).mean().exp())


KILLS = """
import os


def killed(logits, labels):
    os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_run_that_was_killed_for_memory(project: Path, olivepress_here: Cli) -> None:
    """From outside, as the kernel does it; then the same recipe as it should be, through the command."""
    Path("losses.py").write_text(KILLS)
    settings = FOUR_STEPS | {"loss": {"module": "losses.py:killed"}}
    rendered(project, settings, trust=True, data=FEW)
    assert olivepress_here("run", NAME, "--job", "finetune", "--trust-targets").returncode == 6
    done = olivepress_here("diagnose", NAME, "--json")
    assert done.returncode == 0, done.stderr
    [finding] = [each for each in json.loads(done.stdout)["findings"] if each["kind"] == "memory"]
    assert finding["evidence"]["peak_memory_bytes"] > 10**7
    assert {"key": "finetune.batch_size", "now": 4, "to": 2} in finding["changes"]
    rendered(project, LORA | {"max_steps": 60, "learning_rate": 3.0e-3}, data=ALL)
    assert olivepress_here("run", NAME, "--job", "finetune").returncode == 0
    healthy = olivepress_here("diagnose", f"{NAME}/finetune", "--rows", "40")
    assert healthy.stdout.startswith("small/finetune.2: no findings")
    assert "examined: curves, rows, label noise, memory" in healthy.stdout
    refused = olivepress_here("diagnose", f"{NAME}/finetune.1", "--rows", "40")
    assert refused.returncode == 6 and "its artifact is not here" in refused.stderr
