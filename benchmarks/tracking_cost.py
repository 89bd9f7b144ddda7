"""What tracking costs of a fine-tune's wall time: the same fine-tune with and without it, in turns.

    python benchmarks/tracking_cost.py [--pairs 12] [--steps 100] [--measure-only]

Each pair runs the same fine-tune of the embedded model twice, the order rotated, in a project of its own: once with
``OLIVEPRESS_TRACKING=on`` into an embedded store, once with ``off``. What counts is the wall time of the job, from the
manifest: Olive's process, checks and hashes, without the end of the command, which waits for what is left to send and
is reported apart. A command and all its processes have one core, with one thread: so what tracking does competes with
the training and cannot hide on an idle core, and times vary less than those of two cores. Every core runs ``pairs``
pairs at once. A short fine-tune bears the most: MLflow is imported once. Writes benchmarks/tracking_cost.json and a
section of benchmarks/README.md; started again on the same day and machine, it adds to the pairs that are there.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from gain.work import key_of, read_record, write_record
from sections import write_section

from olivepress.core.artifact import read_manifest
from olivepress.core.layout import job_dir
from olivepress.report.machine import fingerprint

OUT = Path(__file__).parent / "tracking_cost.json"
AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")  # 1: each session has its share of a core (sched(7))
GOAL = 0.01
RECIPE = """\
name: lamp
model: {path: "embedded:tiny-phi"}
data: {demo: device-command}
finetune: {max_steps: STEPS, batch_size: 8, torch_dtype: float32}
targets: [cpu-int4]
"""


def once(project: Path, core: int, tracking: str) -> dict[str, float]:
    """One fine-tune: seconds of the job, and of the whole command."""
    began = time.monotonic()
    command = ["taskset", "--cpu-list", str(core), sys.executable, "-m", "olivepress"]
    command += ["run", "lamp.yaml", "--job", "finetune", "--quiet"]
    environment = {**os.environ, "OLIVEPRESS_TRACKING": tracking, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds = time.monotonic() - began
    artifact = project / job_dir("lamp", "finetune")
    job = read_manifest(artifact).resources.seconds
    subprocess.run(["rm", "-rf", str(artifact)], check=True)
    return {"job_s": job, "command_s": seconds}


def measure(core: int, pairs: int, steps: int) -> list[dict[str, Any]]:
    """Both of each pair, after one of each that does not count: the store's tables and the first hashes are made."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "lamp.yaml").write_text(RECIPE.replace("STEPS", str(steps)), encoding="utf-8")
        for tracking in ("off", "on"):
            once(project, core, tracking)
        rounds = []
        for number in range(pairs):
            order = ("on", "off") if (number + core) % 2 else ("off", "on")
            rounds.append({"core": core} | {tracking: once(project, core, tracking) for tracking in order})
            print(json.dumps(rounds[-1]), flush=True)
        return rounds


def on_every_core(pairs: int, steps: int) -> list[dict[str, Any]]:
    """The pairs of all cores of this process."""
    cores = sorted(os.sched_getaffinity(0))
    with ThreadPoolExecutor(len(cores)) as pool:
        series = pool.map(lambda core: measure(core, pairs, steps), cores)
        return [each for rounds in series for each in rounds]


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Median of the paired ratios with and without, minus 1, and its 95 % bootstrap interval."""
    ratios = np.array([each["on"]["job_s"] / each["off"]["job_s"] - 1 for each in rounds])
    drawn = np.median(np.random.default_rng(0).choice(ratios, (10_000, len(ratios))), axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    rest = {t: median(each[t]["command_s"] - each[t]["job_s"] for each in rounds) for t in ("on", "off")}
    return {
        "pairs": len(rounds),
        "job_s": median(each["off"]["job_s"] for each in rounds),
        "cost": float(np.median(ratios)),
        "cost_low": float(low),
        "cost_high": float(high),
        "goal": GOAL,
        "rest_of_command_s": rest,
    }


def text(result: dict[str, Any]) -> str:
    """The section of benchmarks/README.md."""
    cost, rest = result["summary"], result["summary"]["rest_of_command_s"]
    verdict = "is within"
    if cost["cost_high"] > GOAL:
        verdict = "is more than" if cost["cost_low"] > GOAL else "cannot be told from"
    return (
        f"`python benchmarks/tracking_cost.py`, {result['date']}, on {result['machine']}; {cost['pairs']} pairs of a "
        f"fine-tune of {cost['job_s']:.0f} s on one core, in turns, with and without tracking into the embedded "
        f"store, with Linux's sched_autogroup_enabled at {result['autogroups']}.\n\n"
        f"Cost of the job's wall time: **{cost['cost']:+.2%}** ({cost['cost_low']:+.2%} to {cost['cost_high']:+.2%}, "
        f"95 % bootstrap of the median of paired ratios), which {verdict} the goal of 1 %. The rest of the command "
        f"took {rest['on']:.1f} s with and {rest['off']:.1f} s without.\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=12, help="on each core")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--measure-only", action="store_true", help="print the figures and write nothing")
    options = parser.parse_args()
    date, machine = datetime.date.today().isoformat(), fingerprint().id
    autogroups = AUTOGROUPS.read_text(encoding="utf-8").strip() if AUTOGROUPS.exists() else None
    key = key_of(machine, date, options.steps, autogroups)
    earlier = read_record(OUT, key) or {"rounds": []}
    rounds = earlier["rounds"] + on_every_core(options.pairs, options.steps)
    result = {
        "date": date, "machine": machine, "steps": options.steps, "autogroups": autogroups,
        "summary": summary(rounds), "rounds": rounds,
    }  # fmt: skip
    print(text(result))
    if not options.measure_only:
        write_record(OUT, key, result)
        write_section("tracking cost", "## What tracking costs\n\n" + text(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
