"""One job from its workflow to a verified artifact: Olive in a child process, then what it made, opened and hashed."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from olivepress.artifact import Check, FileHash, Manifest, Resources, artifact_hash, hash_files, write_manifest
from olivepress.catalog import Target
from olivepress.environments import interpreter
from olivepress.errors import JobError, OlivepressError
from olivepress.hub import local_directory
from olivepress.measure.elsewhere import machine_of
from olivepress.measure.machine import package_versions
from olivepress.measure.openvino_model import DEVICE_FILE, device_text
from olivepress.plan import Job, Plan
from olivepress.run.child import ChildResult, child_environment, failure_in, run_child
from olivepress.run.verify import VerifySpec
from olivepress.run.verify_export import STRENGTH, ExportSpec, Verified
from olivepress.run.where import Place, place_of
from olivepress.workflow import Workflow

__all__ = [
    "JobOutcome",
    "Reporter",
    "base_name",
    "clean",
    "clear",
    "is_verified",
    "make",
    "remove",
    "scratch_dir",
    "verify_again",
]

# Olive's own notes; they hold absolute paths and nothing that the manifest and the log do not say.
_OLIVE_NOTES = ("footprint.json", "output_footprint.json", "run_history.txt", "model_config.json")
_MUST_HAVE = {
    "finetune": ("adapter/adapter_config.json", "adapter/adapter_model.safetensors"),
    "merge": ("model/config.json", "model/tokenizer.json"),
}
_EXPORTED = {
    "onnxruntime-genai": ("genai_config.json",),
    "openvino": ("model/openvino_model.xml", "model/openvino_model.bin"),
}
# What bfloat16 loses when the adapter is added into the weights; float32 loses next to nothing.
_MERGE_LIMIT = {"float32": 1.0e-5, "bfloat16": 2.0e-2}
_LARGE = 1_000_000_000


class Reporter(Protocol):
    """What the runner tells whoever watches."""

    def job_started(self, job: Job, number: int, total: int) -> None: ...
    def stage(self, job: Job, what: str) -> None: ...
    def job_progress(self, job: Job, done: int, total: int, loss: float | None) -> None: ...
    def job_ended(self, outcome: JobOutcome) -> None: ...


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """``kept`` was finished before, ``verified`` as well, but could be checked better now; ``done`` ran now.

    ``left out`` cannot be built here, ``failed`` was tried: neither has a manifest, both have an ``error``.
    """

    job: str
    state: Literal["done", "kept", "verified", "left out", "failed"]
    manifest: Manifest | None = None
    error: OlivepressError | None = None


def remove(*directories: Path) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def scratch_dir(plan: Plan, job: Job) -> Path:
    return Path("runs", plan.recipe.name, ".work", job.id)


def is_verified(plan: Plan, job: Job, held: Manifest) -> bool:
    """Whether a finished artifact is verified as far as this machine can, and by the limits that hold now."""
    if job.target is None:
        return True
    now = {
        "kl_divergence": _limit(plan, job),
        "top1_agreement": job.target.min_top1_agreement,
        "placed": job.target.min_placed,
    }
    changed = [
        check for check in held.checks if check.limit is not None and now.get(check.name) not in (None, check.limit)
    ]
    return not changed and STRENGTH.index(place_of(job.target).how) <= STRENGTH.index(held.verified)


def verify_again(plan: Plan, job: Job, held: Manifest, reporter: Reporter) -> Manifest:
    """The manifest after a check that is stronger than the one when it was made, or by other limits.

    Raises JobError when it fails.
    """
    reporter.stage(job, "verify")
    assert job.target is not None
    place, scratch = place_of(job.target), scratch_dir(plan, job)
    if STRENGTH.index(place.how) < STRENGTH.index(held.verified):
        raise JobError(
            f"{job.id}: its limits changed, and what it was verified with ({held.verified}) is not here: {place.why}",
            next_step=place.fix,
        )
    scratch.mkdir(parents=True, exist_ok=True)
    checks, _ = _verify(plan, job, scratch, place)
    _raise_failed(plan, job, checks)
    manifest = held.model_copy(update={"verified": place.how, "checks": tuple(checks)})
    write_manifest(manifest, plan.output_dir(job))
    remove(scratch)
    return manifest


def _raise_failed(plan: Plan, job: Job, checks: Sequence[Check]) -> None:
    failed = [check for check in checks if not check.passed]
    if failed:
        check = failed[0]
        found = "" if check.value is None else f" is {check.value:.3g}, limit {check.limit:.3g}" if check.limit else ""
        raise JobError(
            f"{job.id}: check {check.name} failed{found} ({check.detail})",
            next_step=f"read {_log(plan, job)}, or change the recipe",
        )


def make(plan: Plan, job: Job, workflow: Workflow, parent: Manifest | None, key: str, reporter: Reporter) -> Manifest:
    started = time.monotonic()
    output, scratch = plan.output_dir(job), scratch_dir(plan, job)
    clear(output, workflow)
    remove(scratch)
    scratch.mkdir(parents=True)
    place = place_of(job.target) if job.target else None
    reporter.stage(job, "Olive")
    olive = _run_olive(plan, job, workflow, scratch, reporter)
    _tidy(plan, job, workflow)
    reporter.stage(job, "verify")
    checks, verifying = _verify(plan, job, scratch, place)
    _raise_failed(plan, job, checks)
    reporter.stage(job, "hash")
    files = hash_files(output)
    resources = Resources(
        seconds=round(time.monotonic() - started, 1),
        peak_memory_bytes=max(olive.peak_memory_bytes, verifying.peak_memory_bytes) or None,
        peak_disk_bytes=max(olive.peak_disk_bytes, verifying.peak_disk_bytes),
    )
    verified = place.how if place else "native"
    manifest = _manifest(plan, job, workflow, parent, key, verified, checks, files, resources)
    write_manifest(manifest, output)
    remove(scratch)
    return manifest


def _tidy(plan: Plan, job: Job, workflow: Workflow) -> None:
    """Leave in the artifact what belongs to it, and no path of this machine."""
    output = plan.output_dir(job)
    for name in _OLIVE_NOTES:
        (output / name).unlink(missing_ok=True)
    remove(workflow.cache_dir)
    if job.target and job.target.runtime == "openvino":
        _flatten_openvino(output, job.target)
    elif job.target:
        _correct_genai_config(output / "genai_config.json", job.target)
    if job.kind == "export" and job.parent:
        # What the parent said on fixed prompts travels with the artifact; the full logits stay at the desk.
        (output / "reference").mkdir()
        held = plan.output_dir(plan.job(job.parent)) / "reference" / "reference.npz"
        shutil.copyfile(held, output / "reference" / held.name)
    if job.kind != "finetune":
        return
    # Olive copies a local base beside every adapter: 7 GB that the merge reads from the original anyway.
    remove(output / "model")
    (output / "adapter" / "README.md").unlink(missing_ok=True)
    config_path = output / "adapter" / "adapter_config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_name(plan)
    config_path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    record = _training_record(workflow)
    if record.is_file():
        (output / "training.jsonl").write_text(_last_of_each_step(record), encoding="utf-8")


def _flatten_openvino(output: Path, target: Target) -> None:
    """Olive leaves the IR and its tokenizers in three folders; openvino-genai opens one. Names the device, too."""
    made = output / "model"
    for folder in (made, made / "openvino_tokenizer", made / "openvino_detokenizer"):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_file():
                path.rename(output / path.name)
    remove(made)
    (output / "openvino_config.json").unlink(missing_ok=True)  # names the parent's folder on this machine
    device = target.device.upper()
    text = device_text(device, target.provider_options.get(device, {}))
    (output / DEVICE_FILE).write_text(text, encoding="utf-8")


def _correct_genai_config(config_path: Path, target: Target) -> None:
    """Name the provider where the builder could not. Away with an option that only the compiler read: a path, which
    Olive has made absolute. A key/value cache of fixed length is the context: beyond it genai answers garbage."""
    text = config_path.read_text(encoding="utf-8")
    config = json.loads(text)
    decoder = config["model"]["decoder"]
    if target.provider_options:
        decoder["session_options"]["provider_options"] = [dict([entry]) for entry in target.provider_options.items()]
    if target.context_length:
        config["model"]["context_length"] = config["search"]["max_length"] = target.context_length
    for part in (part for stage in decoder.get("pipeline", ()) for part in stage.values()):
        for entry in part.get("session_options", {}).get("provider_options", ()):
            for options in entry.values():
                options.pop("op_affinity", None)
                if options.pop("backend_path", None):  # a Linux file name; the compiler knows no other way
                    options["backend_type"] = "htp"
    if config != json.loads(text):
        config_path.write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")


def _training_record(workflow: Workflow) -> Path:
    """Where the trainer writes its steps: beside the checkpoints, so that a resumed run continues the record."""
    assert workflow.training_dir is not None
    return workflow.training_dir.with_name(f"{workflow.training_dir.name}.jsonl")


def _last_of_each_step(record: Path) -> str:
    """Steps after the last checkpoint are run again after a kill: the later line of a step is the one that counts."""
    steps: dict[int, str] = {}
    for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError):
            steps[int(json.loads(line)["done"])] = line
    return "".join(f"{steps[step]}\n" for step in sorted(steps))


def base_name(plan: Plan) -> str:
    """The base model as a record may name it: never an absolute path."""
    path = Path(plan.model.path)
    return path.name if path.is_absolute() else plan.model.path


def clear(output: Path, workflow: Workflow) -> None:
    """Away with all that an earlier, unfinished try left, but for checkpoints that are whole."""
    remove(output, workflow.cache_dir)
    training = workflow.training_dir
    if training is None:
        return
    for checkpoint in training.glob("checkpoint-*"):
        try:
            # transformers writes the trainer's state last: without it the checkpoint was cut by a kill.
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint, ignore_errors=True)
    if not any(training.glob("checkpoint-*")):
        remove(training)  # Olive refuses a training directory without a checkpoint
        _training_record(workflow).unlink(missing_ok=True)


def clean(workflow: Workflow) -> None:
    remove(workflow.cache_dir)
    if workflow.training_dir:
        remove(workflow.training_dir)
        _training_record(workflow).unlink(missing_ok=True)


def _log(plan: Plan, job: Job) -> Path:
    return Path("runs", plan.recipe.name, "logs", f"{job.id}.log")


def _run_olive(plan: Plan, job: Job, workflow: Workflow, scratch: Path, reporter: Reporter) -> ChildResult:
    """``olive run`` as anyone would type it. Its exit code says nothing: the files do."""
    log = _log(plan, job)
    log.unlink(missing_ok=True)
    # Olive is given the text that the key was made from, not a file that may have been rendered again meanwhile.
    config = scratch / "workflow.yaml"
    config.write_text(workflow.text, encoding="utf-8")
    progress = _training_record(workflow) if workflow.training_dir else scratch / "progress.jsonl"
    progress.parent.mkdir(parents=True, exist_ok=True)
    result = run_child(
        interpreter(job.target.build_environment) if job.target else None,
        ["-m", "olive", "run", "--config", str(config), "--disable_telemetry", *_package_config(workflow)],
        log=log,
        environment=child_environment(scratch=scratch, progress=progress, offline=plan.model.is_local),
        progress=progress,
        on_progress=lambda done, total, loss: reporter.job_progress(job, done, total, loss),
    )
    output = plan.output_dir(job)
    wanted = _EXPORTED[job.target.runtime] if job.target else _MUST_HAVE[job.kind]
    missing = [name for name in wanted if not (output / name).is_file()]
    if result.exit_code != 0 or missing:
        raise failure_in(log, result)
    return result


def _package_config(workflow: Workflow) -> list[str]:
    return ["--package-config", str(workflow.package_config)] if workflow.package_config else []


def _verify(plan: Plan, job: Job, scratch: Path, place: Place | None) -> tuple[list[Check], ChildResult]:
    spec = VerifySpec(
        kind=job.kind,
        output_dir=plan.output_dir(job).as_posix(),
        parent_dir=plan.output_dir(plan.job(job.parent)).as_posix() if job.parent else None,
        base_model=plan.model.path,
        base_revision=plan.recipe.model.revision,
        dataset=plan.dataset.directory.as_posix(),
        limit=_limit(plan, job),
        export=_export_spec(plan, job, scratch, place) if place else None,
    )
    path = scratch / "verify.json"
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    log = scratch / "verify.log"
    environment = child_environment(scratch=scratch, progress=scratch / "verify.progress", offline=plan.model.is_local)
    code = "import sys; from olivepress.run.verify import main; sys.exit(main(sys.argv[1:]))"
    result = run_child(None, ["-c", code, str(path)], log=log, environment=environment)
    text = log.read_text(encoding="utf-8", errors="replace")
    with _log(plan, job).open("a", encoding="utf-8") as file:
        file.write(text)
    if result.exit_code != 0:
        raise failure_in(_log(plan, job), result)
    return [Check.model_validate(check) for check in json.loads(text.splitlines()[-1])], result


def _export_spec(plan: Plan, job: Job, scratch: Path, place: Place) -> ExportSpec:
    target, limit = job.target, _limit(plan, job)
    assert target is not None and job.parent is not None and limit is not None
    return ExportSpec(
        output_dir=plan.output_dir(job).as_posix(),
        parent_dir=plan.output_dir(plan.job(job.parent)).as_posix(),
        dataset=plan.dataset.directory.as_posix(),
        scratch=scratch.as_posix(),
        how=place.how,
        interpreter=str(place.interpreter) if place.interpreter else None,
        execution_provider=target.execution_provider,
        precision=target.precision,
        limit=limit,
        min_top1=target.min_top1_agreement,
        min_placed=target.min_placed,
        max_cpu_nodes=target.max_cpu_nodes,
        random_weights=plan.model.random_weights,
    )


def _limit(plan: Plan, job: Job) -> float | None:
    """Nats of mean KL that the job's result may be away from its parent."""
    if job.kind == "merge":
        exact = plan.recipe.finetune.torch_dtype == "float32" and plan.model.facts.parameters <= _LARGE
        return _MERGE_LIMIT["float32" if exact else "bfloat16"]
    if job.target is None:
        return None
    own = plan.recipe.limits.max_kl_divergence if job.target.precision != "fp32" else None
    return own or job.target.max_kl_divergence


