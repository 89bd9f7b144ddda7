"""What the curves of a training say. Every rule needs a clear effect: a healthy run must have no finding."""

from __future__ import annotations

import math
from collections.abc import Iterator

from olivepress.recipe.finetune import Finetune
from olivepress.recipe.methods import METHODS
from olivepress.train.curve import Curve
from olivepress.train.evidence import Evidence
from olivepress.train.finding import Change, Finding, Value
from olivepress.workflow.evaluation import evaluation_of

__all__ = ["examine_curve", "lowest_rate", "rounded"]

_RISE = 0.25  # of all that was learned: a rise of the loss by more is no noise
_LOST = 0.5  # of all that was learned, lost again at the end
_LEARNED = 0.1  # of the first loss: a fall by less is no learning
_WORSE = 1.1  # times the lowest validation loss: clearly worse at the end
_OWN_ROWS = 0.5  # times the validation loss: training rows below it are learned by heart
_STILL = 0.2  # of all that was learned, learned in the second half
_FALLS = 1.1  # the loss at the half of the run, in times of that at its end
# Learning rates below which next to nothing is learned: of adapters, of a model's own weights, of preferences.
_LOWEST_ADAPTER, _LOWEST_FULL, _LOWEST_PAIRS = 5.0e-5, 2.0e-6, 1.0e-6
_LEAST_STEPS = 5
_PATIENCE = 3  # what a recipe has that says none
_NOISE = 0.05  # nats: a difference that is smaller matters to nobody


def lowest_rate(settings: Finetune) -> float:
    """The lowest learning rate that is usual for the method."""
    method = METHODS[settings.method]
    if method.pairs:
        return _LOWEST_PAIRS
    return _LOWEST_ADAPTER if method.adapter else _LOWEST_FULL


def examine_curve(evidence: Evidence, curve: Curve) -> Iterator[Finding]:
    """At most one finding of a kind, the gravest first: of a training that diverged nothing else is said."""
    settings = evidence.recipe.finetune
    if (finding := _divergence(evidence, curve, settings)) or (finding := _too_high(curve, settings)):
        yield finding
        return
    if curve.steps < _LEAST_STEPS:
        return
    if finding := _too_low(curve, settings):
        yield finding
        return
    finding = _overfitting(evidence, curve, settings) or _underfitting(evidence, curve, settings)
    if finding:
        yield finding


def _divergence(evidence: Evidence, curve: Curve, settings: Finetune) -> Finding | None:
    if evidence.not_finite:
        summary = f"{evidence.not_finite} was no finite number at step {curve.steps + 1}, which ended the run"
    elif not _has_diverged(curve):
        return None
    else:
        summary = (
            f"the loss ended at {curve.end:.3g}: it began at {curve.start:.3g} and was {curve.lowest[1]:.3g} at step "
            f"{curve.lowest[0]}"
        )
    changes = [_rate(settings, settings.learning_rate / 10)]
    if settings.max_grad_norm > 1.0:
        changes.append(Change(key="finetune.max_grad_norm", now=settings.max_grad_norm, to=1.0))
    if settings.torch_dtype == "float16":
        changes.append(Change(key="finetune.torch_dtype", now="float16", to="bfloat16"))
    return Finding(kind="divergence", summary=summary, evidence=_of_rates(curve), changes=tuple(changes))


def _has_diverged(curve: Curve) -> bool:
    """At the end it is far above its start, or has lost half of what it had learned, on the rows of training too."""
    if curve.end > (1 + 2 * _LEARNED) * curve.start and curve.trained_to > curve.start:
        return True
    lost = curve.end - curve.lowest[1]
    clear = curve.learned > 2 * _LEARNED * curve.start and lost > _NOISE
    return clear and lost > _LOST * curve.learned and curve.trained_to > _OWN_ROWS * curve.end


def _too_high(curve: Curve, settings: Finetune) -> Finding | None:
    rise = curve.largest_rise
    is_noise = rise.size <= max(_RISE * curve.learned, _LEARNED * curve.start, _NOISE)
    if is_noise or curve.trained_at(rise.to_step) < _OWN_ROWS * rise.high:  # else it is of the validation rows alone
        return None
    summary = (
        f"the loss rose from {rise.low:.3g} at step {rise.from_step} to {rise.high:.3g} at step {rise.to_step}, before "
        f"it ended at {curve.end:.3g}"
    )
    changes = [_rate(settings, settings.learning_rate / 10)]
    if settings.warmup_ratio < 0.1:
        changes.append(Change(key="finetune.warmup_ratio", now=settings.warmup_ratio, to=0.1))
    evidence = {"rise": rise.size, "learned": curve.learned, **_of_rates(curve)}
    return Finding(kind="learning rate too high", summary=summary, evidence=evidence, changes=tuple(changes))


def _too_low(curve: Curve, settings: Finetune) -> Finding | None:
    lowest = lowest_rate(settings)
    learned = max(curve.start - curve.trained_to, curve.fixed_rows[0][1] - curve.end)
    rate = curve.highest_rate or settings.learning_rate
    if learned >= _LEARNED * curve.start or rate >= lowest:
        return None
    summary = (
        f"the loss fell from {curve.start:.3g} to {curve.trained_to:.3g} in {curve.steps} steps: at a learning rate of "
        f"{rate:.2g} next to nothing is learned"
    )
    to = max(10 * settings.learning_rate, lowest)
    evidence = {**_of_rates(curve), "lowest_usual_learning_rate": lowest}
    return Finding(kind="learning rate too low", summary=summary, evidence=evidence, changes=(_rate(settings, to),))


