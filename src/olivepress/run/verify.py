"""What a job made, opened and held against its parent. Runs as a child process of its own.

The last line it prints is a JSON list of checks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.artifact import Check
from olivepress.errors import JobError, OlivepressError
from olivepress.hub import local_directory
from olivepress.measure.dataset import Row, read_split
from olivepress.measure.prompts import render_prompt
from olivepress.yaml_document import Record

__all__ = ["REFERENCE", "VerifySpec", "verify"]

REFERENCE = "reference"  # directory inside the merge artifact
_PROMPTS, _LEAST_PROMPTS = 64, 8
_LOGIT_BYTES = 2**29
_TOKENS = 128
_TOKENIZER_ROWS = 100
_GREEDY_TOKENS = 8
_ANSWERS = 3
_FP32_LOGIT_LIMIT = 1.0e-3


class VerifySpec(Record):
    """What to verify. Paths are relative to the project root; ``limit`` is nats of mean KL."""

    kind: str
    output_dir: str
    parent_dir: str | None
    base_model: str
    base_revision: str | None = None
    dataset: str
    precision: str | None = None
    native: bool = True
    limit: float | None = None


def verify(spec: VerifySpec) -> list[Check]:
    """All checks of one artifact, in the order they were made. Raises JobError when one cannot even be made."""
    checks = {"finetune": _finetune, "merge": _merge, "export": _export}[spec.kind]
    return list(checks(spec))


def _finetune(spec: VerifySpec) -> Iterator[Check]:
    """An adapter that is whole, finite, and does something."""
    path = Path(spec.output_dir, "adapter", "adapter_model.safetensors")
    tensors = _tensors(path)
    broken = [name for name, tensor in tensors if not bool(tensor.isfinite().all())]
    yield Check(name="finite", passed=not broken, detail=broken[0] if broken else "every tensor of the adapter")
    moved = [name for name, tensor in _tensors(path) if "lora_B" in name and float(tensor.abs().max()) > 0]
    count = sum("lora_B" in name for name, _ in _tensors(path))
    yield Check(
        name="adapter_trained",
        passed=0 < count == len(moved),
        value=float(len(moved)),
        limit=float(count),
        detail="lora_B matrices that left zero",
    )


def _tensors(path: Path) -> Iterator[tuple[str, Any]]:
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (safe_open is no mapping)
                yield name, file.get_tensor(name)
    except Exception as error:
        raise JobError(f"{path}: cannot be opened ({error})", next_step="run the job again") from error


def _merge(spec: VerifySpec) -> Iterator[Check]:
    """A whole model that differs from the base and computes what base + adapter computes."""
    from olivepress.measure.reference import write_reference

    output = Path(spec.output_dir)
    model = output / "model"
    for path in sorted(model.glob("*.safetensors")):
        broken = [name for name, tensor in _tensors(path) if not bool(tensor.isfinite().all())]
        yield Check(name=f"finite {path.name}", passed=not broken, detail=broken[0] if broken else "every tensor")
    token_ids, starts = _token_ids(model, _rows(spec, "validation", _PROMPTS))
    scratch = output / ".with-adapter"
    assert spec.parent_dir is not None
    base = local_directory(spec.base_model, spec.base_revision)
    write_reference(base, token_ids, scratch, adapter_dir=Path(spec.parent_dir, "adapter"))
    write_reference(model, token_ids, output / REFERENCE, answer_starts=starts)
    value = _mean_kl(scratch, output / REFERENCE)
    _remove(scratch)
    assert spec.limit is not None
    yield Check(
        name="kl_to_base_with_adapter",
        passed=value <= spec.limit,
        value=value,
        limit=spec.limit,
        detail=f"nats a token, {len(token_ids)} validation rows",
    )


def _rows(spec: VerifySpec, split: str, limit: int) -> tuple[Row, ...]:
    return read_split(Path(spec.dataset), split, limit=limit).rows


def _token_ids(model: Path, rows: Sequence[Row]) -> tuple[list[list[int]], list[int]]:
    """(prompts with their answers, for each the position that predicts the answer's first token).

    As many rows as their logits in float32 take half a GB, but at least eight.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model))
    most, ids, starts = _LOGIT_BYTES // (4 * len(tokenizer)), list[list[int]](), list[int]()
    for row in rows:
        rendered = render_prompt(model, row.messages)
        prefix, full = (
            tokenizer(text, add_special_tokens=False)["input_ids"] for text in (rendered.prefix, rendered.full)
        )
        if len(ids) >= _LEAST_PROMPTS and sum(map(len, ids)) + len(full) > most:
            break
        ids.append(list(full[:_TOKENS]))
        starts.append(len(prefix) - 1)
    return ids, starts


