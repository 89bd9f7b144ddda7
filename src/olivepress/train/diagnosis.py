"""Evidence of a run → its findings. Pure: what is measured, and where files are, is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from olivepress.recipe.finetune import Finetune
from olivepress.train.advised import possible
from olivepress.train.curve import curve_of
from olivepress.train.evidence import Evidence, MemoryUse, TextChange
from olivepress.train.examine_curve import examine_curve, rounded
from olivepress.train.examine_rows import examine_row_losses, examine_rows, too_few_learned
from olivepress.train.finding import Change, Finding

__all__ = ["Diagnosis", "diagnose"]

_FORGOTTEN = 1.1  # times the perplexity before
_NEARLY_ALL = 0.9  # of the machine's memory


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The findings of a run; ``missing``: what could not be examined → why, and what to type for it."""

    run: str
    findings: tuple[Finding, ...]
    examined: tuple[str, ...]
    missing: dict[str, str]


def diagnose(evidence: Evidence) -> Diagnosis:
    """All findings, in the order of ``finding.Kind``, with changes that the recipe takes."""
    curve = curve_of(evidence.steps)
    findings, examined, missing = list[Finding](), list[str](), dict(evidence.missing)
    if curve is not None:
        examined.append("curves")
        findings += examine_curve(evidence, curve)
        if not curve.has_validation:
            missing.setdefault("overfitting", "the run was not evaluated: leave out finetune.eval_steps: 0")
    elif evidence.not_finite:
        examined.append("curves")
        summary = f"{evidence.not_finite} was no finite number at the first step"
        findings.append(Finding(kind="divergence", summary=summary, evidence={}, changes=(_lower_rate(evidence),)))
    else:
        missing.setdefault("curves", "no step is recorded")
    if evidence.rows is not None:
        examined.append("rows")
        findings += examine_rows(evidence, evidence.rows, curve)
    if evidence.row_losses is not None and (unlearned := too_few_learned(evidence.row_losses)):
        missing["label noise"] = unlearned
    elif evidence.row_losses is not None:
        examined.append("label noise")
        findings += examine_row_losses(evidence, evidence.row_losses)
    if evidence.text is not None:
        examined.append("forgetting")
        findings += _forgetting(evidence, evidence.text)
    if evidence.memory is not None:
        examined.append("memory")
        findings += _memory(evidence, evidence.memory)
    advised = possible(evidence.recipe, findings, evidence.rows)
    return Diagnosis(run=evidence.run, findings=advised, examined=tuple(examined), missing=missing)


def _lower_rate(evidence: Evidence) -> Change:
    rate = evidence.recipe.finetune.learning_rate
    return Change(key="finetune.learning_rate", now=rate, to=rounded(rate / 10))


def _forgetting(evidence: Evidence, text: TextChange) -> Iterator[Finding]:
    surely = text.ratio if text.ci_low is None else text.ci_low
    if surely <= _FORGOTTEN:
        return
    numbers = {
        "perplexity_before": text.before,
        "perplexity_after": text.after,
        "ratio": text.ratio,
        "ratio_ci_low": text.ci_low,
        "ratio_ci_high": text.ci_high,
        "tokens": text.tokens,
    }
    summary = (
        f"the perplexity of a text that the task is not about rose from {text.before:.4g} to {text.after:.4g}, "
        f"{100 * (text.ratio - 1):.0f} %"
    )
    settings = evidence.recipe.finetune
    changes = [Change(key="finetune.learning_rate", now=settings.learning_rate, to=rounded(settings.learning_rate / 3))]
    if settings.max_steps and settings.max_steps > 1:
        changes.append(Change(key="finetune.max_steps", now=settings.max_steps, to=settings.max_steps // 2))
    elif not settings.max_steps and settings.epochs > 1:
        changes.append(Change(key="finetune.epochs", now=settings.epochs, to=max(1.0, settings.epochs / 2)))
    if settings.method == "full":
        changes += _to_lora(settings)
    yield Finding(kind="forgetting", summary=summary, evidence=numbers, changes=tuple(changes))


def _to_lora(settings: Finetune) -> Iterator[Change]:
    """With what an adapter does not take changed before."""
    if settings.freeze_layers:
        yield Change(key="finetune.freeze_layers", now=settings.freeze_layers, to=0)
    if settings.torch_dtype == "float16":
        yield Change(key="finetune.torch_dtype", now="float16", to="bfloat16")
    yield Change(key="finetune.method", now="full", to="lora")


def _memory(evidence: Evidence, memory: MemoryUse) -> Iterator[Finding]:
    peak, machine = memory.peak, memory.machine
    tight = peak is not None and machine is not None and peak > _NEARLY_ALL * machine
    if not memory.ended_by_it and not tight:
        return
    numbers = {"peak_memory_bytes": peak, "machine_memory_bytes": machine}
    used = "" if peak is None else f" at {peak / 1e9:.1f} GB"
    here = "" if machine is None else f" of {machine / 1e9:.1f} GB"
    summary = f"the job ended for want of memory{used}{here}" if memory.ended_by_it else f"the peak was{used}{here}"
    settings = evidence.recipe.finetune
    changes = list[Change]()
    if settings.batch_size > 1:
        half, twice = settings.batch_size // 2, settings.gradient_accumulation_steps * 2
        changes.append(Change(key="finetune.batch_size", now=settings.batch_size, to=half))
        changes.append(
            Change(key="finetune.gradient_accumulation_steps", now=settings.gradient_accumulation_steps, to=twice)
        )
    if not settings.gradient_checkpointing:
        changes.append(Change(key="finetune.gradient_checkpointing", now=False, to=True))
    if evidence.rows is not None and evidence.rows.enough < evidence.rows.max_length:
        changes.append(Change(key="data.max_length", now=evidence.rows.max_length, to=evidence.rows.enough))
    yield Finding(kind="memory", summary=summary, evidence=numbers, changes=tuple(changes))
