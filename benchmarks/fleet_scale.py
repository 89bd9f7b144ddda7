"""How the import of a fleet's reports grows: simulated reports (nothing was measured), really signed and really read.

    python benchmarks/fleet_scale.py --reports 1000 3000 10000 --importers 1 4

Each machine has a key of its own and sends one report with 30 raw latency samples and 200 answers. One in fifty files
is damaged after it was signed. Every size is imported into an empty index by so many processes at once on the same
folder, then imported again, then its state is computed. Seconds are wall time from the first process's start to the
last one's end, imports of Python included; memory is the largest peak of one process. Writes
benchmarks/fleet_scale.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet_simulation import CLASSES, Simulated, bundle_file, report_file

from olivepress.core.files import bytes_below, write_text
from olivepress.core.process import peak_memory_bytes
from olivepress.fleet.create import init_fleet
from olivepress.fleet.page import status_html
from olivepress.fleet.receive import import_folder
from olivepress.fleet.records import SECRETS, read_fleet
from olivepress.fleet.status import fleet_status
from olivepress.report.machine import fingerprint

HERE = Path(__file__).parent
NAME, BUNDLE, INCOMING = "simulated", Path("tickets.zip"), Path("incoming")
NOW = datetime(2026, 11, 25, tzinfo=UTC)
QUESTIONS, DAMAGED_EVERY = 200, 50


def machine_name(number: int) -> str:
    return f"m{number:05d}"


def make_fleet(machines: int) -> str:
    """A fleet of so many machines in the current folder; the bundle's sha256."""
    sha256 = bundle_file(BUNDLE)
    names = list(CLASSES)
    lines = [f"{machine_name(number)},{names[number % len(names)]}" for number in range(machines)]
    write_text(Path("machines.csv"), "\n".join(["machine,class", *lines]) + "\n")
    init_fleet(NAME, BUNDLE, Path("machines.csv"), now=NOW)
    return sha256


def send(number: int, bundle_sha256: str) -> None:
    """The report of a machine; one in fifty was damaged on its way."""
    rng = random.Random(number)
    rate = list(CLASSES.values())[number % len(CLASSES)] * rng.lognormvariate(0.0, 0.05)
    if rng.random() < 0.002:
        rate /= 2  # an outlier
    simulated = Simulated(
        bundle_sha256=bundle_sha256, decode_tps=rate, questions=QUESTIONS, samples=True, seed=number,
        wrong=frozenset(rng.sample(range(QUESTIONS), 9)), peak_memory_bytes=1.5e9 * rng.lognormvariate(0.0, 0.01),
    )  # fmt: skip
    path = INCOMING / f"{number % 100:02d}" / f"{machine_name(number)}.report.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    report_file(path, read_fleet(NAME).folder / SECRETS / f"{machine_name(number)}.key", simulated)
    if number % DAMAGED_EVERY == 0:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


def timed(step: str, processes: int) -> tuple[float, list[dict[str, Any]]]:
    """Wall seconds of so many processes that do a step at once, and what each of them says."""
    begin = time.perf_counter()
    command = [sys.executable, __file__, "--step", step]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    results = [json.loads(process.communicate()[0]) for process in started]
    return time.perf_counter() - begin, results


def run_step(step: str) -> dict[str, Any]:
    """In a process of its own."""
    fleet = read_fleet(NAME)
    if step == "import":
        imported = import_folder(fleet, INCOMING, now=NOW)
        facts = {"new": imported.new, "refused": len(imported.refused), "unchanged": imported.unchanged}
    else:
        status = fleet_status(fleet)
        facts = {"reported": status.reported, "refused": len(status.refused), "page_bytes": len(status_html(status))}
    return {**facts, "peak_memory_bytes": peak_memory_bytes()}


def measure(size: int, importers: int) -> dict[str, Any]:
    """One row: an empty index, the import, the import again, the state."""
    index = read_fleet(NAME).folder / "index.sqlite"
    index.unlink(missing_ok=True)
    import_s, results = timed("import", importers)
    again_s, again = timed("import", 1)
    status_s, (state,) = timed("status", 1)
    damaged = len(range(0, size, DAMAGED_EVERY))
    if sum(each["new"] for each in results) != size - damaged or state["refused"] != damaged or again[0]["new"]:
        raise SystemExit(f"{size} reports, {damaged} damaged: counted {results}, then {again}, {state}")
    return {
        "reports": size,
        "importers": importers,
        "import_s": import_s,
        "again_s": again_s,
        "status_s": status_s,
        "import_peak_memory_bytes": max(each["peak_memory_bytes"] for each in results),
        "status_peak_memory_bytes": state["peak_memory_bytes"],
        "index_bytes": index.stat().st_size,
        "page_bytes": state["page_bytes"],
    }


def main() -> None:
    """Grow one folder from size to size, measure each, then write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, nargs="+", default=[1000, 3000, 10_000])
    parser.add_argument("--importers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--step", choices=("import", "status"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(run_step(arguments.step)))
        return
    out, home = arguments.out.absolute(), Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            rows, report_bytes = measured(sorted(arguments.reports), arguments.importers)
        finally:
            os.chdir(home)
    record = {"machine": fingerprint().model_dump(mode="json"), "report_bytes": report_bytes, "sizes": rows}
    write_text(out / "fleet_scale.json", json.dumps(record, indent=1) + "\n")
    write_text(out / "fleet_scale.md", markdown(record))
    print(markdown(record), end="")


def measured(sizes: Sequence[int], importers: Sequence[int]) -> tuple[list[dict[str, Any]], int]:
    """The rows, and the bytes of one report."""
    sha256, rows, sent = make_fleet(max(sizes)), [], 0
    for size in sizes:
        for number in range(sent, size):
            send(number, sha256)
        sent = size
        for processes in importers:
            rows.append(measure(size, processes))
            print(rows[-1], file=sys.stderr)
    return rows, bytes_below(INCOMING) // sent


def markdown(record: dict[str, Any]) -> str:
    """The figures as a table."""
    lines = [
        "# How the import of a fleet's reports grows",
        "",
        f"Simulated reports of {record['report_bytes'] / 1e3:.0f} kB with their answers (nothing was measured on any "
        f"device; keys, signatures and files are real), on {record['machine']['cpu']} "
        f"({record['machine']['logical_cores']} cores). Made by `python benchmarks/fleet_scale.py`.",
        "",
        "| reports | importers at once | import | per report | import again | state and page "
        "| peak memory of an import | of the state | index |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['reports']:,} | {row['importers']} | {row['import_s']:.1f} s "
        f"| {1e3 * row['import_s'] / row['reports']:.1f} ms | {row['again_s']:.1f} s | {row['status_s']:.1f} s "
        f"| {row['import_peak_memory_bytes'] / 1e6:.0f} MB | {row['status_peak_memory_bytes'] / 1e6:.0f} MB "
        f"| {row['index_bytes'] / 1e6:.1f} MB |"
        for row in record["sizes"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
