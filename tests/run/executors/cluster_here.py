"""A cluster of real processes on this machine: a scheduler of Dask, workers, and tasks that only write a file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from olivepress import __version__
from olivepress.core.artifact import hash_file
from olivepress.core.errors import OlivepressError
from olivepress.run.executors.artifacts import inputs_of, send
from olivepress.run.executors.needs import Announcement, Needs
from olivepress.run.executors.specs import FileRef, JobSpec, Outcome
from olivepress.run.executors.store import Store
from olivepress.run.journal import append, events

WORKER = """
import json, sys
from pathlib import Path
from olivepress.run.executors.address import security_of
from olivepress.run.executors.needs import Announcement
from olivepress.run.executors.place import Place
from olivepress.run.executors.worker import serve

address, folder, announcement, tls = sys.argv[1:5]
said = Announcement.model_validate_json(announcement)
gpus = tuple(str(number) for number in range(said.devices.get("cuda", 0)))
place = Place(Path(folder), said, environments=Path(folder, "environments"), gpus=gpus)
security = security_of(Path(tls)) if tls else None
serve(address, place, security=security, say=lambda text: print(text, flush=True), wait_s=60)
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def announcement(machine: str, **facts: Any) -> Announcement:
    """A machine with enough of everything, unless ``facts`` say otherwise."""
    plenty = {"version": __version__, "slots": 1, "memory_bytes": 8_000_000_000, "disk_bytes": 8_000_000_000}
    return Announcement.model_validate({**plenty, "machine": machine, "environments": ("build",), **facts})


@dataclass
class ClusterHere:
    """Started processes; all of them end with the ``with`` block of ``cluster_here``."""

    folder: Path
    port: int = field(default_factory=free_port)
    tls: Path | None = None
    scheduler: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{'tls' if self.tls else 'tcp'}://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        command = [sys.executable, "-m", "dask", "scheduler", "--host", self.address.rpartition(":")[0], "--port"]
        command += [str(self.port), "--no-dashboard", "--no-jupyter"]
        if self.tls is not None:
            for option, name in (("--tls-ca-file", "ca.pem"), ("--tls-cert", "cert.pem"), ("--tls-key", "key.pem")):
                command += [option, str(self.tls / name)]
        self.scheduler = self._start(command, "scheduler")

    def start_worker(self, said: Announcement, *, disk_bytes: int = 0, address: str = "") -> None:
        """With ``disk_bytes`` its folder is a disk of that size, in a mount namespace of its own. ``address`` is
        another one under which it finds the scheduler."""
        place = self.folder / said.machine
        command = [
            sys.executable,
            "-c",
            WORKER,
            address or self.address,
            str(place),
            said.model_dump_json(),
            str(self.tls or ""),
        ]
        if disk_bytes:
            place.mkdir()
            mount = f'mount -t tmpfs -o size={disk_bytes} tmpfs "$0" && exec "$@"'
            command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(place), *command]
        self.workers[said.machine] = self._start(command, said.machine)

    def _start(self, command: Sequence[str], name: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("ab")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false"}
        with log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)

    def wait_for(self, workers: int, seconds: float = 600.0) -> None:
        """Until so many workers have connected, as their own logs say."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            logs = [(self.folder / f"{name}.log").read_text() for name in self.workers]
            if sum("connected to" in log for log in logs) >= workers:
                return
            time.sleep(0.1)
        raise AssertionError(f"{workers} workers did not connect within {seconds} s: {logs}")

    def kill_worker(self, machine: str) -> None:
        process = self.workers.pop(machine)
        process.kill()
        process.wait()

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def job_processes(self) -> list[psutil.Process]:
        """Processes of jobs that run on the workers."""
        found = []
        for worker in self.workers.values():
            with contextlib.suppress(psutil.Error):
                found += psutil.Process(worker.pid).children(recursive=True)
        return found

    def end(self) -> None:
        processes = [*self.workers.values(), *([self.scheduler] if self.scheduler else [])]
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
        for process in processes:
            process.wait()


@contextlib.contextmanager
def cluster_here(folder: Path, *said: Announcement, tls: Path | None = None) -> Iterator[ClusterHere]:
    folder.mkdir(parents=True, exist_ok=True)
    cluster = ClusterHere(folder, tls=tls)
    try:
        cluster.start_scheduler()
        for each in said:
            cluster.start_worker(each)
        cluster.wait_for(len(said))
        yield cluster
    finally:
        cluster.end()


class Silent:
    """A follower that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.events: list[Mapping[str, Any]] = []

    def expected(self, seconds: Mapping[str, float]) -> None: ...

    def submitted(self, name: str) -> None:
        self.told.append(("submitted", name))

    def event(self, message: Mapping[str, Any]) -> None:
        self.events.append(message)

    def ended(self, name: str, state: str, machine: str, text: str) -> None:
        self.told.append(("ended", name, state, machine, text))

    def lost(self, text: str) -> None:
        self.told.append(("lost", text))

    def tick(self) -> None: ...


