"""What olivepress itself costs: plan, render, lint and report of six targets for three families.

    make pipeline-cost

Each run is a process of its own, imports included. Nothing is trained or downloaded; the eighteen device reports that
are compared are synthetic (nothing was measured). Writes benchmarks/pipeline_cost.json and a section of
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from compare_scale import synthetic_report
from peers.summary import median
from peers.table import figure
from sections import write_section

from olivepress.compare.comparison import compare
from olivepress.compare.load import load
from olivepress.compare.render.page import to_html
from olivepress.report.machine import fingerprint

OUT = Path(__file__).parent / "pipeline_cost.json"
FAMILIES = ("phi", "llama", "qwen")
TARGETS = ("cpu-int4", "cuda-int4", "directml-int4", "qnn-npu-w4a16", "openvino-cpu-int4", "webgpu-int4")
RUNS, EXAMPLES, GOAL_S = 7, 500, 10.0
STAGES = ("import_s", "plan_s", "render_s", "lint_s", "report_s", "total_s")


def once(project: Path, began: float) -> dict[str, float]:
    """Seconds of each stage over all families; ``began`` is when the process was started (time.time())."""
    from olivepress.pipeline.lint import lint_workflows
    from olivepress.pipeline.plan import load_plan
    from olivepress.pipeline.render import write_workflows

    os.chdir(project)
    marks, found = time.time(), dict.fromkeys(STAGES, 0.0)
    found["import_s"] = marks - began

    def lap(stage: str) -> None:
        nonlocal marks
        found[stage], marks = found[stage] + time.time() - marks, time.time()

    for family in FAMILIES:
        plan = load_plan(family)
        lap("plan_s")
        workflows = write_workflows(plan)
        lap("render_s")
        lint_workflows(workflows)
        lap("lint_s")
    (project / "report.html").write_text(to_html(compare(load(sorted((project / "reports").glob("*.json"))))))
    lap("report_s")
    found["total_s"] = marks - began
    return found


def prepare(project: Path) -> None:
    """The recipes of the three families with six targets each, and a report for every export."""
    source = Path(__file__).parent.parent / "recipes"
    (project / "recipes").mkdir()
    (project / "reports").mkdir()
    for family in FAMILIES:
        lines = (source / f"{family}.yaml").read_text(encoding="utf-8").splitlines()
        kept, inside = [], False
        for line in lines:
            inside = line.startswith("targets:") or (inside and line.startswith((" ", "-", "]")))
            kept += [] if inside else [line]
        text = "\n".join([*kept, f"targets: [{', '.join(TARGETS)}]"])
        (project / "recipes" / f"{family}.yaml").write_text(text + "\n", encoding="utf-8")
        command = [sys.executable, "-c", "from olivepress.cli.main import main; main()", "prepare", family]
        subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)
    for number in range(len(FAMILIES) * len(TARGETS)):
        synthetic_report(number, EXAMPLES, project / "reports" / f"r{number:02d}.json")


def measure(runs: int) -> list[dict[str, float]]:
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        prepare(Path(scratch))
        for _ in range(runs):
            command = [sys.executable, __file__, "--once", scratch, str(time.time())]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"CI": "1"})
            found.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def markdown(record: dict[str, Any]) -> str:
    lines = [
        "## What the pipeline itself costs",
        "",
        f"`make pipeline-cost`, {record['date']}, on {record['machine']['id']}: {len(FAMILIES)} families "
        f"({', '.join(FAMILIES)}) with {len(TARGETS)} targets each ({', '.join(TARGETS)}), offline; the "
        f"{len(FAMILIES) * len(TARGETS)} device reports are synthetic. Seconds, median of {record['runs']} processes "
        "and 95 % bootstrap interval.",
        "",
        "| imports | plan | render | lint | report | all | goal |",
        "|---:|---:|---:|---:|---:|---:|---|",
    ]
    cells = [figure(record["stages"][stage], 2) for stage in STAGES]
    high = record["stages"]["total_s"].get("ci_high", record["stages"]["total_s"]["value"])
    return "\n".join([*lines, f"| {' | '.join(cells)} | under {GOAL_S:g} s: {'met' if high < GOAL_S else 'missed'} |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--once", nargs=2, metavar=("PROJECT", "BEGAN"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        print(json.dumps(once(Path(given.once[0]), float(given.once[1]))))
        return
    found = measure(given.runs)
    record = {
        "machine": fingerprint().model_dump(mode="json"), "date": datetime.date.today().isoformat(),
        "runs": given.runs, "synthetic_reports": True, "targets": TARGETS, "families": FAMILIES,
        "stages": {stage: median([one[stage] for one in found]) for stage in STAGES},
    }  # fmt: skip
    OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    write_section("pipeline-cost", markdown(record))
    print(markdown(record))


if __name__ == "__main__":
    main()