def _manifest(
    plan: Plan,
    job: Job,
    workflow: Workflow,
    parent: Manifest | None,
    key: str,
    verified: Verified,
    checks: Sequence[Check],
    files: dict[str, FileHash],
    resources: Resources,
) -> Manifest:
    return Manifest(
        recipe=plan.recipe.name,
        job=job.id,
        kind=job.kind,
        key=key,
        family=plan.model.family.family,
        base_model=base_name(plan),
        base_model_revision=_commit(plan),
        random_weights=plan.model.random_weights,
        target=job.target.target if job.target else None,
        device=job.target.device if job.target else None,
        execution_provider=job.target.execution_provider if job.target else None,
        precision=job.target.precision if job.target else None,
        min_placed=job.target.min_placed if job.target else None,
        max_cpu_nodes=job.target.max_cpu_nodes if job.target else None,
        parent=job.parent,
        parent_sha256=parent.sha256 if parent else None,
        dataset=plan.dataset.name,
        dataset_version=plan.dataset.version,
        synthetic_data=plan.dataset.synthetic,
        workflow_sha256=workflow.sha256,
        versions=_versions(job),
        seed=plan.recipe.finetune.seed,
        git_commit=_git_commit(),
        verified=verified,
        checks=tuple(checks),
        resources=resources,
        created_at=datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        sha256=artifact_hash(files),
        files=files,
    )


def _versions(job: Job) -> dict[str, str]:
    """Packages that it was made with: those of the environment that it was built in."""
    if job.target is None:
        return package_versions()
    python = interpreter(job.target.build_environment)
    return package_versions() if python == Path(sys.executable) else machine_of(python).packages


def _commit(plan: Plan) -> str | None:
    """The Hub commit that was used: the name of the snapshot in the cache. None for a local model."""
    if plan.model.is_local:
        return None
    return local_directory(plan.model.path, plan.recipe.model.revision).name


def _git_commit() -> str | None:
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None
