"""One target for each reader of files from elsewhere: it returns, or raises an error of the project's tree.

A target takes the bytes of one file and a scratch folder. ``SEEDS`` are what the project's own writers make.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.data.store.examples import Message

Target = Callable[[bytes, Path], None]
MESSAGES: list[Message] = [{"role": "user", "content": "turn it on"}, {"role": "assistant", "content": "done"}]
CHATML = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content | trim + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
RECIPE = """name: tiny
model: {path: "embedded:tiny-phi"}
data: {demo: device-command, instruction: "a"}
finetune: {method: lora, lora: &l {r: 8}, learning_rate: 0.001}
targets: [cpu-int4]
"""


def _file(name: str, read: Callable[[Path], Any]) -> Target:
    """The target that reads the bytes as a file of this name."""

    def target(data: bytes, scratch: Path) -> None:
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        read(path)

    return target


def _recipe(path: Path) -> None:
    from olivepress.core.yaml_document import read_record
    from olivepress.recipe.schema import Recipe

    read_record(path, Recipe)


def _target(path: Path) -> None:
    from olivepress.catalog.target import Target as TargetRecord
    from olivepress.core.yaml_document import read_record

    read_record(path, TargetRecord)


def _report(path: Path) -> None:
    from olivepress.report.device_report import read_report

    read_report(path)


def _sealed_report(data: bytes, scratch: Path) -> None:
    """A report whose hash is right, so that what stands behind it is reached."""
    from olivepress.report.device_report import parse_report, report_hash

    try:
        fields = json.loads(data)
        fields["report_sha256"] = report_hash(fields)
    except Exception:
        return
    parse_report(json.dumps(fields).encode(), scratch / "report.json")


def _examples(data: bytes, scratch: Path) -> None:
    import hashlib

    from olivepress.report.device_report import DeviceReport, parse_report
    from olivepress.report.examples import read_scores

    fields = json.loads(_report_seed())
    fields |= {"examples_file": "e.jsonl", "examples_sha256": hashlib.sha256(data).hexdigest()}
    (scratch / "e.jsonl").write_bytes(data)
    report = parse_report(_sealed(fields), "r.json")
    assert isinstance(report, DeviceReport)
    report._source = scratch / "r.json"
    read_scores(report)


def _bundle(path: Path) -> None:
    from olivepress.bundle.device import open_bundle

    open_bundle(path, root=path.parent / "opened")


def _carried(path: Path) -> None:
    from olivepress.bundle.archive import extract
    from olivepress.bundle.contents import CarriedReport

    extract(path, CarriedReport, path.parent / "opened")


def _manifest(path: Path) -> None:
    from olivepress.core.artifact import read_manifest

    read_manifest(path.parent, verify=True)


def _genai(path: Path) -> None:
    from olivepress.bundle.device import _check_no_code
    from olivepress.runtimes.chat_template.model_config import context_length, eos_token_ids, pad_token_id
    from olivepress.runtimes.session import configured_providers, session_options

    configured_providers(path.parent)
    session_options(path.parent)
    for read in (context_length, eos_token_ids, pad_token_id):
        read(path.parent)
    _check_no_code(path.parent, {"genai_config.json"}, path)


def _safetensors(path: Path) -> None:
    from olivepress.catalog import count_parameters

    count_parameters(path.parent)


def _reference(path: Path) -> None:
    from olivepress.measure.quality.reference_file import read_reference

    read_reference(path.parent)


def _adapter_config(path: Path) -> None:
    from olivepress.adapters.peft_adapter import read_peft_adapter

    (path.parent / "adapter_model.safetensors").write_bytes(_adapter_weights())
    read_peft_adapter(path.parent)


def _adapter_model(path: Path) -> None:
    from olivepress.adapters.peft_adapter import read_peft_adapter

    (path.parent / "adapter_config.json").write_text(json.dumps(_ADAPTER))
    read_peft_adapter(path.parent)


def _package(path: Path) -> None:
    from olivepress.adapters.package import read_package

    read_package(path.parent)


def _rows(path: Path) -> None:
    from olivepress.data.build import build_dataset
    from olivepress.recipe.schema import Data

    build_dataset(Data(source=str(path)))


def _template(data: bytes, scratch: Path) -> None:
    from olivepress.runtimes.chat_template.prompts import render_prompt

    _forget()
    (scratch / "chat_template.jinja").write_bytes(data)
    render_prompt(scratch, MESSAGES)


def _tokenizer_config(path: Path) -> None:
    from olivepress.runtimes.chat_template.prompts import render_prompt

    _forget()
    render_prompt(path.parent, MESSAGES)


def _forget() -> None:
    """What was read of the folder before: each input comes by the same name."""
    from olivepress.runtimes.chat_template import files as chat_template_files
    from olivepress.runtimes.chat_template import tokenizer_files

    for module in (chat_template_files, tokenizer_files):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def _tools(path: Path) -> None:
    """Rows with tool calls against a chat template that comes from elsewhere, too."""
    from olivepress.data.store.examples import Example
    from olivepress.runtimes.chat_template.check import check_rows

    _forget()
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": "b"}}}
    messages: tuple[Message, ...] = (
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    )
    tools = ({"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},)
    check_rows(path.parent, [Example(id="r", messages=messages, label=None, tools=tools)])


def _model_file(path: Path) -> None:
    """A file of a whole small model; the others are right."""
    from olivepress.models.admission import check_folder
    from tests.wrong_inputs.model_folders import folder

    for name, content in folder().items():
        other = path.parent / name.removeprefix("model/")
        if other != path:
            other.write_bytes(content.encode() if isinstance(content, str) else content)
    check_folder(path.parent)


def _model_seed(name: str) -> bytes:
    from tests.wrong_inputs.model_folders import folder

    content = folder()[f"model/{name}"]
    return content.encode() if isinstance(content, str) else content


def _onnx(path: Path) -> None:
    from olivepress.runtimes.artifact_safety import check_artifact

    check_artifact(path.parent)


def _onnx_seed() -> bytes:
    from olivepress.runtimes.probe_model import fp32_model

    return fp32_model().data


def _workflow(path: Path) -> None:
    from olivepress.pipeline.lint import lint_file

    lint_file(path)


def _tasks(path: Path) -> None:
    from olivepress.measure.quality.task_files import code_in_tasks

    list(code_in_tasks(path.parent))


def _config(path: Path) -> None:
    from olivepress.catalog import facts_from_config
    from olivepress.runtimes.chat_template.model_config import context_length, eos_token_ids

    (path.parent / "model.safetensors").write_bytes(_adapter_weights())
    facts_from_config(path.parent)
    context_length(path.parent)
    eos_token_ids(path.parent)


def _import(path: Path) -> None:
    from datetime import UTC, datetime

    from olivepress.measure.importers import import_results

    import_results(path, recipe="r", job="j", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))


def _tuning(path: Path) -> None:
    from olivepress.measure.tuning.record import read_tuning

    read_tuning(path.parent)


def _split(path: Path) -> None:
    from olivepress.data.store.reader import read_split

    (path.parent / "dataset.json").write_text('{"name": "d", "version": "1"}')
    read_split(path.parent, "test")


def _facts(path: Path) -> None:
    from olivepress.data.store.dataset import load_dataset
    from olivepress.data.store.reader import read_split

    for split in ("train", "validation", "test"):
        (path.parent / f"{split}.jsonl").write_bytes(_SPLIT)
    read_split(path.parent, "test")
    load_dataset(path.parent)


def _instructions(path: Path) -> None:
    from olivepress.data.derive.augment import read_templates

    read_templates(path)


_ROW = {"id": "a", "label": None, "messages": MESSAGES}
_SPLIT = (json.dumps(_ROW) + "\n").encode()
_ADAPTER = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "rank_pattern": {"q_proj": 2}, "bias": "none"}
_GENAI = {
    "model": {
        "context_length": 128,
        "eos_token_id": [1, 2],
        "pad_token_id": 0,
        "decoder": {"filename": "model.onnx", "session_options": {"intra_op_num_threads": 2, "provider_options": []}},
    },
    "search": {"max_length": 128},
}
_LLAMA = Path(__file__).parent.parent / "measure" / "importers"


def _adapter_weights() -> bytes:
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    header = {
        name.format("A"): {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]},
        name.format("B"): {"dtype": "F32", "shape": [4, 2], "data_offsets": [32, 64]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(64)


def _arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer, format=np.int64(5), vocab_size=np.int64(9), lengths=np.array([3, 2], np.int32),
        firsts=np.array([0, 0], np.int32), supervised=np.array([0, 1, 1, 0, 1], np.uint8),
        starts=np.array([1, 1], np.int32), ids=np.arange(5, dtype=np.int32), top_ids=np.zeros((5, 4), np.int32),
        top_logprobs=np.zeros((5, 4), np.float32), tail_mass=np.zeros(5, np.float32),
        greedy_lengths=np.array([1], np.int32), greedy_ids=np.array([3], np.int32),
    )  # fmt: skip
    return buffer.getvalue()


def _sealed(fields: dict[str, Any]) -> bytes:
    from olivepress.report.device_report import report_hash

    return json.dumps(fields | {"report_sha256": report_hash(fields)}).encode()


def _report_seed() -> bytes:
    from tests.report.factory import make_report

    return _sealed(make_report().model_dump(mode="json"))


def _zip(index: str, fields: dict[str, Any], members: dict[str, bytes]) -> bytes:
    import hashlib

    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in members.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(index, json.dumps({"schema_version": 1, "files": files, **fields}))
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _manifest_seed() -> bytes:
    from olivepress.core.artifact import artifact_hash

    fields = {
        "schema_version": 1, "recipe": "tiny", "job": "export-cpu-int4", "kind": "export", "key": "0", "family": "phi",
        "base_model": "m", "base_model_revision": None, "random_weights": False, "target": "cpu-int4", "device": "cpu",
        "execution_provider": "CPUExecutionProvider", "precision": "int4", "parent": "merge", "parent_sha256": "1",
        "dataset": "d", "dataset_version": "1", "synthetic_data": True, "workflow_sha256": "2", "versions": {},
        "seed": 0, "git_commit": None, "verified": "native", "created_at": "2026-11-21T00:00:00+00:00", "files": {},
        "checks": [{"name": "kl", "passed": True, "value": 0.1, "limit": 0.2, "detail": ""}],
        "resources": {"seconds": 1.0, "peak_memory_bytes": None, "peak_disk_bytes": None}, "sha256": artifact_hash({}),
    }  # fmt: skip
    return json.dumps(fields).encode()


def _parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["turn on"] * 20, "answer": ["ok"] * 20}), buffer)
    return buffer.getvalue()


def _zst(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


def _database() -> bytes:
    import sqlite3

    with sqlite3.connect(":memory:") as database:
        database.execute("create table rows (prompt text, answer text)")
        database.executemany("insert into rows values (?, ?)", [(f"q {number}", "a") for number in range(20)])
        database.commit()
        return database.serialize()


def _workflow_seed() -> bytes:
    import yaml

    from tests.wrong_inputs.workflow_files import WORKFLOW

    return str(yaml.safe_dump(WORKFLOW)).encode()


def _bundle_seed() -> bytes:
    fields = {
        "kind": "bundle", "recipe": "tiny", "job": "export-cpu-int4", "artifact_sha256": "0" * 64, "outcomes": {},
        "execution_provider": "CPUExecutionProvider", "dataset": "d", "dataset_version": "1", "ids_only": False,
        "benchmark": {"rounds": 2},
    }  # fmt: skip
    members = {"artifact/manifest.json": _manifest_seed(), "artifact/genai_config.json": json.dumps(_GENAI).encode()}
    return _zip("bundle.json", fields, members)


_CSV = b"prompt,answer\n" + b"".join(b"turn on %d,ok\n" % number for number in range(20))
_CHAT = b"".join(json.dumps({"messages": MESSAGES}).encode() + b"\n" for _ in range(20))
_LIST = json.dumps([{"prompt": f"q {number}", "answer": "a"} for number in range(20)]).encode()

TARGETS: dict[str, Target] = {
    "recipe": _file("recipe.yaml", _recipe),
    "target": _file("target.yaml", _target),
    "report": _file("report.json", _report),
    "sealed-report": _sealed_report,
    "examples": _examples,
    "bundle": _file("b.zip", _bundle),
    "carried": _file("r.report.zip", _carried),
    "manifest": _file("a/manifest.json", _manifest),
    "package": _file("package.json", _package),
    "genai-config": _file("genai_config.json", _genai),
    "safetensors": _file("model.safetensors", _safetensors),
    "reference": _file("reference.npz", _reference),
    "adapter-config": _file("adapter_config.json", _adapter_config),
    "adapter-weights": _file("adapter_model.safetensors", _adapter_model),
    "model-config": _file("config.json", _model_file),
    "model-tokenizer": _file("tokenizer.json", _model_file),
    "model-generation": _file("generation_config.json", _model_file),
    "model-weights": _file("model.safetensors", _model_file),
    "onnx": _file("model.onnx", _onnx),
    "workflow": _file("workflow.yaml", _workflow),
    "tasks": _file("task.yaml", _tasks),
    "tool-template": _file("chat_template.jinja", _tools),
    "packed": _file("rows.csv.gz", _rows),
    "packed-zst": _file("rows.jsonl.zst", _rows),
    "database": _file("rows.db", _rows),
    "csv": _file("rows.csv", _rows),
    "jsonl": _file("rows.jsonl", _rows),
    "json": _file("rows.json", _rows),
    "parquet": _file("rows.parquet", _rows),
    "template": _template,
    "tokenizer-config": _file("tokenizer_config.json", _tokenizer_config),
    "config": _file("config.json", _config),
    "import": _file("result.json", _import),
    "tuning": _file("tuning.json", _tuning),
    "split": _file("test.jsonl", _split),
    "dataset-facts": _file("dataset.json", _facts),
    "instructions": _file("templates.yaml", _instructions),
}


def seeds(name: str) -> list[bytes]:
    """What a writer of this kind of file makes; never empty."""
    makers: dict[str, Callable[[], list[bytes]]] = {
        "recipe": lambda: [RECIPE.encode()],
        "target": lambda: [_read("catalog/targets")],
        "report": lambda: [_report_seed()],
        "sealed-report": lambda: [_report_seed()],
        "examples": lambda: [
            b'{"id": "a", "correct": true, "output": "x", "expected": "x", "scores": {"rouge_l": 1}}\n'
        ],
        "bundle": lambda: [_bundle_seed()],
        "carried": lambda: [_zip("carried.json", {"kind": "report", "report": "r.json"}, {"r.json": _report_seed()})],
        "manifest": lambda: [_manifest_seed()],
        "package": lambda: [b'{"schema_version": 1, "adapters": {}, "files": {}, "base": "x", "targets": ["q_proj"]}'],
        "genai-config": lambda: [json.dumps(_GENAI).encode()],
        "safetensors": lambda: [_adapter_weights()],
        "reference": lambda: [_arrays()],
        "adapter-config": lambda: [json.dumps(_ADAPTER).encode()],
        "adapter-weights": lambda: [_adapter_weights()],
        "model-config": lambda: [_model_seed("config.json")],
        "model-tokenizer": lambda: [b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": []}'],
        "model-generation": lambda: [_model_seed("generation_config.json")],
        "model-weights": lambda: [_model_seed("model.safetensors")],
        "onnx": lambda: [_onnx_seed()],
        "workflow": lambda: [_workflow_seed()],
        "tasks": lambda: [b"task: mine\ndataset_path: json\ndoc_to_text: '{{question}}'\ndoc_to_target: answer\n"],
        "tool-template": lambda: [CHATML.encode()],
        "packed": lambda: [gzip.compress(_CSV, mtime=0)],
        "packed-zst": lambda: [_zst(_CHAT)],
        "database": lambda: [_database()],
        "csv": lambda: [_CSV],
        "jsonl": lambda: [_CHAT],
        "json": lambda: [_LIST],
        "parquet": lambda: [_parquet()],
        "template": lambda: [CHATML.encode()],
        "tokenizer-config": lambda: [json.dumps({"chat_template": CHATML, "eos_token": {"content": "</s>"}}).encode()],
        "config": lambda: [b'{"model_type": "phi3", "vocab_size": 9, "hidden_size": 4, "max_position_embeddings": 64}'],
        "import": lambda: [path.read_bytes() for path in sorted(_LLAMA.rglob("*.json"))] or [b"[]"],
        "tuning": lambda: [b'{"schema_version": 1, "recipe": "x", "machine": {}, "alternatives": []}'],
        "split": lambda: [_SPLIT],
        "dataset-facts": lambda: [b'{"name": "d", "version": "1", "labels": ["a"], "format": "x", "dropped": {}}'],
        "instructions": lambda: [b'- "Please: {prompt}"\n- "{prompt}, please"\n'],
    }
    return makers[name]()


def _read(folder: str) -> bytes:
    import olivepress

    return next(iter(sorted(Path(olivepress.__file__).parent.joinpath(folder).glob("*.yaml")))).read_bytes()
