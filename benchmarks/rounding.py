"""Which rounding of a fine-tuned model's weights to 4 bits keeps what fine-tuning bought?

    OMP_NUM_THREADS=1 python benchmarks/rounding.py MERGED DATASET

Folders: after `make real`, runs/smollm2-banking77/merge/model and datasets/banking77-*. Rounds the merged model in
PyTorch as Olive's passes do (``layerwise``), calibrated on rows of the train split, and holds it to the unrounded one
on rows of the test split by teacher forcing: mean KL over the tokens of the answers, the share of them whose likeliest
token is the same, and exact match (the likeliest token is the expected one at every position, the end token too: just
when greedy decoding answers so). Activations stay in float32 and no runtime takes part: the numbers are of the weights
alone. What is finished is kept in the work folder under a key of what it depends on: kill it and start it again. Writes
benchmarks/rounding.json and .md after each variant; with --only it writes neither.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from gain.work import content_key, key_of, read_record, write_record
from layerwise import Batch, Rounding, batches, quantize
from transformers import AutoModelForCausalLM

from olivepress.catalog.groups import group_size
from olivepress.data.store.reader import read_split
from olivepress.report.machine import fingerprint
from olivepress.stats.intervals import cluster_mean, paired_score_interval
from olivepress.workflow.olive_plugin.passes import rounding as own_rounding
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, supervise

OUT = Path(__file__).parent / "rounding.json"
WORK = Path(__file__).parents[1] / ".venv-peers" / "rounding"
BATCH = 16
MAX_LENGTH = 1024  # tokens; longer rows are left out

GPTQ, OURS = "Gptq", "CalibratedGptq"
VARIANTS: dict[str, tuple[str, Rounding]] = {
    "rtn": ("Rtn, 4-bit head: `cpu-int4-rtn`", Rounding(method="Rtn", head_bits=4)),
    "rtn-8": ("Rtn, all in 8 bits: `cpu-int8`", Rounding(method="Rtn", bits=8)),
    "ours-eight-bits": (
        "CalibratedGptq, symmetric, attention inputs and MLP outputs in 8 bits: `cpu-int4`",
        Rounding(method=OURS, eight_bits=("attention_inputs", "mlp_outputs")),
    ),
    "ours-attention": (
        "CalibratedGptq, symmetric, attention inputs in 8 bits",
        Rounding(method=OURS, eight_bits=("attention_inputs",)),
    ),
    "ours-symmetric": ("CalibratedGptq, symmetric: `cpu-int4-compact`", Rounding(method=OURS)),
    "gptq-symmetric": ("Olive's Gptq, symmetric", Rounding(method=GPTQ)),
    "gptq-asymmetric": ("Olive's Gptq, with zero points", Rounding(method=GPTQ, symmetric=False)),
    "ours-mixed": (
        "CalibratedGptq, symmetric, layers of k_quant_mixed in 8 bits",
        Rounding(method=OURS, mixed=True, head_method=OURS),
    ),
    "gptq-mixed": (
        "Olive's Gptq, with zero points, layers of k_quant_mixed in 8 bits",
        Rounding(method=GPTQ, symmetric=False, mixed=True, head_method=GPTQ),
    ),
    "ours-asymmetric": ("CalibratedGptq, with zero points", Rounding(method=OURS, symmetric=False)),
    "ours-4-bit-head": (
        "CalibratedGptq, symmetric, 4-bit head",
        Rounding(method=OURS, head_bits=4, head_method=OURS),
    ),
    "ours-32": ("CalibratedGptq, symmetric, groups of 32", Rounding(method=OURS, widest_group=32)),
    "gptq-32": ("Olive's Gptq, symmetric, groups of 32", Rounding(method=GPTQ, widest_group=32)),
}


@torch.inference_mode()
def answer_logits(model: Any, batch: Batch) -> list[torch.Tensor]:
    """Of each row what is said of its answer's tokens: float32 [tokens, vocabulary]."""
    places = _places(batch)
    first = int(places.any(0).int().argmax())
    logits = model(**batch.inputs(), logits_to_keep=torch.arange(first, places.shape[1])).logits.float()
    return [logits[row][places[row, first:]] for row in range(len(batch.rows))]


