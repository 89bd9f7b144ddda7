"""The device benchmark as a user runs it: of a recipe, of a carried artifact, killed, and on a damaged copy."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import wilcoxon

from olivepress.core.errors import ReportError
from olivepress.measure.tuning.search import SearchResult
from olivepress.pipeline import tune as session_tuning
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.reports import report_paths
from olivepress.report.device_report import DeviceReport, read_report, write_report
from olivepress.report.registry import METRICS
from olivepress.runtimes.session_space import Options
from tests.conftest import ROOT

Cli = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-c", "from olivepress.cli.main import main; main()"]


def reports_of(project: Path) -> dict[str, DeviceReport]:
    return {path.stem: read_report(path) for path in project.glob("benchmarks/results/*/small/*.json")}


def test_the_ladder_of_a_recipe(small: Path, olivepress: Cli) -> None:
    done = olivepress("bench", "small", "--quiet")
    assert done.returncode == 0, done.stderr
    found = reports_of(small)
    assert sorted(found) == ["base", "export-cpu-fp32", "export-cpu-int4", "few-shot", "finetune", "merge"]
    for report in found.values():
        assert set(report.metrics) == set(METRICS)
        assert all((m.value is None) == bool(m.reason) for m in report.metrics.values())
        assert report.metrics["exact_match"].n == 6 and report.metrics["perplexity"].value
        assert report.metrics["label_accuracy_constrained"].n == 6
    export = found["export-cpu-int4"]
    assert found["few-shot"].settings["few_shot"] == 2 and export.settings["few_shot"] == 0
    assert export.metrics["kl_divergence"].value and export.metrics["decode_tps"].value
    spent = sum(export.metrics[name].value or 0.0 for name in ("train_s", "build_s", "evaluation_s"))
    assert export.metrics["cost"].value == pytest.approx(spent) and export.settings["currency"] == "EUR"
    # Plain Olive's own metrics.json, written by our evaluator in the export job, says the same of the same artifact.
    olive = json.loads((small / "runs" / "small" / "export-cpu-int4" / "metrics.json").read_text())
    assert "olivepress-exact_match" in olive and len(olive) >= 5
    assert olive.pop("olivepress-rows")["value"] == 6
    for name, entry in olive.items():
        metric = name.removeprefix("olivepress-")
        assert export.metrics[metric].value == entry["value"], metric
        assert entry["higher_is_better"] == (METRICS[metric].direction == "higher")
    shown = olivepress("report", "small", "--full")
    assert shown.returncode == 0 and "few-shot" in shown.stdout and "EUR" in shown.stdout


def test_a_carried_artifact_is_measured_without_its_project(small: Path, tmp_path: Path, olivepress: Cli) -> None:
    assert olivepress("bench", "small", "--job", "export-cpu-int4", "--quiet").returncode == 0
    here = reports_of(small)["export-cpu-int4"]
    device = tmp_path / "device"
    shutil.copytree(small / "runs" / "small" / "export-cpu-int4", device / "artifact")
    (dataset,) = (small / "datasets").iterdir()
    options = ["--data", str(dataset), "--out", str(device / "r.json"), "--rounds", "1", "--workload", "16x8"]
    options += ["--lm-eval", "dataset"]
    done = olivepress("bench", str(device / "artifact"), *options, "--json", cwd=device)
    assert done.returncode == 0, done.stderr
    (path,) = json.loads(done.stdout)
    there = read_report(device / path)
    for name in ("exact_match", "f1_macro", "label_accuracy_constrained", "kl_top256", "top1_agreement"):
        assert there.metrics[name].value == here.metrics[name].value, name
    # The harness's own code, on the same rows: a second opinion on the constrained accuracy.
    assert there.lm_eval["dataset/acc"].n == 6
    assert there.lm_eval["dataset/acc"].value == there.metrics["label_accuracy_constrained"].value
    assert "kept on the build machine" in str(there.metrics["kl_divergence"].reason)
    assert there.artifact_sha256 == here.artifact_sha256 and there.metrics["train_s"].value is None


@pytest.mark.slow
def test_the_decision_is_the_written_out_one(small: Path, olivepress: Cli) -> None:
    """Two targets measured by the pipeline; scipy's test of the rounds and the rule by hand say what the page says."""
    recipe = small / "recipes" / "small.yaml"
    fields = yaml.safe_load(recipe.read_text())
    fields["benchmark"] |= {"rounds": 10, "few_shot": 0, "workloads": [[16, 8]]}
    recipe.write_text(yaml.safe_dump(fields))
    assert olivepress("bench", "small", "--quiet").returncode == 0
    done = olivepress("report", "small", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (decision,) = document["decisions"]
    found = reports_of(small)
    fp32, int4 = found["export-cpu-fp32"], found["export-cpu-int4"]
    for metric in ("ttft_ms", "decode_tps"):
        rounds = [
            {
                s.round: [
                    t.ttft_ms if metric == "ttft_ms" else 1 / sum(t.step_ms) for t in r.samples if t.round == s.round
                ]
                for s in r.samples
            }
            for r in (fp32, int4)
        ]
        a, b = (np.array([np.median(values) for _, values in sorted(by_round.items())]) for by_round in rounds)
        logs = np.log(b / a) if metric == "decode_tps" else np.log(a / b)
        floor = max(r.metrics["noise_floor"].value or 0.0 for r in (fp32, int4))
        walsh = [(x + y) / 2 for i, x in enumerate(logs) for y in logs[i:]]
        expected = "cannot tell"
        if wilcoxon(logs, method="exact").pvalue <= 0.01 and abs(np.expm1(np.median(walsh))) > floor:
            expected = "better" if np.median(walsh) > 0 else "worse"
        calls = {(v["a"], v["b"]): v["call"] for v in document["verdicts"] if v["metric"] == metric}
        assert calls["export-cpu-fp32", "export-cpu-int4"] == expected, metric
    # Whatever the speed: none of six right is useless, and a few of six are too few to tell.
    useless = all(r.metrics["exact_match"].value == 0 for r in (fp32, int4))
    assert decision["chosen"] == [] and decision["outcome"] == ("do_not_ship" if useless else "cannot_tell"), decision
    assert decision["reason"]["code"] == ("nothing_right" if useless else "too_few_examples")
    page = (small / "runs" / "small" / "report" / "report.html").read_text()
    assert ("do not ship" if useless else "cannot recommend") in page


@pytest.mark.slow  # one more export
def test_a_provider_that_is_not_here(small: Path, tmp_path: Path, olivepress: Cli) -> None:
    """It fails; with --allow-fallback it is measured on the CPU and the report says so; its own reports are shown."""
    recipe = small / "recipes" / "small.yaml"
    recipe.write_text(yaml.safe_dump(yaml.safe_load(recipe.read_text()) | {"targets": ["cuda-int4"]}))
    assert olivepress("run", "small").returncode == 0
    artifact = small / "runs" / "small" / "export-cuda-int4"
    options = ["--rounds", "1", "--repetitions", "1", "--workload", "16x8", "--limit", "2"]
    refused = olivepress("bench", str(artifact), *options)
    assert refused.returncode == 6 and "placed nodes on the CPU" in refused.stderr
    assert not list(small.glob("benchmarks/results/*/small/export-cuda-int4.json"))
    done = olivepress("bench", str(artifact), *options, "--allow-fallback", "--json")
    assert done.returncode == 0, done.stderr
    report = read_report(small / json.loads(done.stdout)[0])
    assert report.execution_provider == "CUDAExecutionProvider" and report.placement is not None
    assert report.placement.fallback and set(report.placement.nodes) == {"CPUExecutionProvider"}
    assert any("nodes ran on the CPU" in warning for warning in report.warnings)
    assert report.metrics["decode_tps"].value and report.settings["runtime_device"] == "CPU"
    shown = olivepress("report", "small", "--full")
    assert shown.returncode == 0 and "cuda-int4" in shown.stdout


def test_no_option_is_taken_and_then_ignored(small: Path, olivepress: Cli) -> None:
    artifact = str(small / "runs" / "small" / "export-cpu-int4")
    for arguments, says in (
        (("small", "--reference", "nonsense"), "--reference is for an artifact"),
        (("small", "--out", "r.json"), "--out is for an artifact"),
        ((artifact, "--job", "base"), "--job is for a recipe"),
        (("small", "--job", "base", "--lm-eval", "arc_easy"), "no exported artifact is measured"),
        ((artifact, "--lm-eval-tasks", "nowhere"), "--lm-eval-tasks without --lm-eval"),
        ((str(small / "runs" / "small" / "merge"),), "a merge, not an export"),
    ):
        done = olivepress("bench", *arguments)
        assert done.returncode == 2 and says in done.stderr, done.stderr
    assert not (small / "benchmarks" / "results").exists()


def test_an_export_of_another_merge_is_not_measured_with_it(small: Path, olivepress: Cli) -> None:
    manifest = small / "runs" / "small" / "export-cpu-int4" / "manifest.json"
    fields = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(fields | {"parent_sha256": "0" * 64}))
    done = olivepress("bench", "small", "--job", "export-cpu-int4")
    assert done.returncode == 2 and "made from another merge" in done.stdout + done.stderr
    manifest.write_text(json.dumps(fields | {"sha256": "0" * 64}))
    done = olivepress("bench", str(manifest.parent))
    assert done.returncode == 8 and "its sha256 is not that of the files it lists" in done.stderr


