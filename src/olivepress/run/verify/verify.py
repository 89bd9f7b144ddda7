"""A job's output, opened and compared with its parent: a task of a child process."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from olivepress.catalog import count_parameters
from olivepress.core.artifact import Check
from olivepress.core.files import copy_file
from olivepress.core.hub import local_directory
from olivepress.core.progress import Progress
from olivepress.core.yaml_document import Record
from olivepress.data.store.examples import Example
from olivepress.data.store.reader import read_split
from olivepress.measure.quality.horizon import Horizon, horizon
from olivepress.measure.quality.long_row import LongRow, long_row
from olivepress.measure.quality.reference_file import AnswerPart
from olivepress.recipe.methods import METHODS, FourBit
from olivepress.run.verify.adapter import adapter_checks, weight_delta
from olivepress.run.verify.export import ExportSpec, verify_export
from olivepress.run.verify.long_row import check_merged_row, not_compared
from olivepress.run.verify.package import PackageSpec, verify_package
from olivepress.run.verify.reference_rows import reference_prompts
from olivepress.run.verify.tensors import read_tensors
from olivepress.run.verify.trained_weights import trained_weights
from olivepress.runtimes.chat_template.prompts import render_prompt
from olivepress.workflow.olive_plugin.supervision import TrainOn
from olivepress.workflow.sizes import REFERENCE_PROMPTS, REFERENCE_TOKENS

__all__ = ["REFERENCE", "Checks", "VerifySpec", "verify", "verify_job"]

REFERENCE = "reference"  # directory inside the merge artifact


class VerifySpec(Record):
    """What to verify. Paths are relative to the project root; ``limit`` is nats of mean KL, ``max_length`` tokens that
    a row may have to be trained on.

    ``method`` is how it was trained, ``four_bit`` on which quantized base; ``freeze_layers`` were not. ``start_from``:
    the folder of the adapter that was trained further.
    """

    kind: str
    method: str
    four_bit: FourBit | None = None
    freeze_layers: int = 0
    start_from: str | None = None
    output_dir: str
    parent_dir: str | None
    base_model: str
    base_revision: str | None = None
    dataset: str
    train_on: TrainOn = "answer"
    max_length: int = REFERENCE_TOKENS
    limit: float | None = None
    export: ExportSpec | None = None
    package: PackageSpec | None = None


class Checks(Record):
    checks: tuple[Check, ...]


def verify_job(spec: VerifySpec, progress: Progress) -> Checks:
    """``verify`` as a task of a child process."""
    return Checks(checks=tuple(verify(spec)))


def verify(spec: VerifySpec) -> list[Check]:
    """All checks of one artifact, in the order they were made. Raises JobError when one cannot even be made."""
    if spec.package is not None:
        return list(verify_package(spec.package))
    if spec.export is not None:
        if spec.parent_dir is None:
            _reference_of_base(spec, Path(spec.export.reference_dir))
        reach = not_compared(_reach(spec).beyond)
        return [*verify_export(spec.export), *reach]
    if spec.kind == "finetune" and not METHODS[spec.method].adapter:
        return list(_full(spec))
    if spec.kind == "finetune":
        start = Path(spec.start_from) if spec.start_from else None
        return list(adapter_checks(Path(spec.output_dir, "adapter"), spec.method, start))
    return list(_merge(spec))


def _reference_of_base(spec: VerifySpec, reference: Path) -> None:
    """What an export of the base itself is compared with: no merge has written it."""
    from olivepress.measure.quality.reference import write_reference

    base = local_directory(spec.base_model, spec.base_revision)
    token_ids, answers = _reference_prompts(spec, base)
    write_reference(base, token_ids, reference, answers=answers, long_row=_long_row(spec, base))
    copy_file(reference / "reference.npz", Path(spec.output_dir, REFERENCE, "reference.npz"))


def _full(spec: VerifySpec) -> Iterator[Check]:
    """A complete model whose trained weights have changed, and the frozen ones have not."""
    from olivepress.measure.quality.reference import write_logits, write_reference

    output = Path(spec.output_dir)
    model, base = output / "model", local_directory(spec.base_model, spec.base_revision)
    yield from _finite(model)
    yield from trained_weights(base, model, spec.freeze_layers)
    token_ids, answers = _reference_prompts(spec, model)
    firsts = [part.first for part in answers]
    reference = write_reference(model, token_ids, output / REFERENCE, answers=answers, long_row=_long_row(spec, model))
    # And the base: what training changed is what an export must still have.
    write_logits(base, token_ids, reference, name="base", firsts=firsts)
    yield from not_compared(_reach(spec).beyond)


def _finite(model: Path) -> Iterator[Check]:
    for path in sorted(model.glob("*.safetensors")):
        broken = [name for name, tensor in read_tensors(path) if not bool(tensor.isfinite().all())]
        yield Check(name=f"finite {path.name}", passed=not broken, detail=broken[0] if broken else "every tensor")


def _merge(spec: VerifySpec) -> Iterator[Check]:
    """A complete model that has the adapter in its weights and computes what base + adapter computes."""
    from olivepress.measure.quality.reference import write_logits, write_reference

    assert spec.parent_dir is not None and spec.limit is not None
    output, adapter = Path(spec.output_dir), Path(spec.parent_dir, "adapter")
    model, base = output / "model", local_directory(spec.base_model, spec.base_revision)
    yield from _finite(model)
    yield weight_delta(base, model, adapter)
    token_ids, answers = _reference_prompts(spec, model)
    row, firsts = _long_row(spec, model), [part.first for part in answers]
    reference = write_reference(model, token_ids, output / REFERENCE, answers=answers, long_row=row)
    rows = f"nats a token, {len(token_ids)} validation rows"
    with _scratch(output / ".with-adapter") as folder:
        # And the base alone, from the same load: what the adapter changed is what an export must still have.
        write_logits(base, token_ids, folder, adapter_dir=adapter, base_folder=reference, long_row=row, firsts=firsts)
        value = _mean_kl(folder, reference)
        long = list(check_merged_row(folder, reference, spec.limit))
    yield Check(name="kl_to_base_with_adapter", passed=value <= spec.limit, value=value, limit=spec.limit, detail=rows)
    yield from long
    yield from not_compared(_reach(spec).beyond)
    if spec.four_bit is not None:
        with _scratch(output / ".as-trained") as folder:
            trained = write_logits(base, token_ids, folder, adapter_dir=adapter, four_bit=spec.four_bit, firsts=firsts)
            value = _mean_kl(trained, reference)
        # Reported, not judged: how much the task minds is what the finetune and merge rows of a bench say.
        detail = f"{rows}; trained on a base in {spec.four_bit.quant_type}, merged into the unquantized one"
        yield Check(name="kl_to_trained", passed=True, value=value, detail=detail)


def _reach(spec: VerifySpec) -> Horizon:
    """How far the long row goes, by the base's config: a merge may have lost it."""
    base = local_directory(spec.base_model, spec.base_revision)
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    return horizon(config, count_parameters(base))