def _mean_kl(first: Path, second: Path) -> float:
    """Mean KL(first ‖ second) in nats over all positions of the saved logits."""
    from olivepress.measure.fidelity import divergence, log_softmax

    total, count = 0.0, 0
    for path in sorted(first.glob("logits-*.npy")):
        a, b = np.load(path, mmap_mode="r"), np.load(second / path.name, mmap_mode="r")
        for row in range(len(a)):
            pair = [log_softmax(np.asarray(x[row : row + 1], dtype=np.float64)) for x in (a, b)]
            total += float(divergence(*pair).sum())
            count += 1
    return max(total / count, 0.0) if count else math.nan


def _remove(directory: Path) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


def _export(spec: VerifySpec) -> Iterator[Check]:
    """Natively: same tokens, answers come, logits held to the parent. Elsewhere: the graph and its files are whole."""
    output = Path(spec.output_dir)
    yield from _structure(output)
    if not spec.native:
        return
    from olivepress.measure.accuracy import genai_answers, genai_token_ids
    from olivepress.measure.fidelity import fidelity

    rows = _rows(spec, "test", _TOKENIZER_ROWS)
    texts = [render_prompt(output, row.messages).full for row in rows]
    assert spec.parent_dir is not None and spec.limit is not None
    differing = _differing(Path(spec.parent_dir, "model"), texts, genai_token_ids(output, texts))
    yield Check(
        name="tokenizer",
        passed=differing is None,
        value=float(len(texts)),
        detail=differing or "texts whose genai ids equal Hugging Face's",
    )
    prompts = genai_token_ids(output, [render_prompt(output, row.messages).prefix for row in rows[:_ANSWERS]])
    longest = max(len(answer) for answer in genai_answers(output, prompts, _GREEDY_TOKENS))
    yield Check(name="generates", passed=longest > 0, value=float(longest), detail="tokens generated")
    found = fidelity(output, Path(spec.parent_dir, REFERENCE))
    kl = found["kl_divergence"].value
    assert kl is not None
    yield Check(name="kl_divergence", passed=kl <= spec.limit, value=kl, limit=spec.limit, detail="nats a token")
    agreement = found["top1_agreement"].value
    yield Check(name="top1_agreement", passed=True, value=agreement, detail="share of positions, no limit set")
    if spec.precision == "fp32":
        difference = found["max_abs_logit_diff"].value
        assert difference is not None
        yield Check(
            name="max_abs_logit_diff",
            passed=difference <= _FP32_LOGIT_LIMIT,
            value=difference,
            limit=_FP32_LOGIT_LIMIT,
        )


def _structure(output: Path) -> Iterator[Check]:
    """The ONNX file parses and every tensor it keeps outside lies whole in its data file."""
    import onnx

    model = onnx.load(str(output / "model.onnx"), load_external_data=False)
    missing = ""
    for tensor in model.graph.initializer:
        outside = {entry.key: entry.value for entry in tensor.external_data}
        if outside:
            data = output / outside["location"]
            end = int(outside.get("offset", 0)) + int(outside.get("length", 0))
            if not data.is_file() or data.stat().st_size < end:
                missing = tensor.name
    json.loads((output / "genai_config.json").read_text(encoding="utf-8"))
    yield Check(
        name="structure",
        passed=not missing,
        value=float(len(model.graph.node)),
        detail=f"{missing} is not whole" if missing else "nodes, all weights in place",
    )


def _differing(parent: Path, texts: Sequence[str], genai_ids: Sequence[Sequence[int]]) -> str | None:
    """The first text whose ids differ between Hugging Face's tokenizer and genai's, and where; None when none does."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(parent))
    for text, ids in zip(texts, genai_ids, strict=True):
        expected = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        if expected != list(ids):
            at = next((i for i, (a, b) in enumerate(zip(expected, ids, strict=False)) if a != b), len(ids))
            return (
                f"token {at} of {text[:40]!r} is {expected[at : at + 1]} to Hugging Face, {list(ids)[at : at + 1]} here"
            )
    return None


def main(arguments: Sequence[str]) -> int:
    """Entry of the child: checks as JSON on the last line, or one line of error and exit code 6."""
    spec = VerifySpec.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        checks = verify(spec)
    except OlivepressError as error:
        print(f"JobError: {error}")
        return error.exit_code
    print(json.dumps([check.model_dump() for check in checks]))
    return 0