def test_killed_in_the_middle_it_goes_on(small: Path, olivepress: Cli) -> None:
    arguments = ["bench", "small", "--job", "export-cpu-int4", "--rounds", "8", "--quiet"]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while len(list(small.glob("benchmarks/results/*/small/.bench-session-*/export-cpu-int4/latency-*.json"))) < 3:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = list(small.glob("benchmarks/results/*/small/.bench-session-*/export-cpu-int4/latency-*.json"))
    written = {path: path.stat().st_mtime_ns for path in kept}
    done = olivepress(*arguments)
    assert done.returncode == 0, done.stderr
    report = reports_of(small)["export-cpu-int4"]
    assert len(report.processes) == 16 and len(written) >= 3
    assert any("resumed after an interruption" in warning for warning in report.warnings)
    assert not list(small.glob("benchmarks/results/*/small/.*"))


def test_a_tuned_artifact_keeps_the_reports_of_other_machines(
    small: Path, olivepress: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's report is of other settings and goes; another machine's is of the same tokens and stays."""
    bench = ("bench", "small", "--job", "export-cpu-int4", "--rounds", "1", "--workload", "16x8", "--limit", "2")
    assert olivepress(*bench, "--quiet").returncode == 0
    plan, (path,) = load_plan("small"), small.glob("benchmarks/results/*/small/export-cpu-int4.json")
    assert [found.name for found in report_paths(plan)] == [path.name]
    winner = Options(session={"intra_op_num_threads": 1})
    found = SearchResult(winner=winner, reason="planted", alternatives=(), confirmed=None, not_searched={}, answers=9,
                  answer_tokens=90)  # fmt: skip
    monkeypatch.setattr(session_tuning, "search", lambda plan: found)
    tuning = session_tuning.tune(Path("runs", "small", "export-cpu-int4"), budget_s=60.0)
    with pytest.raises(ReportError, match="no device report of its artifacts"):
        report_paths(plan)
    machine = read_report(path).machine.model_copy(update={"id": "other"})
    elsewhere = path.parents[2] / "other" / "small" / path.name
    write_report(read_report(path).model_copy(update={"machine": machine}), elsewhere)
    assert [found.resolve() for found in report_paths(plan)] == [elsewhere.resolve()]
    assert olivepress(*bench, "--quiet").returncode == 0
    assert len(report_paths(plan)) == 2
    assert read_report(path).settings["untuned_sha256"] == tuning.untuned_sha256
    assert read_report(path).settings["intra_op_num_threads"] == 1


@pytest.mark.slow
def test_what_must_not_be_measured(small: Path, olivepress: Cli) -> None:
    artifact = small / "runs" / "small" / "export-cpu-int4"
    (dataset,) = (small / "datasets").iterdir()
    merged = olivepress("bench", str(artifact), "--workload", "16")
    assert merged.returncode == 2 and "expected PxG as 128x128" in merged.stderr
    with (artifact / "model.onnx.data").open("r+b") as file:
        file.seek(1000)
        file.write(b"damaged")
    damaged = olivepress("bench", str(artifact), "--data", str(dataset))
    assert damaged.returncode != 0 and "model.onnx.data is not the file its manifest names" in damaged.stderr
    assert "Traceback" not in damaged.stderr
    damaged = olivepress("bench", "small", "--job", "export-cpu-int4")
    assert damaged.returncode == 8 and "is not the file its manifest names" in damaged.stderr
    # What every verb refuses, the next run makes again and says so: bench and run never send a person to each other.
    for verb in (["chat"], ["tune", "--budget", "1"], ["profile"]):
        refused = olivepress(verb[0], str(artifact), *verb[1:], *(["--prompt", "on"] if verb == ["chat"] else []))
        assert refused.returncode == 8 and "is not the file its manifest names" in refused.stderr, verb
    again = olivepress("run", "small", "--job", "export-cpu-int4", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["jobs"][0]["state"] == "done"
    assert olivepress("run", "small", "--job", "export-cpu-int4").stderr.count("kept, nothing changed") == 1
    assert not list(small.glob("benchmarks/results/*/small/*.json"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_environment_without_torch_and_olive_agrees(small: Path, tmp_path: Path, olivepress: Cli) -> None:
    """A clean environment with the base install and [cpu] only gives the same accuracy and kl_top256."""
    assert olivepress("bench", "small", "--job", "export-cpu-int4", "--quiet").returncode == 0
    here = reports_of(small)["export-cpu-int4"]
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    install = ["-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "requirements.lock"), f"{ROOT}[cpu]"]
    subprocess.run([python, *install], check=True, capture_output=True)
    listed = subprocess.run([python, "-m", "pip", "list"], check=True, capture_output=True, text=True).stdout.lower()
    assert "onnxruntime-genai" in listed
    assert not {"torch", "transformers", "olive-ai", "peft"} & {line.split()[0] for line in listed.splitlines()}
    device = tmp_path / "device"
    shutil.copytree(small / "runs" / "small" / "export-cpu-int4", device / "artifact")
    (dataset,) = (small / "datasets").iterdir()
    command = [str(venv / "bin" / "olivepress"), "bench", str(device / "artifact"), "--data", str(dataset)]
    command += ["--out", str(device / "r.json"), "--rounds", "2", "--workload", "16x8"]
    done = subprocess.run(command, cwd=device, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    there = read_report(device / "r.json")
    assert "torch" not in there.machine.packages and there.metrics["decode_tps"].value
    for name in ("exact_match", "f1_macro", "label_accuracy_constrained", "kl_top256", "top1_agreement"):
        assert there.metrics[name].value == here.metrics[name].value, name
