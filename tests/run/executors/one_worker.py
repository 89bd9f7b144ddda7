"""A cluster of one worker in this process, of which the scheduler and the job's own process are left out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from olivepress.bundle.on_cluster import bench_task
from olivepress.run.executors.artifacts import outputs_of, send
from olivepress.run.executors.cluster import Ended, Seen
from olivepress.run.executors.job_process import MESSAGES, ProcessSpec, job_task
from olivepress.run.executors.needs import Announcement
from olivepress.run.executors.place import Place
from olivepress.run.executors.specs import JobSpec, Outcome
from olivepress.run.executors.store import open_store
from olivepress.run.executors.watch import Watch

TASKS: Mapping[str, Callable[..., Any]] = {"job": job_task, "bench": bench_task}


class Reports:
    """In place of ``DaskTask``: what a worker would report of a job."""

    def __init__(self, job: str, machine: str) -> None:
        self.events: list[Mapping[str, Any]] = []
        self._facts = {"job": job, "machine": machine}

    def wanted(self) -> bool:
        return True

    def report(self, event: str, **facts: Any) -> None:
        self.events.append({**self._facts, "event": event, **facts})


class OneWorker:
    """A cluster of one worker: a folder, in this process. A job has ended when it is submitted, and its events come
    after its end, as they may."""

    address, topic = "tcp://127.0.0.1:1", "test"

    def __init__(self, folder: Path, said: Announcement) -> None:
        self.place = Place(folder, said, environments=folder / "none", gpus=())
        self.seen = [Seen(address="worker", announcement=said)]
        self.answers: list[Ended] = []
        self.specs: list[JobSpec] = []
        self.reported: list[Mapping[str, Any]] = []

    def workers(self) -> list[Seen]:
        return self.seen

    def submit(self, name: str, text: str, resources: Mapping[str, float], only: Sequence[str] = ()) -> None:
        spec = JobSpec.model_validate_json(text)
        self.specs.append(spec)
        store = open_store(spec.store)
        folder = self.place.job_folder(spec)
        for ref in spec.inputs:
            self.place.bring(store, ref, folder / ref.path)
        reports = Reports(spec.id, self.place.machine)
        reports.report("started")
        with contextlib.chdir(folder):  # the task changes to it, as the only one of its process
            ended = TASKS[spec.task](
                ProcessSpec(folder=str(folder), key=spec.key, job=spec.id, fields=spec.fields), lambda *_: None
            )
            ended = ended.model_validate_json(ended.model_dump_json())
        Watch(reports, folder / MESSAGES, lambda: None)._pass_on()  # type: ignore[arg-type]
        self.reported += reports.events
        files = outputs_of(folder, ended.outputs)
        send(store, files, root=folder)
        outcome = Outcome(
            id=spec.id,
            key=spec.key,
            state=ended.state,
            machine=self.place.machine,
            seconds=1.0,
            fields=ended.fields,
            files=files,
            error=ended.error,
            next_step=ended.next_step,
        )
        self.answers.append(Ended(name=name, text=outcome.model_dump_json()))

    def ended(self) -> list[Ended]:
        answers, self.answers = self.answers, []
        return answers

    def events(self) -> list[Mapping[str, Any]]:
        events, self.reported = self.reported, []
        return events

    def drop(self, name: str) -> None: ...

    def stop(self) -> bool:
        return True