def _places(batch: Batch) -> torch.Tensor:
    """[rows, tokens]: true where the next token is the answer's."""
    places = torch.zeros_like(batch.real)
    places[:, :-1] = batch.labels[:, 1:] != IGNORE_INDEX
    return places


def row_score(parent: torch.Tensor, rounded: torch.Tensor, expected: torch.Tensor) -> dict[str, Any]:
    """Of one row: the sum of KL(parent ‖ rounded) in nats, tokens, those with the same likeliest, who is right."""
    p, q = parent.log_softmax(-1), rounded.log_softmax(-1)
    theirs, ours = parent.argmax(-1), rounded.argmax(-1)
    return {
        "kl": float((p.exp() * (p - q)).sum()),
        "tokens": len(expected),
        "same": int((theirs == ours).sum()),
        "parent_right": bool((theirs == expected).all()),
        "right": bool((ours == expected).all()),
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over tokens with the bootstrap interval over rows; shares of rows with the paired score interval."""
    n = len(rows)
    kl, tokens, same = ([row[name] for row in rows] for name in ("kl", "tokens", "same"))
    lost = sum(row["parent_right"] and not row["right"] for row in rows)
    won = sum(row["right"] and not row["parent_right"] for row in rows)
    return {
        "kl": sum(kl) / sum(tokens),
        "kl_interval": cluster_mean(kl, tokens),
        "top1": sum(same) / sum(tokens),
        "top1_interval": cluster_mean(same, tokens),
        "exact": sum(row["right"] for row in rows) / n,
        "lost": lost,
        "won": won,
        "difference": (won - lost) / n,
        "interval": paired_score_interval(lost, won, n),
        "n": n,
    }


class Measurement:
    """One merged model, its calibration and test rows, and what it answers itself."""

    def __init__(self, merged: Path, dataset: Path, calibration: int, rows: int, work: Path) -> None:
        train, self.test = (
            read_split(dataset, split, limit=limit) for split, limit in (("train", calibration), ("test", rows))
        )
        self.calibration = batches(supervise(train.rows, str(merged), max_length=MAX_LENGTH), BATCH)
        self.examples = batches(supervise(self.test.rows, str(merged), max_length=MAX_LENGTH), BATCH)
        self.merged, self.work = merged, work
        self.config = json.loads((merged / "config.json").read_text(encoding="utf-8"))
        code = [content_key(Path(own_rounding.__file__), work / "hashes"), version("olive-ai")]
        self.depends_on = [content_key(merged, work / "hashes"), self.test.version, calibration, rows, code]
        self._parent: tuple[Any, list[list[torch.Tensor]]] | None = None

    def parent(self) -> tuple[Any, list[list[torch.Tensor]]]:
        """The unrounded model and what it says of the answers, batch by batch; computed when first asked for."""
        if self._parent is None:
            model = AutoModelForCausalLM.from_pretrained(
                self.merged, dtype=torch.float32, trust_remote_code=False
            ).eval()
            self._parent = model, [answer_logits(model, batch) for batch in self.examples]
        return self._parent

    def record(self, name: str, rounding: Rounding) -> dict[str, Any]:
        """The rows of one variant, measured unless they lie there."""
        size = group_size(self.config, rounding.widest_group)
        key = key_of(*self.depends_on, asdict(rounding), size)
        path = self.work / f"{key}.json"
        return read_record(path, key) or write_record(path, key, self._measured(name, rounding, size))

    def _measured(self, name: str, rounding: Rounding, size: int) -> dict[str, Any]:
        started = time.monotonic()
        parent, said = self.parent()
        model = copy.deepcopy(parent)
        quantize(model, self.calibration, rounding, size)
        seconds = time.monotonic() - started
        rows = [
            row_score(theirs, ours, batch.labels[row][batch.labels[row] != IGNORE_INDEX])
            for batch, answers in zip(self.examples, said, strict=True)
            for row, (theirs, ours) in enumerate(zip(answers, answer_logits(model, batch), strict=True))
        ]
        print(name, summary(rows), f"{seconds:.0f} s, {time.monotonic() - started:.0f} s", flush=True)
        return {"group_size": size, "rows": rows, "seconds": round(seconds)}


def heading(measurement: Measurement, calibration: int) -> dict[str, Any]:
    """The record without any variant."""
    return {
        "machine": fingerprint().model_dump(mode="json"), "date": datetime.date.today().isoformat(),
        "model_type": measurement.config["model_type"], "model": measurement.depends_on[0],
        "dataset": measurement.test.name, "dataset_version": measurement.test.version,
        "calibration_rows": calibration, "variants": {},
    }  # fmt: skip


def with_variant(measured: dict[str, Any], name: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The record with one variant more."""
    title, rounding = VARIANTS[name]
    rows = kept["rows"]
    variant = {"title": title, **asdict(rounding), "group_size": kept["group_size"]} | summary(rows)
    right = sum(row["parent_right"] for row in rows) / len(rows)
    return measured | {"parent_exact": right, "variants": measured["variants"] | {name: variant}}


def markdown(measured: Mapping[str, Any]) -> str:
    variants = measured["variants"]
    n = next(iter(variants.values()))["n"]
    lines = [
        "# Which rounding to 4 bits keeps what fine-tuning bought", "",
        f"Generated by `python benchmarks/rounding.py MERGED DATASET`, {measured['date']}, on "
        f"{measured['machine']['id']}: a {measured['model_type']} fine-tuned on {measured['dataset']} and merged (one "
        f"training), rounded in PyTorch as Olive's passes do, calibrated on {measured['calibration_rows']} training "
        f"rows, held to the unrounded model on {n} test rows by teacher forcing. KL in nats a token of the answers, "
        "with the 95 % bootstrap interval over rows; top-1, the share of these tokens whose likeliest is the same; "
        f"exact match (the unrounded model: {measured['parent_exact']:.1%}), the answers lost and won against it, and "
        "their difference in points with the 95 % paired score interval (Tango). The embedding has 8 bits, and the "
        "head, unless said otherwise. Activations stay float32: a runtime that rounds them to 8 bits adds its own.", "",
        "| weights | groups of | KL | top-1 | exact match | lost | won | difference |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for row in sorted(variants.values(), key=lambda each: each["kl"]):
        low, high = row["kl_interval"]
        points = " to ".join(f"{end * 100:+.1f}" for end in row["interval"])
        lines.append(
            f"| {row['title']} | {row['group_size']} | {row['kl']:.4f} ({low:.4f} to {high:.4f}) | {row['top1']:.3f} "
            f"| {row['exact']:.1%} | {row['lost']} | {row['won']} | {row['difference'] * 100:+.1f} ({points}) |"
        )
    missing = [title for name, (title, _) in VARIANTS.items() if name not in variants]
    if missing:
        lines += ["", f"Not measured yet: {'; '.join(missing)}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("merged", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--rows", type=int, default=300, help="of the test split")
    parser.add_argument("--calibration-rows", type=int, default=128, help="of the train split")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, help="these variants, without writing the results")
    parser.add_argument("--work", type=Path, default=WORK, help="where all that is finished is kept")
    given = parser.parse_args()
    measurement = Measurement(given.merged, given.dataset, given.calibration_rows, given.rows, given.work)
    measured = heading(measurement, given.calibration_rows)
    for name in given.only or VARIANTS:
        measured = with_variant(measured, name, measurement.record(name, VARIANTS[name][1]))
        if not given.only:
            OUT.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
            OUT.with_suffix(".md").write_text(markdown(measured), encoding="utf-8")
    print(markdown(measured))


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
