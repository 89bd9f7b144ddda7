"""What a cluster costs for each job, and how a plan of 10,000 jobs is submitted and resumed.

    make cluster-cost

A scheduler of Dask and two workers on this machine, 1,000 jobs that only write a file, each in a process of its own;
and the same process started alone, which is what a job costs without a cluster. The plan of 10,000 jobs is run by the
engine against workers that answer at once: what is measured is this side alone. Writes benchmarks/cluster.json.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from olivepress import __version__
from olivepress.core.child.run import Call, call_task
from olivepress.core.errors import OlivepressError
from olivepress.core.privacy import child_environment
from olivepress.report.machine import fingerprint
from olivepress.run.executors.cluster import Cluster, Ended, Seen
from olivepress.run.executors.engine import run_tasks
from olivepress.run.executors.needs import Announcement, Needs
from olivepress.run.executors.specs import JobSpec, Outcome
from olivepress.run.executors.store import Store, open_store
from olivepress.run.journal import append

OUT = Path(__file__).parent / "cluster.json"
JOBS, LARGE, WORKERS, ALONE = 1_000, 10_000, 2, 20
_TASK = "olivepress.run.executors.job_process:echo_task"


class Quiet:
    """A follower that prints nothing."""

    def expected(self, seconds: Mapping[str, float]) -> None: ...
    def submitted(self, name: str) -> None: ...
    def event(self, message: Mapping[str, Any]) -> None: ...
    def ended(self, name: str, state: str, machine: str, text: str) -> None: ...
    def lost(self, text: str) -> None: ...
    def tick(self) -> None: ...


class Echo:
    """A job that writes its own name, journalled as a plan's are."""

    def __init__(self, name: str, after: Sequence[str], store: Store | None) -> None:
        self.name, self.after, self.instead_of, self.needs, self.store = name, after, None, Needs(), store
        self.key = hashlib.sha256(name.encode()).hexdigest()
        self.done = False

    def begin(self) -> JobSpec | None:
        if self.done:
            return None
        append(Path("journal.jsonl"), "started", self.name, self.key)
        url, store_id = (self.store.url, self.store.id) if self.store else ("", "")
        fields = {"file": f"made/{self.name}", "text": self.name}
        return JobSpec(
            version=__version__, id=self.name, key=self.key, task="echo", store=url, store_id=store_id, topic="bench",
            fields=fields,
        )  # fmt: skip

    def end(self, outcome: Outcome) -> None:
        if self.store is not None:
            (ref,) = outcome.files
            self.store.get(ref, Path(ref.path))
        append(Path("journal.jsonl"), "finished", self.name, self.key, machine=outcome.machine)
        self.done = True

    def fail(self, error: OlivepressError, outcome: Outcome | None) -> str:
        raise error

    def drop(self, state: str, because: str) -> None: ...
    def stopped(self) -> None: ...
    def resend(self, sha256: Sequence[str]) -> None: ...


class AtOnce:
    """Workers that answer at once, in this process."""

    address, topic = "", "bench"

    def __init__(self) -> None:
        said = Announcement(version=__version__, machine="one", slots=8, memory_bytes=10**12, disk_bytes=10**12)
        self.seen, self.waiting, self.most = [Seen(address="one", announcement=said)], deque[tuple[str, str]](), 0

    def workers(self) -> list[Seen]:
        return self.seen

    def submit(self, name: str, text: str, resources: Mapping[str, float], only: Sequence[str] = ()) -> None:
        self.waiting.append((name, text))
        self.most = max(self.most, len(self.waiting))

    def ended(self) -> list[Ended]:
        ended = []
        while self.waiting:
            name, text = self.waiting.popleft()
            spec = JobSpec.model_validate_json(text)
            outcome = Outcome(id=spec.id, key=spec.key, state="done", machine="one", seconds=0.0)
            ended.append(Ended(name=name, text=outcome.model_dump_json()))
        return ended

    def events(self) -> list[Mapping[str, Any]]:
        return []