@dataclass
class EchoTask:
    """A task whose job writes its own name into a file, journalled as a plan's jobs are; run from a project's root."""

    name: str
    store: Store
    topic: str
    after: Sequence[str] = ()
    instead_of: str | None = None
    needs: Needs = field(default_factory=Needs)
    fields: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Path] = ()
    error: OlivepressError | None = None
    outcome: Outcome | None = None
    dropped: str = ""
    sent: tuple[FileRef, ...] = ()

    @property
    def key(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def file(self) -> Path:
        return Path("made", f"{self.name}.txt")

    @property
    def journal(self) -> Path:
        return Path("journal.jsonl")

    def begin(self) -> JobSpec | None:
        if self.file.is_file():
            return None
        self.sent = inputs_of(self.inputs)
        send(self.store, self.sent)
        append(self.journal, "started", self.name, self.key)
        return JobSpec(
            version=__version__,
            id=self.name,
            key=self.key,
            task="echo",
            store=self.store.url,
            store_id=self.store.id,
            topic=self.topic,
            inputs=self.sent,
            fields={"file": self.file.as_posix(), "text": self.name, **self.fields},
        )

    def end(self, outcome: Outcome) -> None:
        (ref,) = outcome.files
        self.store.get(ref, self.file)
        append(self.journal, "finished", self.name, self.key, machine=outcome.machine)
        self.outcome = outcome

    def fail(self, error: OlivepressError, outcome: Outcome | None) -> str:
        append(self.journal, "failed", self.name, self.key, reason=error.message)
        self.error = error
        return "failed"

    def drop(self, state: str, because: str) -> None:
        self.dropped = f"{state}: {because}"

    def stopped(self) -> None:
        append(self.journal, "interrupted", self.name, self.key)

    def resend(self, sha256: Sequence[str]) -> None:
        send(self.store, self.sent, again=sha256)


def assert_done_once(tasks: Sequence[EchoTask]) -> None:
    """Every file is there and right, and the journal has one end for each."""
    finished = [event["job"] for event in events(Path("journal.jsonl")) if event["event"] == "finished"]
    assert sorted(finished) == sorted(task.name for task in tasks)
    assert len(tasks) > 0
    for task in tasks:
        assert task.file.read_text() == task.name, task.error
        assert task.outcome is None or task.outcome.files[0].sha256 == hash_file(task.file).sha256


def echoes(store: Store, topic: str, after: Mapping[str, Sequence[str]], **fields: Any) -> list[EchoTask]:
    """Tasks of a graph, all with the same fields."""
    return [
        EchoTask(name=name, store=store, topic=topic, after=before, fields=fields) for name, before in after.items()
    ]


__all__ = ["ClusterHere", "EchoTask", "Silent", "announcement", "assert_done_once", "cluster_here", "echoes"]
