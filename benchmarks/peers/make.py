"""Subject × model folder → what its runtime opens, with the bytes that one decoded token reads."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.catalog import targets
from olivepress.catalog.groups import with_group_sizes
from olivepress.core.privacy import OLIVE_RUNS, child_environment
from olivepress.environments.create import create
from olivepress.environments.lookup import interpreter
from olivepress.run.last_position import FORMAT, write_last_position
from olivepress.runtimes.linked_copy import linked_copy
from olivepress.runtimes.onnx_graph import GraphError
from olivepress.runtimes.session import size_on_disk_bytes
from olivepress.runtimes.weights import decode_read_bytes
from olivepress.workflow.render import package_config_text
from peers import gguf_file
from peers.fuse import fuse_gate_and_up
from peers.subjects import AsIs, Catalog, Gguf, OliveCli, Subject

BENCHMARKS = Path(__file__).resolve().parent.parent
# gguf 0.19 and xllamacpp of October 2026; the build of llama.cpp in it is AVX2's.
LLAMA_PACKAGES = ("xllamacpp==2026.10.11549", "gguf==0.19.0", "safetensors==0.8.0", "numpy==2.4.6",
                  "ml_dtypes==0.6.0")  # fmt: skip
CALIBRATION_ROWS = 256
MADE = "made.json"  # written last


class NotMade(Exception):
    """Why this subject cannot be made of this model."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """``model`` is what the runtime opens, ``build`` names what it was made by (session options are no part of it);
    ``read_bytes`` of weights for one token, or in words why not known."""

    model: Path
    build: str
    size_on_disk_bytes: int
    read_bytes: int | str


def runtime_python(runtime: str, project: Path) -> Path:
    """The interpreter that has the runtime's packages, its environment made when it is not there."""
    if runtime == "llama_cpp":
        return _llama_python(project)
    if runtime == "openvino_genai":
        create("openvino-build", on_progress=lambda what, done, total: None)
        return interpreter("openvino-build")
    return Path(sys.executable)


def _llama_python(project: Path) -> Path:
    folder, pins = project / "llama", "\n".join(LLAMA_PACKAGES)
    python, marker = folder / "bin" / "python", folder / MADE
    if not marker.is_file() or marker.read_text(encoding="utf-8") != pins:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *LLAMA_PACKAGES], check=True)
        marker.write_text(pins, encoding="utf-8")
    return python


def make(subject: Subject, model: Path, out: Path, project: Path, calibration: Path | None = None) -> Made:
    """Make it in a folder of ``out``, unless it lies there. Raises NotMade with the reason.

    ``calibration`` is a prepared dataset, for a trained model.
    """
    build = subject.build
    if isinstance(build, AsIs):
        read = _read_by_torch(model, build)
        return Made(model=model, build=build.dtype, size_on_disk_bytes=size_on_disk_bytes(model), read_bytes=read)
    text = json.dumps([type(build).__name__, dataclasses.asdict(build), _made_by(build)], sort_keys=True)
    folder = out / hashlib.sha256(text.encode()).hexdigest()[:12]  # shared by subjects that differ in the session only
    if not (folder / MADE).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / MADE).write_text(json.dumps(_build(build, model, folder, project, calibration)), encoding="utf-8")
    notes = json.loads((folder / MADE).read_text(encoding="utf-8"))
    if "not_made" in notes:
        raise NotMade(notes["not_made"])
    inside = folder / notes["inside"]
    size = size_on_disk_bytes(inside) if inside.is_dir() else inside.stat().st_size
    read = notes["read_bytes"] if "read_bytes" in notes else _read_by_graph(inside)
    if subject.session:
        session = subject.session
        inside = with_session(inside, folder / f"session-{subject.name}", lambda options: options | session)
    return Made(model=inside, build=folder.name, size_on_disk_bytes=size, read_bytes=read)


