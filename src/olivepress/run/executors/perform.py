"""What a worker does with a job: brings its files, runs it in a process of its own, sends back what it wrote.

``perform`` is the one function that Dask is given, by its name; everything else about a job is the JSON text.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from olivepress import __version__
from olivepress.core.child.run import Call, ChildDied, task_process
from olivepress.core.errors import JobError, OlivepressError, whole_message
from olivepress.core.files import link_folder
from olivepress.core.layout import ENVIRONMENTS
from olivepress.core.privacy import child_environment
from olivepress.run.executors.artifacts import outputs_of, send
from olivepress.run.executors.job_process import MESSAGES, Ended, ProcessSpec
from olivepress.run.executors.place import Place, here
from olivepress.run.executors.results import keep_result, kept_result
from olivepress.run.executors.specs import MOST_TEXT, JobSpec, Outcome
from olivepress.run.executors.store import Damaged, Store, open_store
from olivepress.run.executors.watch import DaskTask, Watch

__all__ = ["perform"]

_LOG = "worker.log"
_CHECKPOINTS = "runs/*/.training/*"


def perform(text: str) -> str:
    """Run the job of a spec; its outcome, both as JSON. Called by Dask in a thread of a worker."""
    place = here()
    if len(text) > MOST_TEXT:
        raise ValueError("the spec is too large")
    spec = JobSpec.model_validate_json(text)
    task, started = DaskTask(spec.topic, spec.id, place.machine), time.monotonic()
    task.report("started")
    try:
        outcome = _perform(spec, place, task)
    except Damaged as error:
        outcome = _outcome(spec, place, "elsewhere", error=error).model_copy(update={"damaged": (error.ref.sha256,)})
    except (OlivepressError, OSError) as error:
        outcome = _outcome(spec, place, "elsewhere", error=error)
    task.report("ended", state=outcome.state)
    return outcome.model_copy(update={"seconds": round(time.monotonic() - started, 3)}).model_dump_json()


def _outcome(spec: JobSpec, place: Place, state: str, *, error: Exception | None = None) -> Outcome:
    text, step = "", None
    if isinstance(error, OlivepressError):
        text, step = error.message, error.next_step
    elif error is not None:
        text = whole_message(error)
    fields = {"id": spec.id, "key": spec.key, "state": state, "machine": place.machine, "seconds": 0.0}
    return Outcome.model_validate({**fields, "error": text, "next_step": step})


def _perform(spec: JobSpec, place: Place, task: DaskTask) -> Outcome:
    if spec.version != __version__:
        return _outcome(spec, place, "elsewhere").model_copy(
            update={"error": f"the worker has olivepress {__version__}, the job is of {spec.version}"}
        )
    store = open_store(spec.store)
    if store.id != spec.store_id:
        return _outcome(spec, place, "elsewhere").model_copy(
            update={"error": f"{spec.store} is another folder here than where the job comes from"}
        )
    if spec.task not in place.tasks:
        return _outcome(spec, place, "elsewhere").model_copy(update={"error": f"this worker does no {spec.task}"})
    place.remove_old_again()
    folder = place.job_folder(spec)
    with place.alone_in(folder, task.wanted) as alone:
        return _perform_in(folder, spec, place, store, task) if alone else _outcome(spec, place, "stopped")


def _perform_in(folder: Path, spec: JobSpec, place: Place, store: Store, task: DaskTask) -> Outcome:
    if (finished := kept_result(store, spec)) is not None:
        return finished
    try:
        for ref in spec.inputs:
            place.bring(store, ref, folder / ref.path)
        _link_environments(place, folder)
    except (OlivepressError, OSError):
        if not any(folder.glob(_CHECKPOINTS)):
            shutil.rmtree(folder, ignore_errors=True)  # the disk may be full
        raise
    outcome = _run(spec, place, folder, task)
    if outcome.state == "stopped":
        return outcome  # the folder stays: a fine-tune goes on from its checkpoints
    files = outputs_of(folder, outcome.fields.pop("outputs", ()))
    send(store, files, root=folder)
    outcome = outcome.model_copy(update={"files": files})
    if len(outcome.model_dump_json()) > MOST_TEXT:
        outcome = _outcome(spec, place, "failed", error=JobError(f"{spec.id}: its result is larger than 64 MB"))
    if outcome.state == "done":
        keep_result(store, spec, outcome)
        # Nobody referred to them before that: what the store had from another run may have been removed meanwhile.
        send(store, files, root=folder)
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _link_environments(place: Place, folder: Path) -> None:
    link = folder / ENVIRONMENTS
    if place.environments.is_dir() and not os.path.lexists(link):
        link_folder(link, place.environments)


def _run(spec: JobSpec, place: Place, folder: Path, task: DaskTask) -> Outcome:
    """The job in a process that does not outlive it: killed when the job is cancelled or the worker goes."""
    messages = folder / MESSAGES
    messages.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with place.gpus(spec.gpus) as devices:
        environment = child_environment(CUDA_VISIBLE_DEVICES=devices)
        with (
            task_process(Call(environment=environment, log=folder / _LOG)) as process,
            Watch(task, messages, process.kill) as watch,
        ):
            try:
                wanted = ProcessSpec(folder=str(folder), key=spec.key, job=spec.id, fields=spec.fields)
                message, _ = process.run(place.tasks[spec.task], wanted.model_dump(mode="json"), None)
                ended = Ended.model_validate(message.result, strict=False)
            except ChildDied as error:
                return _outcome(spec, place, "stopped" if watch.stopped else "elsewhere", error=error)
    fields = {**ended.fields, "outputs": ended.outputs}
    return _outcome(spec, place, ended.state).model_copy(
        update={"fields": fields, "error": ended.error, "next_step": ended.next_step}
    )
