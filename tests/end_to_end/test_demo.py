"""The demo's promise, through real Olive: the base scores low, the fine-tuned fp32 at least 90 %, for three seeds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.report.device_report import read_report

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_demo_task_is_learned(project: Path, olivepress: Cli, seed: int) -> None:
    text = (project / "recipes" / "tiny-phi.yaml").read_text()
    text = text.replace("name: tiny-phi", "name: seeded").replace("  r: 16\n", f"  r: 16\n  seed: {seed}\n")
    text = text.replace("targets: [cpu-fp32, cpu-int4, cuda-int4]", "targets: [cpu-int4]")
    (project / "recipes" / "seeded.yaml").write_text(text)
    for verb in ("run", "bench"):
        done = olivepress(verb, "seeded")
        assert done.returncode == 0, done.stderr
    reports = [read_report(path) for path in project.glob("benchmarks/results/*/seeded/*.json")]
    found = {report.job: report.metrics for report in reports}
    base, merged = found["base"]["exact_match"], found["merge"]["exact_match"]
    quantized = found["export-cpu-int4"]
    print(
        f"seed {seed}: base {base.value}, fine-tuned {merged.value}, int4 {quantized['exact_match'].value} (n={base.n})"
    )
    assert base.n is not None and base.n >= 500
    assert base.value is not None and base.value < 0.2
    assert merged.value is not None and merged.value >= 0.9
    # What 4 bits cost is measured, and not nothing.
    assert (quantized["kl_divergence"].value or 0.0) > 1e-4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_demo_prints_what_to_ship_and_writes_the_page(project: Path, olivepress: Cli) -> None:
    done = olivepress("demo", "--quiet")
    assert done.returncode == 0, done.stderr
    sentence = " ".join(done.stdout.split())
    assert "Ship cpu-int4 on" in sentence and "cpu-fp32" in sentence
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    full = " ".join(olivepress("report", "tiny-phi", "--full").stdout.split())
    assert "ship export-cpu-int4" in full and "base → finetune, Exact match" in full
    page = (project / "runs" / "tiny-phi" / "report" / "report.html").read_text()
    assert "://" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert done.stderr == ""