def _long_row(spec: VerifySpec, model: Path) -> LongRow | None:
    """The validation rows, one behind the other and again from the first, up to the model's horizon."""
    from transformers import AutoTokenizer

    tokenizer, reach = AutoTokenizer.from_pretrained(str(model)), _reach(spec)
    rows = _rows(spec, "validation", REFERENCE_PROMPTS)
    texts = (render_prompt(model, row.messages, row.tools).full for row in rows)
    ids = (token for text in texts for token in tokenizer(text, add_special_tokens=False)["input_ids"])
    return long_row(itertools.cycle(ids), reach)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reference_prompts(spec: VerifySpec, model: Path) -> tuple[list[list[int]], list[AnswerPart]]:
    rows = _rows(spec, "validation", REFERENCE_PROMPTS)
    return reference_prompts(model, rows, train_on=spec.train_on, max_length=spec.max_length)


def _rows(spec: VerifySpec, split: str, limit: int) -> tuple[Example, ...]:
    return read_split(Path(spec.dataset), split, limit=limit).rows


def _mean_kl(first: Path, second: Path) -> float:
    """Mean KL(first ‖ second) in nats over all positions of the saved logits."""
    from olivepress.measure.quality.fidelity import divergence, log_softmax

    total, count = 0.0, 0
    for path in sorted(first.glob("logits-*.npy")):
        a, b = np.load(path, mmap_mode="r"), np.load(second / path.name, mmap_mode="r")
        for row in range(len(a)):
            pair = [log_softmax(np.asarray(x[row : row + 1], dtype=np.float64)) for x in (a, b)]
            total += float(divergence(*pair).sum())
            count += 1
    return max(total / count, 0.0) if count else math.nan
