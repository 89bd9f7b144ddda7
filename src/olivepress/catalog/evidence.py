"""What was seen of each model type in each build environment: a small random model, built and compared with PyTorch.

``make families`` writes the records (benchmarks/families.py), one line for each type and variant, and the table of
docs/families.md; plan refuses by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from olivepress.core.errors import RecipeError
from olivepress.core.jsonl import read_json_lines
from olivepress.core.yaml_document import Record

__all__ = [
    "MOST_ABS",
    "MOST_KL",
    "Agreement",
    "Seen",
    "State",
    "Step",
    "environments_seen",
    "evidence",
    "evidence_file",
    "refusal",
    "refusal_of_type",
    "rope_kind",
    "ropes_seen",
]

MOST_KL, MOST_ABS = 1e-5, 1e-3
"""Nats, the mean over the positions of a text, and of the logits themselves, as for an export in float32."""

State = Literal["right", "wrong", "cannot"]
_HERE = Path(__file__).parent / "evidence"


class Agreement(Record):
    """Logits of ``rows`` positions against PyTorch's: the largest difference, and the mean KL in nats."""

    rows: int
    max_abs: float
    kl: float


class Step(Record):
    """One thing that was tried: the text in one pass (``prefill``) and further tokens one by one (``decode``).

    ``reason``: why it could not be. ``kl_of_rounding``: what rounding alone costs, of a step that rounds.
    """

    prefill: Agreement | None = None
    decode: Agreement | None = None
    kl_of_rounding: float | None = None
    reason: str | None = None

    @property
    def state(self) -> State:
        parts = [part for part in (self.prefill, self.decode) if part is not None]
        if self.reason is not None or not parts:
            return "cannot"
        right = all(part.kl <= MOST_KL and part.max_abs <= MOST_ABS for part in parts)
        return "right" if right else "wrong"

    @property
    def max_abs(self) -> float:
        return max((part.max_abs for part in (self.prefill, self.decode) if part is not None), default=0.0)

    @property
    def kl(self) -> float:
        return max((part.kl for part in (self.prefill, self.decode) if part is not None), default=0.0)


class Seen(Record):
    """One model type, or a variant of it, in one environment. ``rope`` is the kind of its rotary embedding; ``reason``:
    why nothing of it could be tried."""

    model_type: str
    variant: str = ""
    architecture: str
    repairs: tuple[str, ...] = ()
    parameters: int = 0
    rope: str = "default"
    float32: Step | None = None
    int4: Step | None = None
    lora: Step | None = None
    reason: str | None = None
    versions: dict[str, str]
    seconds: float = 0.0

    @property
    def builder(self) -> str:
        return f"onnxruntime-genai {self.versions['onnxruntime-genai']}"

    @property
    def state(self) -> State:
        """Of the unquantized model."""
        return "cannot" if self.float32 is None else self.float32.state


def evidence_file(environment: str) -> Path:
    """One line for each type and variant, as ``Seen``."""
    return _HERE / f"{environment}.jsonl"


@cache
def evidence(environment: str) -> tuple[Seen, ...]:
    """What was seen in a build environment; nothing of one that was never tried."""
    lines = read_json_lines(evidence_file(environment), error=RecipeError)
    return tuple(Seen.model_validate(line, strict=False) for line in lines)


def environments_seen() -> tuple[str, ...]:
    """Those that something was tried in."""
    return tuple(sorted(path.stem for path in _HERE.glob("*.jsonl")))


def refusal(model_type: str, environment: str, *, rounded: bool) -> str | None:
    """The reason that models of that type are not built in that environment; None for what was right, or not tried.

    ``rounded``: from weights that were quantized in PyTorch before.
    """
    for seen in evidence(environment):
        if seen.model_type == model_type and not seen.variant:
            return _reason(seen) or (_rounded_reason(seen) if rounded else None)
    return None


def _reason(seen: Seen) -> str | None:
    step = seen.float32
    if step is None or step.state == "cannot":
        reason = (seen.reason or (step.reason if step else None) or "no reason was recorded").rstrip(": ")
        return reason if reason.startswith(seen.builder) else f"{seen.builder} cannot build {seen.model_type}: {reason}"
    if step.state == "wrong":
        return f"{seen.builder} builds {seen.model_type} as another model: {_numbers(step)}"
    return None


def _rounded_reason(seen: Seen) -> str | None:
    step = seen.int4
    if step is None or step.state == "right":
        return None
    if step.state == "wrong":
        return f"{seen.builder} builds a quantized {seen.model_type} as another model: {_numbers(step)}"
    return f"a quantized {seen.model_type} cannot be built ({step.reason}); unquantized it can"


def _numbers(step: Step) -> str:
    return f"a small one's logits differ from PyTorch's by up to {step.max_abs:.2g} (KL {step.kl:.2g} nats)"


def refusal_of_type(model_type: str) -> str | None:
    """What was seen of a type that belongs to no family, in one line; None for one that was never seen."""
    lines = {name: seen for name in environments_seen() for seen in evidence(name) if seen.model_type == model_type}
    if not lines:
        return None
    reasons = {name: _reason(seen) or _unquantized_alone(seen) for name, seen in lines.items() if not seen.variant}
    right = [name for name, reason in reasons.items() if reason is None]
    if right:
        return f"a small one is built rightly in the environment {right[-1]}, but it belongs to no family yet"
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def _unquantized_alone(seen: Seen) -> str | None:
    """The reason where a type is right in float32 and cannot be built in fewer bits."""
    reason = _rounded_reason(seen)
    if reason is None or seen.float32 is None:
        return None
    return f"in float32 a small one is right (its logits differ by {seen.float32.max_abs:.0e}), but {reason}"


def ropes_seen(model_type: str, environment: str) -> frozenset[str]:
    """Kinds of rotary embedding with which models of that type were built rightly."""
    lines = evidence(environment)
    return frozenset(seen.rope for seen in lines if seen.model_type == model_type and seen.state == "right")


def rope_kind(config: Mapping[str, Any]) -> str:
    """The kind of a config.json's rotary embedding, of the layers that see everything where the kinds differ."""
    scaling = config.get("rope_parameters") or config.get("rope_scaling")
    if isinstance(scaling, Mapping):
        scaling = scaling.get("full_attention", scaling)
    if not isinstance(scaling, Mapping):  # nothing, or what the check of config.json refuses
        return "default"
    return str(scaling.get("rope_type", scaling.get("type", "default")))
