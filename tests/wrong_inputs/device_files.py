"""What comes from a device or goes to one: reports, bundles, artifacts, packages, adapters."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.report.factory import make_report
from tests.wrong_inputs.case import Case

Change = Callable[[dict[str, Any]], Any]


def sealed(fields: dict[str, Any]) -> str:
    """A report whose own hash is right: only its sense is wrong."""
    body = {key: value for key, value in fields.items() if key != "report_sha256"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return json.dumps({**body, "report_sha256": hashlib.sha256(text.encode()).hexdigest()})


def _report() -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(make_report().model_dump_json())
    return fields


def _metric(name: str, **values: Any) -> Change:
    return lambda report: report["metrics"][name].update(values)


def _top(**values: Any) -> Change:
    return lambda report: report.update(values)


REPORTS: dict[str, Change] = {
    "exact_match 7": _metric("exact_match", value=7.0, ci_low=6.0, ci_high=8.0),
    "exact_match -1": _metric("exact_match", value=-1.0, ci_low=-1.0, ci_high=-1.0),
    "exact_match as text": _metric("exact_match", value="0.5"),
    "value outside of its interval": _metric("exact_match", value=0.95),
    "interval turned": _metric("exact_match", ci_low=0.9, ci_high=0.1),
    "one end": _metric("exact_match", ci_low=None),
    "value and reason": _metric("exact_match", reason="because"),
    "neither value nor reason": _metric("exact_match", value=None, ci_low=None, ci_high=None),
    "reason of blanks": _metric("kl_divergence", reason=" "),
    "unit of another metric": _metric("ttft_ms", unit="tokens/s"),
    "unknown unit": _metric("ttft_ms", unit="parsecs"),
    "negative time": _metric("ttft_ms", value=-1.0, ci_low=-2.0, ci_high=-1.0),
    "time 0": _metric("ttft_ms", value=0.0, ci_low=0.0, ci_high=0.0),
    "size -5": _metric("size_on_disk_bytes", value=-5.0),
    "n -1": _metric("load_ms", n=-1),
    "n 1.5": _metric("load_ms", n=1.5),
    "number 1e400": _metric("load_ms", value=10**400),
    "metric named a tag": lambda report: report["metrics"].update({"<b>": report["metrics"]["ttft_ms"]}),
    "n 5 of 1": lambda report: report["dataset"].update(n=5, of=1),
    "yesterday": _top(created_at="yesterday"),
    "no time zone": _top(created_at="2026-11-20T00:00:00"),
    "year 0": _top(created_at="0000-01-01T00:00:00+00:00"),
    "created_at as number": _top(created_at=1790000000),
    "unknown key": _top(colour="red"),
    "schema 99": _top(schema_version=99),
    "schema as text": _top(schema_version="2"),
    "examples elsewhere": _top(examples_file="../../x.jsonl", examples_sha256="a" * 64),
    "examples at an absolute path": _top(examples_file="/x.jsonl", examples_sha256="a" * 64),
    "runtime unknown": _top(runtime="magic"),
    "device a toaster": _top(device="toaster"),
    "emulated as text": _top(emulated="no"),
    "metrics a list": _top(metrics=[]),
    "no machine": _top(machine=None),
    "memory negative": lambda report: report["machine"].update(memory_bytes=-1),
    "cores negative": lambda report: report["machine"].update(logical_cores=-2),
    "headline unknown": _top(headline_workload="9x9"),
    "sample of 0 ms": lambda report: report["samples"][0].update(ttft_ms=0),
    "artifact named none": _top(artifact_sha256=None),
}
RAW_REPORTS: dict[str, bytes | str] = {
    "changed by hand": sealed(_report()).replace("12.5", "1.5"),
    "NaN": sealed(_report()).replace("12.5", "NaN"),
    "cut": sealed(_report())[:300],
    "key twice": '{"schema_version": 2, "schema_version": 2}',
    "deep": '{"a":' * 100_000,
    "binary": bytes(range(256)),
    "list": "[]",
    "number": "5",
    "digits": '{"schema_version": ' + "9" * 10_000 + "}",
    "utf-16": sealed(_report()).encode("utf-16"),
}


def _zip(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return stream.getvalue()


def _deflated(name: str, size: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"\0" * size)
    return stream.getvalue()


ARCHIVES: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello",
    "no members": _zip(),
    "no index": _zip(a=b"x"),
    "index of garbage": _zip(**{"bundle.json": b"{"}),
    "index a list": _zip(**{"bundle.json": b"[]"}),
    "index of nothing": _zip(**{"bundle.json": b"{}"}),
    "carried garbage": _zip(**{"carried.json": b"{"}),
    "both indexes": _zip(**{"bundle.json": b"{}", "carried.json": b"{}"}),
    "cut": _zip(**{"bundle.json": b"{}"})[:-10],
    "deflated": _deflated("bundle.json", 10_000_000),
    "climbs out": _zip(**{"../x": b"y", "bundle.json": b"{}"}),
    "absolute": _zip(**{"/x": b"y", "bundle.json": b"{}"}),
    "deep index": _zip(**{"bundle.json": b"[" * 100_000}),
}


def _manifest(files: dict[str, bytes], **changes: Any) -> str:
    hashes = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    listed = "\n".join(f"{name} {entry['sha256']}" for name, entry in sorted(hashes.items()))
    fields = {
        "schema_version": 1,
        "recipe": "x",
        "job": "export-cpu-int4",
        "kind": "export",
        "key": "0" * 64,
        "family": "phi",
        "base_model": "m",
        "base_model_revision": None,
        "random_weights": False,
        "target": "cpu-int4",
        "device": "cpu",
        "execution_provider": "CPUExecutionProvider",
        "precision": "int4",
        "parent": "merge",
        "parent_sha256": "1" * 64,
        "dataset": "d",
        "dataset_version": "v",
        "synthetic_data": True,
        "workflow_sha256": "2" * 64,
        "versions": {},
        "seed": 0,
        "git_commit": None,
        "verified": "native",
        "checks": [],
        "created_at": "2026-11-21T00:00:00+00:00",
        "resources": {"seconds": 1.0, "peak_memory_bytes": None, "peak_disk_bytes": None},
        "sha256": hashlib.sha256(listed.encode()).hexdigest(),
        "files": hashes,
    }
    return json.dumps(fields | changes)


GENAI = b'{"model": {"decoder": {"filename": "model.onnx", "session_options": {"provider_options": []}}}}'
ARTIFACTS: dict[str, dict[str, bytes | str]] = {
    "manifest empty": {"manifest.json": ""},
    "manifest garbage": {"manifest.json": "{"},
    "manifest a list": {"manifest.json": "[]"},
    "manifest of nothing": {"manifest.json": "{}"},
    "manifest deep": {"manifest.json": "[" * 100_000},
    "manifest binary": {"manifest.json": bytes(range(256))},
    "files missing": {"manifest.json": _manifest({"model.onnx": b"x"})},
    "files changed": {"manifest.json": _manifest({"model.onnx": b"x"}), "model.onnx": b"y"},
    "files elsewhere": {"manifest.json": _manifest({"../x": b"x"}), "../x": b"x"},
    "sha256 of another": {"manifest.json": _manifest({"model.onnx": b"x"}, sha256="0" * 64), "model.onnx": b"x"},
    "no genai_config": {"manifest.json": _manifest({"model.onnx": b"x"}), "model.onnx": b"x"},
    "kind unknown": {"manifest.json": _manifest({"model.onnx": b"x"}, kind="cake"), "model.onnx": b"x"},
    "genai_config without manifest": {"genai_config.json": GENAI, "model.onnx": b"x"},
    "genai_config garbage": {
        "genai_config.json": b"{",
        "model.onnx": b"x",
        "manifest.json": _manifest({"genai_config.json": b"{", "model.onnx": b"x"}),
    },
    "genai_config a list": {
        "genai_config.json": b"[]",
        "model.onnx": b"x",
        "manifest.json": _manifest({"genai_config.json": b"[]", "model.onnx": b"x"}),
    },
    "model garbage": {
        "genai_config.json": GENAI,
        "model.onnx": b"x",
        "manifest.json": _manifest({"genai_config.json": GENAI, "model.onnx": b"x"}),
    },
    "model an ELF file": {
        "genai_config.json": GENAI,
        "model.onnx": b"\x7fELF" + b"\0" * 60,
        "manifest.json": _manifest({"genai_config.json": GENAI, "model.onnx": b"\x7fELF" + b"\0" * 60}),
    },
}
ARTIFACT_VERBS = (("bench",), ("tune",), ("profile",), ("chat", "--prompt", "hi"), ("adapters", "list"), ("bundle",))


def _weights(tensors: dict[str, Any]) -> bytes:
    header: dict[str, Any] = {}
    data = b""
    for name, tensor in tensors.items():
        raw = np.asarray(tensor, dtype=np.float32).tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(np.shape(tensor)),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


_PLACE = "base_model.model.model.layers.0.self_attn.o_proj.lora_"
_GOOD = _weights({f"{_PLACE}A.weight": np.ones((8, 16)), f"{_PLACE}B.weight": np.ones((16, 8))})
_SETTINGS: dict[str, Any] = {"peft_type": "LORA", "r": 8, "lora_alpha": 16}
ADAPTER_CONFIGS: dict[str, Any] = {
    "no type": {"r": 8},
    "prefix tuning": {"peft_type": "PREFIX_TUNING"},
    "adalora": {**_SETTINGS, "peft_type": "ADALORA"},
    "vera": {**_SETTINGS, "peft_type": "VERA"},
    "loha": {**_SETTINGS, "peft_type": "LOHA"},
    "r 0": {**_SETTINGS, "r": 0},
    "r as text": {**_SETTINGS, "r": "8"},
    "r -1": {**_SETTINGS, "r": -1},
    "alpha null": {**_SETTINGS, "lora_alpha": None},
    "dora": {**_SETTINGS, "use_dora": True},
    "rank_pattern a list": {**_SETTINGS, "rank_pattern": ["o_proj"]},
    "rank_pattern no pattern": {**_SETTINGS, "rank_pattern": {"o_proj(": 8}},
    "rank_pattern text": {**_SETTINGS, "rank_pattern": {"o_proj": "x"}},
    "alpha_pattern text": {**_SETTINGS, "alpha_pattern": {"o_proj": "x"}},
    "alpha_pattern a list": {**_SETTINGS, "alpha_pattern": ["o_proj"]},
    "a list": [1],
    "a number": 3,
    "bias all": {**_SETTINGS, "bias": "all"},
}
ADAPTER_WEIGHTS: dict[str, bytes] = {
    "nothing": b"",
    "cut": _GOOD[:-20],
    "header of garbage": (10).to_bytes(8, "little") + b"x" * 20,
    "header of 1 TB": (10**12).to_bytes(8, "little") + b"{}",
    "text": b"hello",
    "pickle": b"\x80\x04K\x01.",
    "no tensors": _weights({}),
    "other names": _weights({"x": np.ones((2, 2))}),
    "not numbers": _weights({f"{_PLACE}A.weight": np.full((8, 16), np.nan), f"{_PLACE}B.weight": np.ones((16, 8))}),
    "one half": _weights({f"{_PLACE}A.weight": np.ones((8, 16))}),
}


def cases() -> Iterator[Case]:
    for name, change in REPORTS.items():
        report = _report()
        change(report)
        yield _report_case(name, sealed(report))
    for name, text in RAW_REPORTS.items():
        yield _report_case(name, text)
    for name, content in ARCHIVES.items():
        yield Case(name=f"bundle, {name}", arguments=("bench", "wrong.zip"), files={"wrong.zip": content})
        yield Case(
            name=f"carried report, {name}",
            arguments=("import", "wrong.report.zip"),
            files={"wrong.report.zip": content},
        )
    for name, files in ARTIFACTS.items():
        here = {f"top/artifact/{path}": content for path, content in files.items()}
        for verb in ARTIFACT_VERBS:
            yield Case(name=f"{verb[0]} of an artifact, {name}", arguments=(verb[0], *_placed(verb)), files=here)
    for name, settings in ADAPTER_CONFIGS.items():
        yield _adapter_case(f"config, {name}", json.dumps(settings), _GOOD)
    for name, weights in ADAPTER_WEIGHTS.items():
        yield _adapter_case(f"weights, {name}", json.dumps(_SETTINGS), weights)


def _placed(verb: tuple[str, ...]) -> tuple[str, ...]:
    """The rest of the command, the artifact where it belongs."""
    if verb[0] == "adapters":
        return (*verb[1:], "top/artifact")
    return ("top/artifact", *verb[1:])


def _report_case(name: str, text: bytes | str) -> Case:
    return Case(name=f"report, {name}", arguments=("compare", "report.json"), files={"report.json": text})


def _adapter_case(name: str, config: str, weights: bytes) -> Case:
    """The package that it would go into is no package either; the adapter is read by itself below."""
    files = {"adapter/adapter_config.json": config, "adapter/adapter_model.safetensors": weights, "package/": ""}
    return Case(
        name=f"adapter, {name}", arguments=("adapters", "add", "package", "adapter", "--name", "a"), files=files
    )


def right() -> Case:
    return _report_case("right", sealed(_report()))
