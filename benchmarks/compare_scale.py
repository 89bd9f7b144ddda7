"""How the cost of a comparison grows: synthetic reports (nothing was measured), each size in a process of its own.

    python benchmarks/compare_scale.py --reports 100 300 1000 --examples 2000

Ten recipes' ladders on several machines, every report with 5 workloads of raw samples and its examples beside it. Times
are wall seconds of reading, comparing and writing the page; memory is the peak of that process. Writes
benchmarks/compare_scale.json and .md.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from olivepress.compare.comparison import compare
from olivepress.compare.load import load
from olivepress.compare.render.page import to_html
from olivepress.core.files import write_text
from olivepress.core.process import peak_memory_bytes
from olivepress.report.device_report import DatasetUsed, DeviceReport, LatencySample, measured, write_report
from olivepress.report.examples import write_examples
from olivepress.report.machine import fingerprint
from olivepress.report.task_metrics import Example

HERE = Path(__file__).parent
LADDER = (
    ("base", "fp32", 0.1),
    ("finetune", "fp32", 0.95),
    ("export-cpu-fp32", "fp32", 0.95),
    ("export-cpu-int4", "int4", 0.93),
)
WORKLOADS, ROUNDS, REPETITIONS, STEPS = ("32x32", "128x128", "512x128", "2048x128", "datasetx32"), 10, 3, 127


def synthetic_report(number: int, examples: int, path: Path) -> None:
    """One report with raw samples and answers; its place on the ladder, recipe and machine follow from ``number``."""
    rng = random.Random(number)
    job, precision, share = LADDER[number % len(LADDER)]
    recipe, machine = f"recipe-{number // len(LADDER) % 10}", f"machine-{number // (len(LADDER) * 10)}"
    exported = job.startswith("export")
    answered = [
        Example(id=f"e{i:05d}", output=f"answer {i}" if rng.random() < share else "wrong", expected=f"answer {i}")
        for i in range(examples)
    ]
    name, sha256 = write_examples(answered, path)
    rate = 50.0 if precision == "fp32" else 90.0
    right = sum(example.correct for example in answered) / examples
    metrics = {
        "exact_match": measured("exact_match", right, n=examples),
        "size_on_disk_bytes": measured("size_on_disk_bytes", rate, n=1),
    }
    if exported:
        metrics |= {
            "decode_tps": measured("decode_tps", rate, n=30),
            "ttft_ms": measured("ttft_ms", 100.0, n=30),
            "noise_floor": measured("noise_floor", 0.01, n=10),
        }
    report = DeviceReport(
        recipe=recipe,
        job=job,
        artifact_sha256=f"{number:064x}",
        runtime="onnxruntime-genai" if exported else "pytorch",
        execution_provider="CPUExecutionProvider",
        device="cpu",
        precision=precision,
        machine=fingerprint().model_copy(update={"id": machine}),
        dataset=DatasetUsed(name=recipe, version="ab" * 32, split="test", n=examples, of=examples),
        created_at="2026-01-02T00:00:00+00:00",
        settings={},
        bench_session=f"{recipe}-{machine}",
        headline_workload="128x128" if exported else None,
        workloads=(),
        metrics=metrics,
        samples=tuple(_samples(rng, rate)) if exported else (),
        examples_file=name,
        examples_sha256=sha256,
        emulated=False,
        random_weights=False,
        synthetic_data=True,
    )
    write_report(report, path)


def _samples(rng: random.Random, rate: float) -> list[LatencySample]:
    return [
        LatencySample(
            workload=workload,
            round=number,
            repetition=repetition,
            ttft_ms=100.0 * rng.uniform(0.99, 1.01),
            request_ttft_ms=110.0,
            step_ms=tuple(1e3 / rate * rng.uniform(0.98, 1.02) for _ in range(STEPS)),
        )
        for workload in WORKLOADS
        for number in range(ROUNDS)
        for repetition in range(REPETITIONS)
    ]


def measure(folder: Path) -> dict[str, Any]:
    """Seconds of each stage and the peak memory of this process, over all reports in ``folder``."""
    stamps = [time.perf_counter()]
    items = load(sorted(folder.glob("*.json")))
    stamps.append(time.perf_counter())
    document = compare(items)
    stamps.append(time.perf_counter())
    page = to_html(document)
    stamps.append(time.perf_counter())
    load_s, compare_s, page_s = (b - a for a, b in pairwise(stamps))
    return {
        "reports": len(items),
        "verdicts": len(document.verdicts),
        "load_s": load_s,
        "compare_s": compare_s,
        "page_s": page_s,
        "total_s": stamps[-1] - stamps[0],
        "peak_memory_bytes": peak_memory_bytes(),
        "page_bytes": len(page.encode()),
    }


def main() -> None:
    """Every size in a process of its own, then both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        made = 0
        for size in sorted(arguments.reports):
            for number in range(made, size):
                synthetic_report(number, arguments.examples, Path(scratch, f"r{number:05d}.json"))
            made = size
            command = [sys.executable, __file__, "--measure", scratch]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(rows[-1], file=sys.stderr)
    record = {"examples": arguments.examples, "machine": fingerprint().model_dump(mode="json"), "sizes": rows}
    write_text(HERE / "compare_scale.json", json.dumps(record, indent=1) + "\n")
    write_text(HERE / "compare_scale.md", markdown(record))
    print(markdown(record), end="")


def markdown(record: dict[str, Any]) -> str:
    """The figures as a table."""
    lines = [
        "# How the cost of a comparison grows",
        "",
        f"Synthetic reports of {record['examples']} examples and {len(WORKLOADS) * ROUNDS * REPETITIONS} raw latency "
        f"samples each (nothing was measured), on {record['machine']['cpu']} ({record['machine']['logical_cores']} "
        "cores). Made by `python benchmarks/compare_scale.py`.",
        "",
        "| reports | verdicts | read | compare | page | total | peak memory | page size |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['reports']} | {row['verdicts']} | {row['load_s']:.1f} s | {row['compare_s']:.1f} s "
        f"| {row['page_s']:.1f} s | {row['total_s']:.1f} s | {row['peak_memory_bytes'] / 1e9:.2f} GB "
        f"| {row['page_bytes'] / 1e6:.1f} MB |"
        for row in record["sizes"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
