"""Does the latency comparison tell the truth on this machine? Real re-runs of one artifact, at the default repetitions.

    python benchmarks/latency_trust.py runs/tiny-phi/export-cpu-int4 --pairs 40

Each session measures the artifact three times, interleaved as ``olivepress bench`` does: twice unchanged (A/A: any
reported difference is false), and once with every decode step lengthened by 5 % (a busy wait in the measuring process,
which must be reported as slower; see slowed_process.py). Writes benchmarks/latency_trust.json and .md. Safe to
interrupt; run again to resume.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from slowed_process import measured_slowed

from olivepress.core.artifact import read_manifest
from olivepress.core.files import write_text
from olivepress.measure.bench import Settings
from olivepress.measure.latency.latency import LatencySpec, Workload
from olivepress.report.device_report import LatencySample
from olivepress.report.machine import fingerprint
from olivepress.report.noise import compare_rounds, decode_by_round, noise_floor
from olivepress.stats.intervals import wilson

HERE = Path(__file__).parent
SLOWDOWN = 0.05
VARIANTS = {"a": 0.0, "a_again": 0.0, "slowed": SLOWDOWN}


def session(model_dir: Path, workload: Workload) -> dict[str, Any]:
    """One session with the default settings: the verdicts, and the figures behind them."""
    settings = Settings()
    samples: dict[str, list[LatencySample]] = {name: [] for name in VARIANTS}
    overhead = []
    for number in range(settings.rounds):
        names = list(VARIANTS)
        for name in names if number % 2 == 0 else reversed(names):
            spec = LatencySpec(
                model_dir=model_dir,
                workload=workload,
                round=number,
                repetitions=settings.repetitions,
                warmups=settings.warmups,
            )
            found = measured_slowed(spec, VARIANTS[name])
            samples[name] += [LatencySample.model_validate(sample) for sample in found["samples"]]
            step_ms = np.median([ms for sample in found["samples"] for ms in sample["step_ms"]])
            overhead.append(float(found["process"]["harness_step_ns"] / 1e6 / step_ms))
    rates = {name: decode_by_round(found, workload.name) for name, found in samples.items()}
    floors = {name: noise_floor(list(values.values())).value or 0.0 for name, values in rates.items()}
    compared = {
        name: compare_rounds(rates["a"], rates[name], floor=max(floors["a"], floors[name]))
        for name in ("a_again", "slowed")
    }
    return {
        "rates": {name: list(values.values()) for name, values in rates.items()},
        "noise_floor": floors["a"],
        "harness_overhead": float(np.median(overhead)),
        **{name: vars(difference) for name, difference in compared.items()},
    }


def summary(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares with their 95 % Wilson intervals."""
    n = len(sessions)
    false = sum(s["a_again"]["verdict"] != "cannot tell" for s in sessions)
    found = sum(s["slowed"]["verdict"] == "slower" for s in sessions)
    apart = sum(
        compare_rounds(*_rounds(a, b), floor=_floor(a, b)).verdict != "cannot tell" for a, b in pairwise(sessions)
    )
    return {
        "pairs": n,
        "false_differences": false,
        "false_differences_interval": wilson(false, n),
        "sessions_apart": n - 1,
        "sessions_apart_false": apart,
        "sessions_apart_interval": wilson(apart, n - 1) if n > 1 else None,
        "slowdowns_found": found,
        "slowdowns_found_interval": wilson(found, n),
        "noise_floor_median": float(np.median([s["noise_floor"] for s in sessions])),
        "harness_overhead_median": float(np.median([s["harness_overhead"] for s in sessions])),
        "harness_overhead_worst": max(s["harness_overhead"] for s in sessions),
    }


def _rounds(*sessions: dict[str, Any]) -> tuple[dict[int, float], ...]:
    return tuple(dict(enumerate(session["rates"]["a"])) for session in sessions)


def _floor(*sessions: dict[str, Any]) -> float:
    return max(float(session["noise_floor"]) for session in sessions)


def main() -> None:
    """Run the missing pairs, then write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--workload", default="128x128", help="prompt x generated tokens")
    parser.add_argument("--out", type=Path, default=HERE / "latency_trust.json")
    arguments = parser.parse_args()
    prompt, _, generated = arguments.workload.partition("x")
    workload = Workload(prompt_tokens=int(prompt), generated_tokens=int(generated))
    manifest = read_manifest(arguments.artifact)
    kept = arguments.out.with_suffix(".partial.json")
    before = json.loads(kept.read_text()) if kept.is_file() else {}
    what = [manifest.sha256, workload.name, fingerprint().model_dump(mode="json")]
    sessions = before["sessions"] if before.get("what") == what else []
    for _ in track(range(arguments.pairs - len(sessions)), "sessions", console=Console(stderr=True)):
        sessions.append(session(arguments.artifact, workload))
        write_text(kept, json.dumps({"what": what, "sessions": sessions}))
    settings = Settings()
    record = {
        "artifact": f"{manifest.recipe}/{manifest.job}",
        "artifact_sha256": manifest.sha256,
        "workload": workload.name,
        "rounds": settings.rounds,
        "repetitions": settings.repetitions,
        "planted_slowdown": SLOWDOWN,
        "machine": fingerprint().model_dump(mode="json"),
        **summary(sessions),
        "sessions": sessions,
    }
    write_text(arguments.out, json.dumps(record, indent=1) + "\n")
    write_text(arguments.out.with_suffix(".md"), markdown(record))
    kept.unlink(missing_ok=True)
    print(markdown(record), end="")


def markdown(record: dict[str, Any]) -> str:
    """The figures as Markdown."""
    n, machine = record["pairs"], record["machine"]
    false = f"{record['false_differences']} of {n} {_percent(record['false_differences_interval'])}"
    apart = (
        f"{record['sessions_apart_false']} of {record['sessions_apart']} {_percent(record['sessions_apart_interval'])}"
    )
    found = f"{record['slowdowns_found']} of {n} {_percent(record['slowdowns_found_interval'])}"
    return f"""# Can the latency comparison be trusted?

{record["artifact"]}, workload {record["workload"]}, {record["rounds"]} rounds of {record["repetitions"]} repetitions, \
{n} sessions on {machine["cpu"]} ({machine["logical_cores"]} cores, {machine["os"]}). Real re-runs, nothing simulated. \
Made by `python benchmarks/latency_trust.py`.

| question | answer |
|---|---|
| the same artifact reported as different, A/A, interleaved | {false} |
| the same artifact reported as different, one session against the next (not interleaved) | {apart} |
| a planted slowdown of {100 * record["planted_slowdown"]:.0f} % reported as slower | {found} |
| noise floor of decode_tps, median | {100 * record["noise_floor_median"]:.2f} % |
| measuring loop, share of a token's time | median {100 * record["harness_overhead_median"]:.4f} %, \
worst session {100 * record["harness_overhead_worst"]:.4f} % |
"""


def _percent(interval: tuple[float, float]) -> str:
    return f"({100 * interval[0]:.1f} to {100 * interval[1]:.1f} %)"


if __name__ == "__main__":
    main()
