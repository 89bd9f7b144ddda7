"""docs/families.md, from the recorded evidence alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from olivepress.catalog import families
from olivepress.catalog.evidence import MOST_ABS, MOST_KL, Seen, Step, environments_seen, evidence
from olivepress.core.jsonl import read_json_lines

__all__ = ["SECOND_BUILDER", "markdown", "recorded"]

SECOND_BUILDER = Path(__file__).parents[1] / "second_builder.jsonl"
"""What benchmarks/second_builder.py saw, a line for each type and variant as ``Seen``."""


def markdown() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    known = {name: {(seen.model_type, seen.variant): seen for seen in evidence(name)} for name in environments_seen()}
    keys = sorted({key for lines in known.values() for key in lines})
    tried = [key for key in keys if any(_was_tried(lines.get(key)) for lines in known.values())]
    yield "# Model types, by evidence"
    yield ""
    yield "<!-- Written by make families from src/olivepress/catalog/evidence/; do not edit. -->"
    yield ""
    yield (
        "For every causal language model that transformers knows and onnxruntime-genai's builder claims, `make "
        "families` makes a small random model, exports it in each build environment, and compares the logits that "
        "onnxruntime-genai computes with those of plain PyTorch (float32): 200 tokens in one pass and 24 more one by "
        "one, a text longer than every window and than the original context of a scaled rotary embedding. In 4 bits "
        "(Olive's Rtn) PyTorch has the same rounded weights, and after a fine-tune (LoRA on every projection, merged "
        f"by Olive) the adapter: the numbers are the export's alone. Right is a mean KL of at most {MOST_KL:.0e} nats "
        f"and a difference of at most {MOST_ABS}. `plan` refuses what is wrong, and what cannot be built, with these "
        "numbers and reasons."
    )
    yield ""
    for name in known:
        yield f"- `{name}`: {_versions(evidence(name))}"
    yield ""
    yield _counts(known, tried)
    yield ""
    columns = [f"{name}: {step}" for name in known for step in ("float32", "4 bits", "fine-tuned")]
    yield f"| model type | family | {' | '.join(columns)} |"
    yield f"|---|---|{'---|' * len(columns)}"
    reasons: list[str] = []
    for key in tried:
        cells = [cell for lines in known.values() for cell in _cells(lines.get(key), reasons)]
        yield f"| {_name(key)} | {_family(key[0])} | {' | '.join(cells)} |"
    yield ""
    yield (
        "A number is the largest difference of a logit; **wrong** has the mean KL beside it; `[n]` is a reason below; "
        "`·` was not tried."
    )
    yield ""
    yield from (f"{number}. {reason}" for number, reason in enumerate(reasons, start=1))
    yield ""
    yield "## No builder"
    yield ""
    others = sorted({key[0] for key in keys} - {key[0] for key in tried})
    yield f"Types that transformers knows and no builder claims: {', '.join(f'`{name}`' for name in others)}."
    yield from _second_builder(recorded())


def recorded() -> list[Seen]:
    """What was seen of the second builder."""
    return [Seen.model_validate(line, strict=False) for line in read_json_lines(SECOND_BUILDER)]


def _second_builder(lines: Sequence[Seen]) -> Iterator[str]:
    """The second builder, where it was tried."""
    if not lines:
        return
    yield ""
    yield "## MobiusBuilder"
    yield ""
    yield (
        "Olive's second builder (the package mobius-onnx), tried by `benchmarks/second_builder.py` on types that are "
        "refused above, after two that are right as a yardstick: the same small models, the same comparison. In 4 "
        "bits the float32 graph is rounded by Olive's OnnxBlockWiseRtnQuantization and compared with PyTorch "
        "unrounded, so that its number is mostly the rounding's; the yardsticks' say how much that is. A type that "
        "onnxruntime-genai does not know is opened as llama."
    )
    yield ""
    yield f"{_versions(lines)}."
    yield ""
    yield "| model type | float32 | KL | 4 bits: KL |"
    yield "|---|---|---:|---:|"
    reasons: list[str] = []
    for seen in lines:
        exact, rounded = seen.float32, seen.int4
        if exact is None or exact.reason is not None:
            reason = seen.reason or (exact.reason if exact else None) or "no reason was recorded"
            yield f"| {_name((seen.model_type, seen.variant))} | {_number(reason, reasons)} | · | · |"
            continue
        fourth = "·" if rounded is None else f"{rounded.kl:.1e}"
        if rounded is not None and rounded.reason is not None:
            fourth = _number(rounded.reason, reasons)
        yield f"| {_name((seen.model_type, seen.variant))} | {_cell(exact, reasons)} | {exact.kl:.1e} | {fourth} |"
    yield ""
    yield from (f"{number}. {reason}" for number, reason in enumerate(reasons, start=1))


def _was_tried(seen: Seen | None) -> bool:
    return seen is not None and (seen.float32 is not None or "has no builder for" not in (seen.reason or ""))


def _versions(lines: Sequence[Seen]) -> str:
    return ", ".join(f"{name} {number}" for name, number in lines[0].versions.items()) if lines else "nothing yet"


def _counts(known: dict[str, dict[tuple[str, str], Seen]], tried: Sequence[tuple[str, str]]) -> str:
    """How many types are right in each step; variants of a type are counted nowhere."""
    counts = []
    for words, step in (("float32", "float32"), ("4 bits", "int4"), ("float32 after a fine-tune", "lora")):
        right = {
            name: {key[0] for key, seen in lines.items() if not key[1] and _is_right(getattr(seen, step))}
            for name, lines in known.items()
        }
        each = ", ".join(f"{len(types)} in `{name}`" for name, types in right.items())
        counts.append(f"{len(set().union(*right.values()))} in {words} ({each})")
    types = len({key[0] for key in tried})
    return f"Of {types} types, without their variants, right in at least one: {', '.join(counts)}."


def _is_right(step: Step | None) -> bool:
    return step is not None and step.state == "right"


def _name(key: tuple[str, str]) -> str:
    return f"`{key[0]}`" + (f", {key[1]}" if key[1] else "")


def _family(model_type: str) -> str:
    for family in families().values():
        if model_type in family.model_types:
            return f"{family.family} ({family.build_environment})"
    return ""


def _cells(seen: Seen | None, reasons: list[str]) -> list[str]:
    if seen is None:
        return ["·"] * 3
    if seen.float32 is None:
        return [_number(seen.reason or "", reasons), "·", "·"]
    return [_cell(step, reasons) for step in (seen.float32, seen.int4, seen.lora)]


def _cell(step: Step | None, reasons: list[str]) -> str:
    if step is None:
        return "·"
    if step.state == "cannot":
        return _number(step.reason or "", reasons)
    if step.state == "wrong":
        return f"**wrong** {step.max_abs:.2g} (KL {step.kl:.1e})"
    return f"{step.max_abs:.0e}"


def _number(reason: str, reasons: list[str]) -> str:
    text = reason.replace("|", "\\|").replace("<", "&lt;")
    if text not in reasons:
        reasons.append(text)
    return f"[{reasons.index(text) + 1}]"
