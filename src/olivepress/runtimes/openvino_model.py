"""Model folders opened with OpenVINO: the stateful IR that Olive's OpenVINOOptimumConversion writes.

The KV cache is part of the infer request; the inputs are input_ids, attention_mask, position_ids and beam_idx, the only
output is logits, of all positions. ``openvino_device.json`` in the folder names the device and its properties, as
genai_config.json does for ONNX Runtime.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.catalog.provider import OPENVINO
from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError, SetupError, whole_message
from olivepress.report.device_report import Placement
from olivepress.runtimes.base import config_number
from olivepress.runtimes.chat_template.model_config import eos_token_ids
from olivepress.runtimes.config_rules import device_problems

__all__ = [
    "DEVICE_FILE",
    "NPU_ON_CPU",
    "OpenvinoModel",
    "OpenvinoTokenizer",
    "device_text",
    "import_openvino",
    "openvino_devices",
    "openvino_placement",
    "read_device",
]

DEVICE_FILE = "openvino_device.json"
# The NPU plugin's static graphs on the CPU, as openvino.genai's tests run them: shapes and numbers, never speed.
NPU_ON_CPU = {"NPUW_DEVICES": "CPU", "NPUW_ONLINE_PIPELINE": "NONE"}
_MODEL = "openvino_model.xml"
_TOKEN_AXIS = 2  # of a KV state, as the CPU plugin shows it: batch, heads, tokens, head size


def import_openvino() -> tuple[Any, Any]:
    """The modules openvino and openvino_genai. SetupError with the command that installs them when they are missing."""
    try:
        import openvino
        import openvino_genai
    except ImportError as error:
        reason = f"openvino cannot be imported ({error})"
        raise SetupError(reason, next_step="olivepress env create openvino") from error
    return openvino, openvino_genai


def openvino_devices() -> tuple[str, ...]:
    """Devices of this machine by the installed runtime (``CPU``, ``GPU``, ``NPU``); empty without the package."""
    try:
        import openvino
    except ImportError:
        return ()
    return tuple(str(name).split(".")[0] for name in openvino.Core().available_devices)


def device_text(device: str, properties: Mapping[str, Any]) -> str:
    """Text of ``openvino_device.json``: the device (``CPU``, ``GPU``, ``NPU``) and the properties to compile with."""
    return json.dumps({"device": device, "properties": dict(properties)}, indent=2, sort_keys=True) + "\n"


def read_device(model_dir: Path) -> tuple[str, dict[str, Any]]:
    """(device, properties) of the folder's ``openvino_device.json``; JobError when it is missing or not valid."""
    path = model_dir / DEVICE_FILE
    try:
        config = read_json(path, CONFIG, JobError)
        if problems := device_problems(config):
            raise ValueError(problems[0])
        return str(config["device"]), dict(config["properties"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: names no device ({error})", next_step="export the model again") from error


class OpenvinoTokenizer:
    """``openvino_tokenizer.xml`` and ``openvino_detokenizer.xml`` of a folder. SetupError without the packages."""

    def __init__(self, model_dir: Path) -> None:
        _, genai = import_openvino()
        self._tokenizer = genai.Tokenizer(str(model_dir))

    def encode(self, text: str) -> list[int]:
        if not text:
            return []
        ids = self._tokenizer.encode(text, add_special_tokens=False).input_ids.data[0]
        return [int(token) for token in ids]

    def decode(self, token_ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode([int(token) for token in token_ids])) if len(token_ids) else ""

    def apply_template(self, messages: str, tools: str = "") -> str:
        """As ``GenaiModel.apply_template``."""
        try:
            options = {"tools": json.loads(tools)} if tools else {}
            return str(self._tokenizer.apply_chat_template(json.loads(messages), add_generation_prompt=True, **options))
        except Exception as error:  # the runtime's errors have no common base
            raise JobError(str(error).strip().split("\n")[0][:200]) from error


class OpenvinoModel:
    """A ``base.LanguageModel``. SetupError without the packages; JobError when it cannot be compiled."""

    def __init__(self, model_dir: Path) -> None:
        self.openvino, genai = import_openvino()
        self._dir, self._genai, self.windowed = model_dir, genai, False
        device, properties = read_device(model_dir)
        try:
            self._compiled = self.openvino.Core().compile_model(str(model_dir / _MODEL), device, properties)
            self._tokenizer = OpenvinoTokenizer(model_dir)
        except Exception as error:  # the runtime's errors have no common base
            raise _unopened(model_dir, device, error) from error
        self.inputs = {name for port in self._compiled.inputs for name in port.get_names()}
        self.ends = frozenset(eos_token_ids(model_dir))
        self.device = _text(self._compiled.get_property("EXECUTION_DEVICES"))
        self.vocabulary = config_number(model_dir / "config.json", "vocab_size")
        # The NPU's prefill returns the logits of the last position only, so tokens are appended one at a time.
        self.single, self.rewinds = device == "NPU", device == "CPU"

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self._tokenizer.decode(token_ids)

    def answer_by_default(self, text: str) -> bool:
        """Generate one token with openvino-genai's pipeline and generation_config.json alone; True.

        JobError with the pipeline's message when it fails. False on an NPU: there the pipeline compiles graphs of its
        own, and an emulated NPU has no driver.
        """
        device, properties = read_device(self._dir)
        if device == "NPU":
            return False
        try:
            pipeline = self._genai.LLMPipeline(str(self._dir), device, **properties)
            settings = pipeline.get_generation_config()
            settings.max_new_tokens = 1
            pipeline.generate(text, settings)
        except Exception as error:  # the runtime's errors have no common base
            raise JobError(whole_message(error)) from error
        return True

    def generation(self, longest: int, *, shortest: int = 0) -> OpenvinoGeneration:
        return OpenvinoGeneration(self, self._compiled.create_infer_request(), longest, shortest)


class OpenvinoGeneration:
    """A ``base.Generation``."""

    def __init__(self, model: OpenvinoModel, request: Any, longest: int, shortest: int) -> None:
        request.reset_state()
        self._model, self._request = model, request
        self._longest, self._shortest = longest, shortest
        self._tokens: list[int] = []
        self._run = 0  # tokens that the model has seen
        self._ended = False
        self._logits = np.zeros((0, 0), dtype=np.float32)
        self.step: Callable[[], object] = self._step

    def append(self, token_ids: Sequence[int]) -> None:
        self._tokens += [int(token) for token in token_ids]
        parts = [[token] for token in token_ids] if self._model.single else [list(token_ids)]
        rows = [self._infer(part) for part in parts]
        self._logits = rows[0] if len(rows) == 1 else np.concatenate(rows)

    def _infer(self, token_ids: Sequence[int]) -> np.ndarray:
        end = self._run + len(token_ids)
        feed = {
            "input_ids": np.asarray([token_ids], dtype=np.int64),
            "attention_mask": np.ones((1, end), dtype=np.int64),
            "position_ids": np.arange(self._run, end, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, dtype=np.int32),
        }
        self._request.infer({name: value for name, value in feed.items() if name in self._model.inputs})
        self._run = end
        return np.array(self._request.get_tensor("logits").data[0])  # copied: the next call writes over it

    def _step(self) -> None:
        if self._run < len(self._tokens):
            self._logits = self._infer(self._tokens[self._run :])
        row = self._logits[-1]
        if len(self._tokens) < self._shortest:
            row[list(self._model.ends)] = -np.inf
        token = int(row.argmax())
        if token in self._model.ends:
            self._ended = True
        else:
            self._tokens.append(token)

    def logits(self) -> np.ndarray:
        return self._logits

    def rewind(self, length: int) -> None:
        if not self._model.rewinds:  # the layout of tokens in a state is known for the CPU plugin only
            raise JobError(
                "OpenVINO can remove tokens on its CPU only", next_step="score the classes on another device"
            )
        for state in self._request.query_state():
            kept = np.ascontiguousarray(np.take(state.state.data, np.arange(length), axis=_TOKEN_AXIS))
            state.state = self._model.openvino.Tensor(kept)
        self._run, self._tokens, self._ended = length, self._tokens[:length], False

    def done(self) -> bool:
        return self._ended or len(self._tokens) >= self._longest

    def tokens(self) -> list[int]:
        return list(self._tokens)


def openvino_placement(model_dir: Path) -> Placement:
    """Operations of the IR per device, as the runtime would place them; it never falls back by itself.

    JobError when the device cannot run the model or is missing.
    """
    openvino, _ = import_openvino()
    device, properties = read_device(model_dir)
    try:
        core = openvino.Core()
        model = core.read_model(str(model_dir / _MODEL))
        names = [node.get_friendly_name() for node in model.get_ops()]
        # An emulated NPU has no driver to query: compiling the whole model shows that it runs there.
        emulated = "NPUW_DEVICES" in properties
        devices = dict.fromkeys(names, device) if emulated else core.query_model(model, device, {})
        core.compile_model(model, device, properties)
    except Exception as error:  # the runtime's errors have no common base
        raise _unopened(model_dir, device, error) from error
    places = [str(devices.get(name, "no device")).split(".")[0] for name in names]
    nodes = Counter(OPENVINO.name if place == device else place for place in places)
    return Placement(asked=OPENVINO.name, nodes=dict(nodes), fallback=len(nodes) > 1)


def _unopened(model_dir: Path, device: str, error: Exception) -> JobError:
    return JobError(
        f"{model_dir}: cannot be opened on {device} ({whole_message(error)})", next_step="olivepress doctor"
    )


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