@contextlib.contextmanager
def processes(folder: Path) -> Iterator[str]:
    """A scheduler and workers; its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment, started = child_environment(threads=1), []
    commands = [
        ["-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-jupyter"]
    ]
    verb = "from olivepress.cli.main import main; main()"
    for number in range(WORKERS):
        place = str(folder / f"worker{number}")
        commands.append(["-c", verb, "worker", "--scheduler", f"127.0.0.1:{port}", "--folder", place])
    try:
        for command in commands:
            log = (folder / f"log{len(started)}").open("wb")
            started.append(subprocess.Popen([sys.executable, *command], env=environment, stdout=log, stderr=log))
        yield f"tcp://127.0.0.1:{port}"
    finally:
        for process in started:
            process.kill()
            process.wait()


def wait_for_workers(cluster: Cluster) -> None:
    """SystemExit when they have not connected within two minutes."""
    end = time.monotonic() + 120
    while len(cluster.workers()) < WORKERS:
        if time.monotonic() > end:
            raise SystemExit("the workers did not connect within two minutes")
        time.sleep(0.2)


def no_op_jobs(folder: Path) -> dict[str, Any]:
    """Seconds of wall time a job, on all workers together."""
    with processes(folder) as address, Cluster(address, None, topic="bench") as cluster:
        wait_for_workers(cluster)
        store = open_store(str(folder / "store"), create=True)
        run_tasks([Echo("warm", [], store)], cluster, Quiet())
        began = time.monotonic()
        run_tasks([Echo(f"job{number}", [], store) for number in range(JOBS)], cluster, Quiet())
        seconds = time.monotonic() - began
    return {"jobs": JOBS, "workers": WORKERS, "seconds": round(seconds, 2), "ms_a_job": round(1e3 * seconds / JOBS, 2)}


def alone(folder: Path) -> float:
    """Median seconds of the same process, started by itself."""
    times = []
    for number in range(ALONE):
        place = folder / f"alone{number}"
        place.mkdir()
        spec = {"folder": str(place), "key": "0" * 64, "job": "x", "fields": {"file": "made", "text": "x"}}
        began = time.monotonic()
        call_task(_TASK, spec, Call(environment=child_environment()))
        times.append(time.monotonic() - began)
    return round(statistics.median(times), 4)


def large_plan(folder: Path) -> dict[str, Any]:
    """A layered graph of 10,000 jobs: run, then resumed with half of it done; peak bytes of this side's objects."""
    names = [f"job{number}" for number in range(LARGE)]
    tasks = [Echo(name, names[max(0, index - 100) : max(0, index - 98)], None) for index, name in enumerate(names)]
    cluster: Any = AtOnce()
    tracemalloc.start()
    began = time.monotonic()
    run_tasks(tasks, cluster, Quiet())
    submitted = time.monotonic() - began
    for task in tasks[LARGE // 2 :]:
        task.done = False
    began = time.monotonic()
    run_tasks(tasks, cluster, Quiet())
    resumed = time.monotonic() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "jobs": LARGE, "simulated_workers": True, "run_s": round(submitted, 2), "resume_half_s": round(resumed, 2),
        "peak_bytes": peak, "most_in_flight": cluster.most,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out.absolute()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        large, one, jobs = large_plan(Path(place)), alone(Path(place)), no_op_jobs(Path(place))
    jobs["process_alone_ms"] = round(1e3 * one, 2)
    # Workers run at the same time: what a job costs beyond its own process, on one of them.
    jobs["overhead_ms_a_job"] = round(jobs["ms_a_job"] * WORKERS - 1e3 * one, 2)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    record = {"machine": fingerprint().model_dump(mode="json"), "date": today, "no_op": jobs, "large_plan": large}
    out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"no_op": jobs, "large_plan": large}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
