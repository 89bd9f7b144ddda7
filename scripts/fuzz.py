"""Fuzz every reader of files from elsewhere: `python scripts/fuzz.py --minutes 60 --jobs 2`.

Each target runs in child processes of its own, in turns of some seconds, with a limit of memory; a child that says
nothing for a while is ended and its input is a failure. What fails is made smaller and kept in tests/fuzz/corpus/,
where the normal tests run it again. Exit code 0: the whole time passed and nothing failed; 1: something did.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import psutil

from olivepress.core.privacy import child_environment

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LARGEST_KEPT = 20_000


@dataclass
class Tally:
    """What became of one target."""

    executions: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--turn", type=float, default=20.0, help="seconds of one child")
    parser.add_argument("--target", action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", metavar="TARGET", help=argparse.SUPPRESS)
    parser.add_argument("--input", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child, arguments.seed, arguments.turn, arguments.input)
    from tests.fuzz.targets import TARGETS

    names = arguments.target or list(TARGETS)
    tallies = {name: Tally() for name in names}
    end = time.monotonic() + 60 * arguments.minutes
    turn, number = min(arguments.turn, max(60 * arguments.minutes * arguments.jobs / len(names), 1.0)), arguments.seed
    with ThreadPoolExecutor(arguments.jobs) as pool:
        while time.monotonic() < end:
            for name in names:
                number += 1
                pool.submit(one_turn, name, number, turn, tallies[name], end)
            pool.submit(lambda: None)
            while pool._work_queue.qsize():
                time.sleep(0.2)
    for name, tally in tallies.items():
        print(f"{name:18} {tally.executions:9,} executions, {len(tally.failures)} failures")
        for what, path in tally.failures.items():
            print(f"    {what}: {path}")
    failures = sum(len(tally.failures) for tally in tallies.values())
    total = sum(tally.executions for tally in tallies.values())
    print(f"{total:,} executions of {len(tallies)} targets in {arguments.minutes:g} minutes, {failures} failures")
    return 1 if failures or not all(tally.executions for tally in tallies.values()) else 0


def one_turn(name: str, seed: int, turn: float, tally: Tally, end: float) -> None:
    """One child of one target; its failures go into the tally and the corpus."""
    if time.monotonic() >= end:
        return
    with tempfile.TemporaryDirectory(prefix="olivepress-fuzz-") as scratch:
        current = Path(scratch, "input")
        command = [sys.executable, __file__, "--child", name, "--seed", str(seed), "--turn", str(turn)]
        log = Path(scratch, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--input", str(current)],
                env=child_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            hung = _watch(process, current)
        data = current.read_bytes() if current.exists() else b""
        lines = log.read_text("utf-8", "replace").splitlines()
        records = [json.loads(line) for line in lines if line.startswith('{"')]
        tally.executions += sum(record.get("executions", 0) for record in records)
        for record in records:
            if "failure" in record and record["failure"] not in tally.failures:
                small = minimised(name, bytes.fromhex(record["input"]), record["failure"])
                tally.failures[record["failure"]] = keep(name, small)
        if hung or process.returncode:
            what = "takes too long" if hung else f"ends its process with {process.returncode}"
            detail = "" if hung else " ".join(lines[-1:])[-150:]
            tally.failures.setdefault(f"{what} {detail}".strip(), keep(name, data))


def _watch(process: subprocess.Popen[bytes], current: Path) -> bool:
    """Wait for the child; true when one input took too long and it was ended. A busy machine is not a slow reader: what
    counts is the processor time since the input was written, and ten minutes for one that waits."""
    from tests.fuzz.harness import SECONDS

    seen, since, used = 0.0, time.monotonic(), 0.0
    while process.poll() is None:
        time.sleep(0.25)
        written = current.stat().st_mtime if current.exists() else 0.0
        if written != seen:
            seen, since, used = written, time.monotonic(), _processor_seconds(process.pid)
        busy = _processor_seconds(process.pid) - used
        allowed = 3 * SECONDS if seen else 12 * SECONDS  # the first import takes long
        if busy > allowed or time.monotonic() - since > 60 * SECONDS:
            process.kill()
            process.wait()
            return True
    return False


def _processor_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def child(name: str, seed: int, turn: float, current: Path) -> int:
    """Mutate and read for ``turn`` seconds, with a limit of memory."""
    from tests.fuzz.harness import CORPUS, attempt, signature
    from tests.fuzz.mutate import mutate
    from tests.fuzz.targets import seeds

    random_ = random.Random(seed)
    pool = [*seeds(name), *(path.read_bytes() for path in sorted(CORPUS.glob(f"{name}/*")))]
    for data in pool:
        attempt(name, data)  # imports what the reader needs, before memory is limited
    _limit_memory()
    executions, end = 0, time.monotonic() + turn
    known: set[str] = set()
    while time.monotonic() < end:
        data = mutate(random_.choice(pool), random_)
        current.write_bytes(data)
        began = time.process_time()
        error = attempt(name, data)
        executions += 1
        what = signature(error) if error else None
        if time.process_time() - began > _seconds():
            what = "takes too long"
        if what and what not in known:
            known.add(what)
            print(json.dumps({"failure": what, "input": data.hex()}), flush=True)
    print(json.dumps({"executions": executions}), flush=True)
    return 0


def _seconds() -> float:
    from tests.fuzz.harness import SECONDS

    return SECONDS


def _limit_memory() -> None:
    from tests.fuzz.harness import MEGABYTES

    try:
        import resource
    except ImportError:  # Windows
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + MEGABYTES * 1024 * 1024
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def minimised(name: str, data: bytes, what: str) -> bytes:
    """A smaller input with the same failure: pieces are left out as long as it stays, for at most 20 seconds."""
    from tests.fuzz.harness import attempt, signature

    end = time.monotonic() + 20
    if what == "takes too long":
        return data

    def same(candidate: bytes) -> bool:
        error = attempt(name, candidate)
        return error is not None and signature(error) == what

    size = len(data) // 2
    while size and time.monotonic() < end:
        data = _without_pieces(data, size, same, end)
        size //= 2
    return data


def _without_pieces(data: bytes, size: int, same: Callable[[bytes], bool], end: float) -> bytes:
    at = 0
    while at < len(data) and time.monotonic() < end:
        shorter = data[:at] + data[at + size :]
        if same(shorter):
            data = shorter
        else:
            at += size
    return data


def keep(name: str, data: bytes) -> str:
    """Write a failing input into the corpus, when it is small."""
    folder = ROOT / "tests" / "fuzz" / "corpus" / name
    path = folder / sha256(data).hexdigest()[:16]
    if len(data) > LARGEST_KEPT:
        path = Path(tempfile.gettempdir(), f"olivepress-fuzz-{name}-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


if __name__ == "__main__":
    raise SystemExit(main())
