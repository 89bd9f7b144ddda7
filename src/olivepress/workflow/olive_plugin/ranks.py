"""One training in several processes, each on a GPU of its own, started by accelerate's launcher.

Olive runs once: its pass hands the training over, and takes what the first of the processes saved. The others save and
record nothing, and wherever a decision follows from a measurement, all decide by that of the first.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from olivepress.core.child.process import start_process
from olivepress.core.errors import JobError
from olivepress.core.files import write_text
from olivepress.core.privacy import child_environment
from olivepress.core.process import BEFORE_EXEC

__all__ = ["agreed", "check_processes", "in_processes", "is_first"]

_MARKER = "OLIVEPRESS_TRAINING_PROCESS"  # set for each of them; RANK and LOCAL_RANK are the launcher's
_RESULT = "result.json"


def is_first() -> bool:
    """Whether this process saves and records: the first of several, or the only one."""
    return _MARKER not in os.environ or os.environ["RANK"] == "0"


def agreed(value: Any) -> Any:
    """The first process's value, in all of them: a decision that differs would leave them waiting for each other."""
    if _MARKER not in os.environ:
        return value
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


def check_processes(arguments: Any, asked: int) -> None:
    """JobError unless a started process knows the others: each would train alone, and nothing would say so."""
    if _MARKER in os.environ and arguments.world_size != asked:
        raise JobError(f"a training process knows {arguments.world_size} of {asked}", next_step="remove finetune.gpus")


def in_processes(training: Any, model: Any, config: Any, output_model_path: str) -> Any | None:
    """The result of the pass ``training`` in as many processes as ``config`` says; None where it is to train here.

    RuntimeError when one of them fails: it has reported why, and the others were ended.
    """
    count = config.processes
    if count < 2 or _MARKER in os.environ:
        return None
    kind = type(training)
    spec = {
        "kind": [kind.__module__, kind.__name__],
        "accelerator": training.accelerator_spec.to_json(),
        "config": config.to_json(),
        "model": model.to_json(),
        "output": output_model_path,
    }
    with tempfile.TemporaryDirectory(prefix="olivepress-") as folder:
        path = Path(folder, "training.json")
        write_text(path, json.dumps(spec))
        _launch(path, count)
        result = json.loads(path.with_name(_RESULT).read_text(encoding="utf-8"))
    return _model(result)


def _launch(spec: Path, count: int) -> None:
    # Without CUDA the processes find each other over gloo; every option that a file of the user's could set is named.
    launcher = ["-P", "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(count)]
    launcher += ["--num_machines", "1", "--machine_rank", "0", "--main_process_port", "0"]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no", "--module", __name__, str(spec)]
    environment = child_environment() | {_MARKER: "1"}
    with start_process([sys.executable, *launcher], environment, stdin=None, stdout=None, stderr=None) as process:
        code = process.wait()
    if code != 0:
        raise RuntimeError(f"one of {count} training processes failed; the launcher's exit code is {code}")


def _model(fields: dict[str, Any]) -> Any:
    from olive.model import ModelConfig

    return ModelConfig.model_validate(fields).create_model()


def _train(spec: dict[str, Any]) -> Any:
    """What Olive would do in one process: the config is read again, which imports the workflow's script."""
    from olive.hardware import AcceleratorSpec

    module, name = spec["kind"]
    kind = getattr(importlib.import_module(module), name)
    accelerator = AcceleratorSpec(**spec["accelerator"])
    config = kind.generate_config(accelerator, spec["config"], disable_search=True)
    if hasattr(config, "device_map"):  # the whole model on the GPU of this process
        config.device_map = "current_device" if torch.cuda.is_available() else "auto"
    more = config.training_args.extra_args
    more["ddp_find_unused_parameters"] = False
    if not torch.cuda.is_available():
        more["use_cpu"] = True  # else accelerate looks for no other process
    return kind(accelerator, config).run(_model(spec["model"]), spec["output"])


def main() -> None:
    """One of the processes."""
    if BEFORE_EXEC is not None:
        BEFORE_EXEC()  # it dies with the launcher
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    path = Path(sys.argv[1])
    trained = _train(json.loads(path.read_text(encoding="utf-8")))
    if is_first():
        write_text(path.with_name(_RESULT), json.dumps(trained.to_json()))


if __name__ == "__main__":
    main()