def _read_by_graph(model_dir: Path) -> int | str:
    """Bytes of weights read for one token, or the reason why they are not known."""
    try:
        return decode_read_bytes(model_dir)
    except GraphError as error:
        return error.message


def _made_by(build: Gguf | OliveCli | Catalog) -> Any:
    """What else than the subject's own keys decides what comes out."""
    if isinstance(build, Catalog):
        return [FORMAT, targets()[build.target].model_dump(mode="json")]
    return gguf_file.FORMAT if isinstance(build, Gguf) else None


def _build(
    build: Gguf | OliveCli | Catalog, model: Path, folder: Path, project: Path, calibration: Path | None
) -> dict[str, Any]:
    try:
        if isinstance(build, Gguf):
            return _gguf(build, model, folder, project)
        if isinstance(build, OliveCli):
            return _olive_cli(build, model, folder)
        return _catalog(build, model, folder, project, calibration)
    except NotMade as error:
        return {"not_made": str(error)}


def _gguf(build: Gguf, model: Path, folder: Path, project: Path) -> dict[str, Any]:
    command = [str(_llama_python(project)), "-m", "peers.gguf_file", str(model), str(folder / "model.gguf"), build.mix]
    done = subprocess.run(command, env=peer_environment(), check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if "not_representable" in found:
        raise NotMade(found["not_representable"])
    only_a_row = found.pop("row_only")
    return {"inside": "model.gguf", "read_bytes": sum(found.values()) - only_a_row, "bytes_by_type": found}


def _olive_cli(build: OliveCli, model: Path, folder: Path) -> dict[str, Any]:
    first, *rest = build.arguments
    command = ["-m", "olive", first, "-m", str(model), *rest, "-o", str(folder / "model"), "--disable_telemetry"]
    return {"inside": _olive(Path(sys.executable), command, folder).relative_to(folder).as_posix()}


def _catalog(build: Catalog, model: Path, folder: Path, project: Path, calibration: Path | None) -> dict[str, Any]:
    target = targets()[build.target]
    told = target.build_execution_provider or target.execution_provider
    passes = changed_passes(target.passes, build.changes)
    if calibration:
        passes = changed_passes(passes, build.calibrated)
    passes = with_group_sizes(passes, json.loads((model / "config.json").read_text(encoding="utf-8")))
    workflow = {
        "input_model": {
            "type": "HfModel", "model_path": str(model), "task": "text-generation",
            "load_kwargs": {"trust_remote_code": False, "use_safetensors": True},
        },
        "systems": {"here": {"type": "LocalSystem",
                             "accelerators": [{"device": target.device, "execution_providers": [told]}]}},
        "passes": passes, "data_configs": _data_configs(passes, model, folder, calibration),
        "host": "here", "target": "here", "evaluate_input_model": False,
        "output_dir": str(folder / "model"), "cache_dir": str(folder / "cache"),
    }  # fmt: skip
    config = folder / "workflow.json"
    config.write_text(json.dumps(workflow, indent=2), encoding="utf-8")
    openvino = target.runtime == "openvino"
    python = runtime_python("openvino_genai", project) if openvino else Path(sys.executable)
    command = ["-m", "olive", "run", "--config", str(config), "--disable_telemetry"]
    if target.package_config:
        (folder / "package.json").write_text(package_config_text(target), encoding="utf-8")
        command += ["--package-config", str(folder / "package.json")]
    made = _olive(python, command, folder)
    if build.fused:
        fuse_gate_and_up(made)
    if target.last_logits and not build.every_position:
        write_last_position(made)
    read = {"read_bytes": _read_by_openvino(python, made)} if openvino else {}
    return read | {"inside": made.relative_to(folder).as_posix()}


def _data_configs(
    passes: Mapping[str, Mapping[str, Any]], model: Path, folder: Path, calibration: Path | None
) -> list[dict[str, Any]]:
    """The rows that passes calibrate on, by olivepress's own data component, as a rendered workflow has them."""
    if not any(settings.get("data_config") == "calibration" for settings in passes.values()):
        return []
    if calibration is None:
        raise NotMade("it calibrates, and there are no rows to calibrate on")
    shim = folder / "shim.py"
    shim.write_text(
        "from olivepress.workflow.olive_plugin.extension import activate\n\nactivate(seed=0)\n", encoding="utf-8"
    )
    return [{
        "name": "calibration", "type": "DataContainer", "user_script": str(shim),
        "load_dataset_config": {"type": "olivepress_dataset", "directory": str(calibration), "split": "train"},
        "pre_process_data_config": {"type": "olivepress_calibration", "model_path": str(model), "revision": None,
                                    "max_length": 512, "max_rows": CALIBRATION_ROWS},
    }]  # fmt: skip


def changed_passes(
    passes: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, dict[str, Any]]:
    """The passes with ``changes`` laid over them; None takes a key, or a whole pass, out; a new pass comes first."""
    found = {name: {} for name in changes if name not in passes}
    found |= {name: dict(settings) for name, settings in passes.items()}
    for name, change in changes.items():
        if change is None:
            del found[name]
            continue
        found[name] = {key: value for key, value in (found[name] | dict(change)).items() if value is not None}
    return found


def _olive(python: Path, command: list[str], folder: Path) -> Path:
    """Run Olive and return the folder that a runtime opens.

    NotMade with the last error of its log when no model came out: it exits 0 all the same.
    """
    done = subprocess.run(
        [str(python), *command], cwd=folder, env=peer_environment(), capture_output=True, text=True, check=False
    )
    log = done.stdout + done.stderr
    (folder / "olive.log").write_text(log, encoding="utf-8")
    shutil.rmtree(folder / "cache", ignore_errors=True)
    names = ("genai_config.json", "openvino_model.xml")
    found = [file for name in names for file in (folder / "model").rglob(name)]
    if not found:
        errors = [line.strip() for line in log.splitlines() if "Error" in line]
        raise NotMade(f"Olive made no model: {(errors or ['its log names no error'])[-1][:300]}")
    return found[0].parent


def peer_environment() -> dict[str, str]:
    """For Olive and the children: no telemetry, no network, ``peers`` importable."""
    path = os.pathsep.join(filter(None, [str(BENCHMARKS), os.environ.get("PYTHONPATH")]))
    return child_environment(**OLIVE_RUNS) | {
        "PYTHONPATH": path, "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0",
    }  # fmt: skip


def with_session(model: Path, folder: Path, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """The same files by links, with other session options in genai_config.json."""
    config = json.loads((model / "genai_config.json").read_text(encoding="utf-8"))
    decoder = config["model"]["decoder"]
    decoder["session_options"] = changed(decoder["session_options"])
    return linked_copy(model, folder, {"genai_config.json": json.dumps(config, indent=2)})


def _read_by_torch(model: Path, build: AsIs) -> int:
    """All weights in the subject's dtype, of an embedding that is not the head one row."""
    from safetensors import safe_open

    tied = json.loads((model / "config.json").read_text(encoding="utf-8"))["tie_word_embeddings"]
    width, total = {"bfloat16": 2, "float32": 4}[build.dtype], 0
    for file in model.glob("*.safetensors"):
        with safe_open(str(file), framework="numpy") as held:
            for name in held.keys():  # noqa: SIM118 (not a mapping)
                shape = held.get_slice(name).get_shape()
                rows = shape[0] if "embed_tokens" in name and not tied else 1
                total += width * int(shape[0] * (shape[1] if len(shape) > 1 else 1) / rows)
    return total


def _read_by_openvino(python: Path, model: Path) -> int | str:
    command = [str(python), "-m", "peers.children.openvino_weights", str(model / "openvino_model.xml")]
    done = subprocess.run(command, env=peer_environment(), check=True, capture_output=True, text=True)
    found: int = json.loads(done.stdout.splitlines()[-1])
    return found
