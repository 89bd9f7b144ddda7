"""The record of ``benchmarks/training.py`` as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from peers.table import figure

__all__ = ["GOALS", "markdown"]

# (title, subject, at least this many times its real tokens a second)
GOALS = (
    ("against stock Olive, olive finetune", "olive", 2.0),
    ("against stock Olive, rows apart", "olive-rows", 2.0),
    ("against a plain Trainer", "plain", 1.0),
)


def markdown(record: Mapping[str, Any]) -> str:
    lines = [
        "## Fine-tuning",
        "",
        f"`make training-benchmark`, {record['date']}, on {record['machine']['id']}. The embedded tiny-phi (trained "
        f"weights), {record['batch'] * record['steps']} rows of the synthetic device-command task, LoRA r="
        f"{record['lora']['r']} in float32, {record['steps']} steps of {record['batch']} rows, at most "
        f"{record['length']} tokens each; {record['rounds']} interleaved rounds, a fresh process each, median and 95 % "
        "bootstrap interval. The first step is not counted. Real tokens are those attended to.",
        "",
        "| | real tok/s | supervised tok/s | padding | real tokens | supervised | positions | peak memory |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in record["subjects"].values():
        lines.append(
            f"| {one['title']} | {figure(one['real_tps'], 4)} | {figure(one['supervised_tps'], 3)} "
            f"| {100 * one['padding']['value']:.1f} % | {one['all_real']:,.0f} | {one['all_supervised']:,.0f} "
            f"| {one['all_positions']:,.0f} | {one['peak_memory_bytes']['value'] / 1e6:,.0f} MB |"
        )
    lines += ["", "| goal | at least | measured, paired by round | |", "|---|---:|---:|---|"]
    for row in record["goals"]:
        lines.append(f"| {row['goal']} | {row['at_least']:g} | {figure(row['ratio'], 3)} | {row['verdict']} |")
    return "\n".join(lines) + "\n"