def _overfitting(evidence: Evidence, curve: Curve, settings: Finetune) -> Finding | None:
    if not curve.has_validation:
        return None
    step, lowest = curve.lowest
    is_clear = curve.end > max(_WORSE * lowest, lowest + _NOISE)
    if not is_clear or curve.trained_to > _OWN_ROWS * curve.end:
        return None
    shipped = evidence.shipped
    if shipped is not None and shipped.keep == "best" and shipped.stopped_early:
        return None  # as it should be: it was stopped, and the best checkpoint ships
    summary = (
        f"the validation loss was lowest, {lowest:.3g}, at step {step} of {curve.steps}, and {curve.end:.3g} at the "
        f"end, while the training loss fell to {curve.trained_to:.2g}"
    )
    if shipped is not None and shipped.step == step:
        summary += "; the best checkpoint ships"
    numbers = {
        "lowest_validation_loss": lowest,
        "lowest_at_step": step,
        "last_validation_loss": curve.end,
        "training_loss_at_the_end": curve.trained_to,
    }
    return Finding(kind="overfitting", summary=summary, evidence=numbers, changes=_shorter(settings, step, curve.steps))


def _shorter(settings: Finetune, best: int, steps: int) -> tuple[Change, ...]:
    changes = list(_stopping(settings, max(1, best)))
    if settings.max_steps:
        changes.append(Change(key="finetune.max_steps", now=settings.max_steps, to=max(1, best)))
    else:
        fewer = max(0.1, rounded(settings.epochs * best / steps))
        changes.append(Change(key="finetune.epochs", now=settings.epochs, to=fewer))
    if settings.keep != "best":
        changes.append(Change(key="finetune.keep", now=settings.keep, to="best"))
    if METHODS[settings.method].adapter and not settings.lora_dropout and "lora_dropout" not in _ignored(settings):
        changes.append(Change(key="finetune.lora_dropout", now=0.0, to=0.05))
    return tuple(changes)


def _stopping(settings: Finetune, steps: int) -> Iterator[Change]:
    """Early stopping that can end a run of so many steps: patience leaves two evaluations of it."""
    shorter = settings.model_copy(update={"max_steps": steps})
    evaluation = evaluation_of(shorter, train_rows=1, validation_rows=2)
    longest = evaluation.count - 2 if evaluation is not None else 0
    stopping, key = settings.early_stopping, "finetune.early_stopping"
    if stopping is None and longest >= 1:
        yield Change(key=f"{key}.patience", now=None, to=min(_PATIENCE, longest))
    elif stopping is not None and stopping.patience > longest >= 1:
        yield Change(key=f"{key}.patience", now=stopping.patience, to=longest)
    elif stopping is not None and longest < 1:
        yield Change(key=key, now=f"patience {stopping.patience}", to=None)


def _ignored(settings: Finetune) -> frozenset[str]:
    return frozenset(METHODS[settings.method].ignores)


def _underfitting(evidence: Evidence, curve: Curve, settings: Finetune) -> Finding | None:
    half, end = curve.half_way(), curve.end
    share = (half - end) / curve.learned if curve.learned else 0.0
    falls_still = share > _STILL and half > max(_FALLS * end, end + _NOISE)
    nothing = curve.start - min(curve.trained_to, end) < _LEARNED * curve.start and curve.start > _LEARNED
    if evidence.shipped is not None and evidence.shipped.stopped_early:
        return None
    if falls_still:
        summary = (
            f"the loss still fell when the run ended: {half:.3g} at half of its {curve.steps} steps, {end:.3g} at the "
            f"end, which is {100 * share:.0f} % of all that was learned"
        )
        still: dict[str, Value] = {
            "loss_half_way": half, "loss_at_the_end": end, "share_in_second_half": share
        }  # fmt: skip
        return Finding(kind="underfitting", summary=summary, evidence=still, changes=_longer(settings))
    if nothing:
        summary = f"the loss fell from {curve.start:.3g} to {end:.3g} only, at a usual learning rate"
        numbers: dict[str, Value] = {"loss_at_the_end": end, **_of_rates(curve)}
        return Finding(kind="underfitting", summary=summary, evidence=numbers, changes=_larger(settings))
    return None


def _longer(settings: Finetune) -> tuple[Change, ...]:
    if settings.max_steps:
        return (Change(key="finetune.max_steps", now=settings.max_steps, to=2 * settings.max_steps),)
    return (Change(key="finetune.epochs", now=settings.epochs, to=2 * settings.epochs),)


def _larger(settings: Finetune) -> tuple[Change, ...]:
    if not METHODS[settings.method].adapter:
        less = settings.freeze_layers // 2
        frozen = (Change(key="finetune.freeze_layers", now=settings.freeze_layers, to=less),)
        return (*(frozen if settings.freeze_layers else ()), *_longer(settings))
    if settings.start_from is not None:  # the adapter has its shape already
        return _longer(settings)
    changes = [Change(key="finetune.r", now=settings.r, to=4 * settings.r)]
    if settings.target_modules is not None:
        changes.append(Change(key="finetune.target_modules", now=", ".join(settings.target_modules), to=None))
    return (*changes, *_longer(settings))


def _rate(settings: Finetune, to: float) -> Change:
    return Change(key="finetune.learning_rate", now=settings.learning_rate, to=rounded(to))


def _of_rates(curve: Curve) -> dict[str, Value]:
    numbers: dict[str, Value] = {
        "first_loss": curve.start,
        "training_loss_at_the_end": curve.trained_to,
        "learning_rate": curve.highest_rate,
    }
    if curve.gradients:
        numbers["largest_gradient_norm"] = max(curve.gradients)
    return numbers


def rounded(value: float) -> float:
    """To two significant digits."""
    return value if value == 0 else round(value, 1 - math.floor(math.log10(abs(value))))
