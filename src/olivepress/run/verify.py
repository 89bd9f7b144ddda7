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
from olivepress.run.verify_export import ExportSpec, verify_export
from olivepress.yaml_document import Record

__all__ = ["REFERENCE", "VerifySpec", "verify"]

REFERENCE = "reference"  # directory inside the merge artifact
_PROMPTS, _LEAST_PROMPTS = 64, 8
_LOGIT_BYTES = 2**29
_TOKENS = 128


class VerifySpec(Record):
    """What to verify. Paths are relative to the project root; ``limit`` is nats of mean KL."""

    kind: str
    output_dir: str
    parent_dir: str | None
    base_model: str
    base_revision: str | None = None
    dataset: str
    limit: float | None = None
    export: ExportSpec | None = None


def verify(spec: VerifySpec) -> list[Check]:
    """All checks of one artifact, in the order they were made. Raises JobError when one cannot even be made."""
    if spec.export is not None:
        return list(verify_export(spec.export))
    return list({"finetune": _finetune, "merge": _merge}[spec.kind](spec))


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
        rendered = render_prompt(model, row.messages, row.tools)
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
