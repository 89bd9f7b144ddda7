"""How the import of a fleet's reports grows: simulated reports (nothing was measured), really signed and really read.

    python benchmarks/fleet_scale.py --reports 1000 3000 10000 --importers 1 4

Each machine has a key of its own and sends one report with 30 raw latency samples and 200 answers. One in fifty files
is damaged after it was signed. Every size is imported into an empty index by so many processes at once on the same
folder, then imported again, then its state is computed. Then each machine gets a report of the release before, straight
into the index, and the state is computed once more: every machine is compared with itself, once with the four classes
and once with a class for every ten machines of a ring. Seconds are wall time from the first process's start to the last
one's end, imports of Python included; processor time is that of all processes together without these imports, and does
not grow with what else the machine does; memory is the largest peak of one process. Writes benchmarks/fleet_scale.json
and .md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from fleet_simulation import CLASSES, Simulated, bundle_file, report_file

from olivepress.core.files import bytes_below, write_text
from olivepress.core.process import peak_memory_bytes
from olivepress.fleet.create import init_fleet
from olivepress.fleet.index import Index, Seen
from olivepress.fleet.machines import by_key, read_machines, write_machines
from olivepress.fleet.page import status_html
from olivepress.fleet.receive import CHUNK, import_folder
from olivepress.fleet.records import INDEX, MACHINES, SECRETS, read_fleet
from olivepress.fleet.status import fleet_status
from olivepress.fleet.verify import Accepted
from olivepress.report.machine import fingerprint

HERE = Path(__file__).parent
NAME, BUNDLE, INCOMING = "simulated", Path("tickets.zip"), Path("incoming")
NOW = datetime(2026, 11, 25, tzinfo=UTC)
QUESTIONS, DAMAGED_EVERY = 200, 50


def machine_name(number: int) -> str:
    return f"m{number:05d}"


def make_fleet(machines: int) -> str:
    """A fleet of so many machines in the current folder, at its second release; the sha256 of its bundle."""
    names = list(CLASSES)
    lines = [f"{machine_name(number)},{names[number % len(names)]}" for number in range(machines)]
    write_text(Path("machines.csv"), "\n".join(["machine,class", *lines]) + "\n")
    for artifact in "ac":
        sha256 = bundle_file(BUNDLE, artifact)
        init_fleet(NAME, BUNDLE, Path("machines.csv"), now=NOW)
    return sha256


def send(number: int, bundle_sha256: str) -> None:
    """The report of a machine; one in fifty was damaged on its way."""
    rng = random.Random(number)
    rate = list(CLASSES.values())[number % len(CLASSES)] * rng.lognormvariate(0.0, 0.05)
    if rng.random() < 0.002:
        rate /= 2  # an outlier
    wrong = frozenset(random.Random(number % 30).sample(range(QUESTIONS), 9))
    simulated = Simulated(
        bundle_sha256=bundle_sha256, decode_tps=rate, questions=QUESTIONS, samples=True, seed=number,
        wrong=wrong, peak_memory_bytes=1.5e9 * rng.lognormvariate(0.0, 0.01),
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
    begin = time.process_time()
    fleet = read_fleet(NAME)
    if step == "import":
        imported = import_folder(fleet, INCOMING, now=NOW)
        facts = {"new": imported.new, "refused": len(imported.refused), "unchanged": imported.unchanged}
    else:
        status = fleet_status(fleet)
        pairs = max((scope.machines for ring in status.rings for scope in ring.scopes), default=0)
        facts = {"reported": status.reported, "refused": len(status.refused), "pairs": pairs}
        facts["page_bytes"] = len(status_html(status))
    return {**facts, "cpu_s": time.process_time() - begin, "peak_memory_bytes": peak_memory_bytes()}


def add_release_before() -> None:
    """A report of the first release for each machine that counts, straight into the index, a little different."""
    fleet, rng = read_fleet(NAME), random.Random(1)
    keys = {machine.name: key for key, machine in by_key(read_machines(fleet.folder / MACHINES)).items()}
    ids = tuple(f"q{number:05d}" for number in range(QUESTIONS))
    with Index.opened(fleet.folder / INDEX) as index:
        seen = []
        for sha256, report in list(index.newest([2], keys)):
            changed = {name: value * rng.lognormvariate(0.0, 0.01) for name, value in report.metrics.items()}
            before = replace(report, release=1, metrics=changed | {"exact_match": report.metrics["exact_match"]})
            scores = {metric: values for metric, (_, values) in index.scores(sha256).items()}
            result = Accepted(sha256=sha256[::-1], reported=before, ids=ids, scores=scores)
            seen.append(Seen(path=f"before/{report.machine}", stamp="", fleet="", result=result))
        for start in range(0, len(seen), CHUNK):
            index.add(seen[start : start + CHUNK])


@contextlib.contextmanager
def many_classes() -> Iterator[None]:
    """A class for every ten machines of a ring, for as long as it lasts."""
    path = read_fleet(NAME).folder / MACHINES
    machines = read_machines(path)
    by_ring = sorted(machines, key=lambda each: (each.ring, each.name))
    write_machines(path, [replace(each, device_class=f"class {at // 10}") for at, each in enumerate(by_ring)])
    yield
    write_machines(path, machines)


def measure(size: int, importers: int) -> dict[str, Any]:
    """One row: an empty index, the import, the import again, the state, and the state of two releases."""
    index = read_fleet(NAME).folder / INDEX
    index.unlink(missing_ok=True)
    import_s, results = timed("import", importers)
    again_s, again = timed("import", 1)
    status_s, (state,) = timed("status", 1)
    damaged = len(range(0, size, DAMAGED_EVERY))
    if sum(each["new"] for each in results) != size - damaged or state["refused"] != damaged or again[0]["new"]:
        raise SystemExit(f"{size} reports, {damaged} damaged: counted {results}, then {again}, {state}")
    index_bytes = index.stat().st_size
    add_release_before()
    rollout_s, (rollout,) = timed("status", 1)
    with many_classes():
        classes_s, (classes,) = timed("status", 1)
    if not rollout["pairs"] or rollout["pairs"] != classes["pairs"]:
        raise SystemExit(f"{size} reports: not the same was compared: {rollout}, {classes}")
    return {
        "reports": size,
        "importers": importers,
        "import_s": import_s,
        "import_cpu_s": sum(each["cpu_s"] for each in results),
        "again_s": again_s,
        "again_cpu_s": again[0]["cpu_s"],
        "status_s": status_s,
        "status_cpu_s": state["cpu_s"],
        "rollout_s": rollout_s,
        "rollout_cpu_s": rollout["cpu_s"],
        "classes_s": classes_s,
        "classes_cpu_s": classes["cpu_s"],
        "import_peak_memory_bytes": max(each["peak_memory_bytes"] for each in results),
        "status_peak_memory_bytes": state["peak_memory_bytes"],
        "rollout_peak_memory_bytes": max(each["peak_memory_bytes"] for each in (rollout, classes)),
        "index_bytes": index_bytes,
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
    made_by = shlex.join(["python", "benchmarks/fleet_scale.py", *sys.argv[1:]])
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            rows, report_bytes = measured(sorted(arguments.reports), arguments.importers)
        finally:
            os.chdir(home)
    record = {
        "machine": fingerprint().model_dump(mode="json"), "made_by": made_by, "load": load,
        "report_bytes": report_bytes, "sizes": rows,
    }  # fmt: skip
    write_text(out / "fleet_scale.json", json.dumps(record, indent=1) + "\n")
    write_text(out / "fleet_scale.md", markdown(record))
    print(markdown(record), end="")


def measured(sizes: Sequence[int], importers: Sequence[int]) -> tuple[list[dict[str, Any]], int]:
    """The rows, and the bytes of one report."""
    sha256, rows, sent = make_fleet(max(sizes)), [], 0
    for size in sizes:
        with mock.patch("os.fsync"):  # what a device does is not measured here
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
        f"({record['machine']['logical_cores']} cores, load {record['load']:.1f} when it began). Made by "
        f"`{record['made_by']}`.",
        "",
        "Seconds by the clock, in parentheses the processor time of all processes together without starting Python.",
        "",
        "| reports | importers at once | import | processor time per report | import again | state and page "
        "| state of two releases | the same, a class for every ten machines |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['reports']:,} | {row['importers']} | {_seconds(row, 'import')} "
        f"| {1e3 * row['import_cpu_s'] / row['reports']:.1f} ms | {_seconds(row, 'again')} | {_seconds(row, 'status')} "
        f"| {_seconds(row, 'rollout')} | {_seconds(row, 'classes')} |"
        for row in record["sizes"]
    ]
    lines += [
        "",
        "| reports | importers at once | peak memory of an import | of the state | of the state of two releases "
        "| index | page |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['reports']:,} | {row['importers']} | {row['import_peak_memory_bytes'] / 1e6:.0f} MB "
        f"| {row['status_peak_memory_bytes'] / 1e6:.0f} MB | {row['rollout_peak_memory_bytes'] / 1e6:.0f} MB "
        f"| {row['index_bytes'] / 1e6:.1f} MB | {row['page_bytes'] / 1e3:.0f} kB |"
        for row in record["sizes"]
    ]
    return "\n".join([*lines, *_growth(record["sizes"])]) + "\n"


def _seconds(row: dict[str, Any], step: str) -> str:
    return f"{row[f'{step}_s']:.1f} s ({row[f'{step}_cpu_s']:.1f} s)"


def _growth(rows: Sequence[dict[str, Any]]) -> list[str]:
    """How many times as much the largest size takes as the smallest, with as many importers."""
    first, last = rows[0], [row for row in rows if row["importers"] == rows[0]["importers"]][-1]
    if first["reports"] == last["reports"]:
        return []
    steps = {
        "import": "import", "again": "import again", "status": "state", "rollout": "state of two releases",
        "classes": "the same with many classes",
    }  # fmt: skip
    factors = [f"{name} {last[f'{step}_cpu_s'] / first[f'{step}_cpu_s']:.1f}" for step, name in steps.items()]
    times = last["reports"] / first["reports"]
    return [
        "",
        f"From {first['reports']:,} to {last['reports']:,} reports, {times:.0f} times as many, processor time grows by "
        f"these factors: {', '.join(factors)}.",
    ]


if __name__ == "__main__":
    main()
