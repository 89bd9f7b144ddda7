"""Runs one measuring task in a child process: ``python -m olivepress.measure.worker.child TASK``, JSON spec on stdin.

Why processes: a cold load and a peak memory belong to one process only, and a crash in native code costs one task
instead of the whole bench. Progress goes out as JSON lines; the last line of stdout is the result.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import olivepress.core.errors as tree
from olivepress.core.errors import JobError, OlivepressError, whole_message
from olivepress.core.privacy import private_environment
from olivepress.core.process import BEFORE_EXEC
from olivepress.report.ceiling import ceiling_environment
from olivepress.report.machine import peak_rss_bytes

__all__ = ["TASKS", "main", "run_child"]

Progress = Callable[[int, int], None]
Spec = Mapping[str, Any]


def _latency(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.latency.latency import LatencySpec, measure_process

    return measure_process(LatencySpec.model_validate(spec))


def _placement(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.placement import node_placement

    return node_placement(Path(spec["model_dir"]), spec["execution_provider"]).model_dump()


def _machine(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.report.machine import fingerprint

    return {"machine": fingerprint().model_dump(mode="json")}


def _openvino_devices(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.openvino_model import openvino_devices

    return {"devices": list(openvino_devices())}


def _proof(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.proof.export import ProofSpec, prove

    return prove(ProofSpec.model_validate(spec), progress=progress).model_dump(mode="json")


def _package_proof(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.proof.package import PackageProofSpec, prove_package

    return prove_package(PackageProofSpec.model_validate(spec), progress=progress).model_dump(mode="json")


def _tokenizer(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.runtime_tokenizer import TokenizerSpec, read_tokenizer

    return read_tokenizer(TokenizerSpec.model_validate(spec), progress=progress).model_dump(mode="json")


def _openvino_tokenizer(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.runtime_tokenizer import convert_for_openvino

    convert_for_openvino(Path(spec["source"]), Path(spec["directory"]))
    return {}


def _ceiling(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.report.ceiling import measure_ceiling

    return measure_ceiling(spec["threads"]).model_dump()


def _answers(spec: Spec, progress: Progress) -> dict[str, Any]:
    """Greedy answers; with ``few_shot`` examples before each question, as many of them as the context holds."""
    from olivepress.data.split_reader import read_split
    from olivepress.measure.quality.accuracy import Finished
    from olivepress.measure.quality.few_shot import add_shots
    from olivepress.runtimes.chat_template.prompts import ContextExceeded

    dataset = Path(spec["dataset_dir"])
    asked = read_split(dataset, spec["split"], limit=spec["limit"]).rows
    examples: list[Any] = []
    for shots in range(spec["few_shot"], -1, -1):
        rows = add_shots(dataset, asked, shots)
        try:
            examples, budget = _measure(
                spec, rows, Finished(Path(f"{spec['partial']}.{shots}")), progress, whole=shots > 0
            )
        except ContextExceeded:
            if shots == 0:
                raise
            continue
        break
    return {
        "max_new_tokens": budget,
        "few_shot": shots,
        "examples": [{"id": e.id, "output": e.output, "expected": e.expected, "label": e.label} for e in examples],
    }


def _measure(spec: Spec, rows: Any, finished: Any, progress: Progress, *, whole: bool) -> tuple[list[Any], int]:
    model_dir = Path(spec["model_dir"])
    if spec["runtime"] == "pytorch":
        from olivepress.measure.quality.reference import measure_pytorch

        return measure_pytorch(model_dir, rows, **_tuned(spec), whole=whole, finished=finished, progress=progress)
    from olivepress.measure.quality.accuracy import measure_exported

    return measure_exported(model_dir, rows, whole=whole, finished=finished, progress=progress)


def _named_answers(spec: Spec, progress: Progress) -> dict[str, Any]:
    """Greedy answers to the rows of a split that are named by id; those that ``partial`` holds are not asked again."""
    from olivepress.data.split_reader import read_split
    from olivepress.measure.quality.accuracy import Finished, measure_exported

    rows = {row.id: row for row in read_split(Path(spec["dataset_dir"]), spec["split"]).rows}
    asked = [rows[row_id] for row_id in spec["ids"]]
    how = {"budget": spec["max_new_tokens"], "finished": Finished(Path(spec["partial"])), "progress": progress}
    if spec["runtime"] == "pytorch":
        from olivepress.measure.quality.reference import measure_pytorch

        examples, _ = measure_pytorch(Path(spec["model_dir"]), asked, **how)
    else:
        examples, _ = measure_exported(Path(spec["model_dir"]), asked, **how)
    return {"examples": [[example.output, example.expected] for example in examples]}


def _tuned(spec: Spec) -> dict[str, Any]:
    """The adapter of a PyTorch parent that is not merged, and how its base was quantized when it was trained."""
    from olivepress.recipe.methods import FourBit

    adapter, four_bit = spec.get("adapter_dir"), spec.get("four_bit")
    return {
        "adapter_dir": Path(adapter) if adapter else None,
        "four_bit": FourBit.model_validate(four_bit) if four_bit else None,
    }


def _labels(spec: Spec, progress: Progress) -> dict[str, Any]:
    """The class of each example by constrained scoring."""
    from olivepress.data.split_reader import read_split
    from olivepress.measure.quality.few_shot import add_shots

    dataset, model_dir, labels = Path(spec["dataset_dir"]), Path(spec["model_dir"]), spec["labels"]
    rows = add_shots(dataset, read_split(dataset, spec["split"], limit=spec["limit"]).rows, spec["few_shot"])
    if spec["runtime"] == "pytorch":
        from olivepress.measure.quality.reference_text import score_labels_pytorch

        found = score_labels_pytorch(model_dir, rows, labels, **_tuned(spec), progress=progress)
    else:
        from olivepress.measure.quality.label_scoring import score_labels_exported

        found = score_labels_exported(model_dir, rows, labels, progress=progress)
    return {"labels": found}


def _text(spec: Spec, progress: Progress) -> dict[str, Any]:
    """Perplexity on a text file."""
    from olivepress.measure.quality.perplexity import perplexity_exported, read_text, text_metrics

    model_dir, text = Path(spec["model_dir"]), read_text(Path(spec["text"]))
    if spec["runtime"] == "pytorch":
        from olivepress.measure.quality.reference_text import perplexity_pytorch

        found = perplexity_pytorch(model_dir, text, window=spec["window"], **_tuned(spec), progress=progress)
    else:
        found = perplexity_exported(model_dir, text, window=spec["window"], progress=progress)
    return {
        "metrics": {name: value.model_dump() for name, value in text_metrics(found).items()},
        "window": found.window,
        "stride": found.stride,
    }


def _lm_eval(spec: Spec, progress: Progress) -> dict[str, Any]:
    """Tasks of lm-evaluation-harness; the task ``dataset`` is the test split, written as one of its tasks."""
    from olivepress.measure.quality.lm_eval_tasks import OWN_TASK, run_lm_eval, task_from_dataset

    model_dir = Path(spec["model_dir"])
    found: dict[str, Any] = {}
    own = Path(spec["include_path"]) if spec["include_path"] else None
    for name in spec["tasks"]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = own
            if name == OWN_TASK:
                folder = Path(scratch)
                split, limit = spec["split"], spec["limit"]
                task_from_dataset(
                    Path(spec["dataset_dir"]), folder, name, model_dir=model_dir, split=split, limit=limit
                )
            found |= run_lm_eval(
                model_dir,
                [name],
                include_path=folder,
                # The harness takes the first rows; of our own split the same are chosen as for all other metrics.
                limit=None if name == OWN_TASK else spec["limit"],
                execution_provider=spec["execution_provider"],
            )
    return {"metrics": {name: value.model_dump() for name, value in found.items()}}


def _lm_eval_known(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.quality.lm_eval_tasks import OWN_TASK, check_tasks

    own = Path(spec["include_path"]) if spec["include_path"] else None
    check_tasks([name for name in spec["tasks"] if name != OWN_TASK], include_path=own)
    return {}


def _fidelity(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.quality.fidelity import fidelity

    found = fidelity(Path(spec["model_dir"]), Path(spec["reference_dir"]), progress=progress)
    return {"metrics": {name: measurement.model_dump() for name, measurement in found.items()}}


def _trial(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.tuning.trial import TrialSpec, run_trial

    fields = {name: value for name, value in spec.items() if name in TrialSpec.model_fields}
    return run_trial(TrialSpec.model_validate(fields)).model_dump(mode="json")


def _profile(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.latency.kernel_profile import ProfileSpec, profile_process

    return profile_process(ProfileSpec.model_validate(spec))


def _probe(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.probe import probe_import, probe_provider

    if "module" in spec:
        return probe_import(spec["module"])
    return probe_provider(spec["provider"], spec["plugin"]).model_dump()


TASKS: dict[str, Callable[[Spec, Progress], dict[str, Any]]] = {
    "machine": _machine,
    "openvino_devices": _openvino_devices,
    "proof": _proof,
    "package_proof": _package_proof,
    "tokenizer": _tokenizer,
    "openvino_tokenizer": _openvino_tokenizer,
    "latency": _latency,
    "placement": _placement,
    "ceiling": _ceiling,
    "answers": _answers,
    "named_answers": _named_answers,
    "labels": _labels,
    "text": _text,
    "lm_eval": _lm_eval,
    "lm_eval_known": _lm_eval_known,
    "fidelity": _fidelity,
    "probe": _probe,
    "trial": _trial,
    "profile": _profile,
}


def _check_model(task: str, spec: Spec) -> None:
    """The one door to every runtime: what a task would open is looked at before it is opened. ReportError."""
    if "model_dir" not in spec or spec.get("runtime") == "pytorch":
        return
    from olivepress.runtimes.artifact_safety import check_before_opening

    profile = None
    if task == "profile" and spec.get("folder"):
        from olivepress.measure.latency.kernel_profile import profile_prefix

        profile = profile_prefix(Path(spec["folder"]))
    check_before_opening(Path(spec["model_dir"]), profile=profile)


def main(arguments: list[str] | None = None) -> int:
    """Entry of the child. Returns 0 with ``{"result": …}`` as the last line, else 1 with ``{"error": …}``."""
    (task,) = sys.argv[1:] if arguments is None else arguments
    spec = json.loads(sys.stdin.read())

    def say(message: Mapping[str, Any]) -> None:
        print(json.dumps(message), flush=True)

    try:
        _check_model(task, spec)
        result = TASKS[task](spec, lambda done, total: say({"progress": [done, total]}))
    except Exception as error:
        # The full traceback goes to stderr for the log; the parent shows one line.
        traceback.print_exc()
        ours = isinstance(error, OlivepressError)
        message = whole_message(error.message if isinstance(error, OlivepressError) else error)
        say({
            "error": message if ours else f"{type(error).__name__}: {message}",
            "kind": type(error).__name__ if ours else "JobError",
            "next_step": error.next_step if isinstance(error, OlivepressError) else None,
        })  # fmt: skip
        return 1
    say({"result": result | {"peak_rss_bytes": peak_rss_bytes()}})
    return 0


def run_child(
    task: str,
    spec: Spec,
    *,
    interpreter: Path | None = None,
    progress: Progress | None = None,
    timeout_s: float | None = None,
) -> dict[str, Any]:
    """Run ``task`` of ``TASKS`` in a fresh process and return its result, with its own ``peak_rss_bytes``.

    ``interpreter`` is another environment's Python, None for this one.

    Raises the child's own error again (same class of ``olivepress.core.errors``), or JobError when it was killed, crashed
    or ran past ``timeout_s`` seconds. The child does not outlive this call, Ctrl-C included.
    """
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as stderr:
        process = _start(task, spec, stderr, interpreter)
        began = time.monotonic()
        timer = _kill_after(process, timeout_s)
        try:
            _feed(process, spec)
            assert process.stdout is not None
            for line in process.stdout:
                message = _message(line)
                if "progress" in message and progress:
                    progress(*message["progress"])
                elif "result" in message or "error" in message:
                    last = message
            process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode == 0 and "result" in last:
            result: dict[str, Any] = last["result"]
            return result
        if timeout_s is not None and time.monotonic() - began >= timeout_s:
            raise JobError(f"the {task} process ran past its limit of {timeout_s:g} s", next_step="raise the limit")
        stderr.seek(0)
        raise _failure(task, process.returncode, last, stderr.read())


def _start(task: str, spec: Spec, stderr: IO[str], interpreter: Path | None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # -P: the current folder is not on the path, so that a user's json.py does not shadow the real one.
        [str(interpreter or sys.executable), "-P", "-m", "olivepress.measure.worker.child", task],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=_environment() | ({} if task != "ceiling" else ceiling_environment(spec["threads"])),
        preexec_fn=BEFORE_EXEC,
    )


def _feed(process: subprocess.Popen[str], spec: Spec) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(spec))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died before reading: its exit code and stderr say why


def _kill_after(process: subprocess.Popen[str], timeout_s: float | None) -> threading.Timer:
    timer = threading.Timer(timeout_s or 0.0, process.kill)
    timer.daemon = True
    if timeout_s is not None:
        timer.start()
    return timer


def _environment() -> dict[str, str]:
    # Measuring never goes to the network: a missing file must be an error, not a download.
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment = private_environment(**offline, PYTHONIOENCODING="utf-8")
    # A process that goes without torch (run.verify_export) may ask the PyTorch parent for its answers.
    environment.pop("USE_TORCH", None)
    return environment


def _message(line: str) -> dict[str, Any]:
    """Native libraries print to stdout as well: what is not one of our JSON objects is skipped."""
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _failure(task: str, code: int, last: dict[str, Any], stderr: str) -> OlivepressError:
    if "error" in last:
        kind = getattr(tree, str(last.get("kind")), JobError)
        error: OlivepressError = kind(last["error"], next_step=last.get("next_step"))
        return error
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    hint = f": {lines[-1][:300]}" if lines else ""
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        why = f"was killed by {name}" + (" (out of memory or time?)" if -code == signal.SIGKILL else "")
    else:
        why = f"ended with exit code {code} and no result"
    return JobError(f"the {task} process {why}{hint}", next_step="free memory or make the workload smaller")


if __name__ == "__main__":
    sys.exit(main())
