"""The record of ``benchmarks/chains.py`` as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

__all__ = ["GOAL", "cumulated", "markdown", "ratio"]

GOAL = 0.5


def ratio(record: Mapping[str, Any]) -> float:
    """The recipe's seconds of those of all chains together."""
    return float(record["recipe_seconds"] / sum(record["chains"].values()))


def cumulated(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Seconds of 1, 2, … targets: of the recipe, whose first jobs are shared, and of the chains one after another.

    The recipe's are scaled to ``recipe_seconds``, which holds what lies between the jobs too.
    """
    jobs, targets = record["jobs"], record["targets"]
    shared = sum(seconds for job, seconds in jobs.items() if not job.startswith("export-"))
    rest = record["recipe_seconds"] - sum(jobs.values())
    ours = accumulate((jobs[f"export-{target}"] for target in targets), initial=shared + rest)
    chains = accumulate((record["chains"][target] for target in targets), initial=0.0)
    rows = [{"targets": n, "seconds": one, "of": "one recipe"} for n, one in enumerate(ours) if n]
    return rows + [{"targets": n, "seconds": one, "of": "stand-alone chains"} for n, one in enumerate(chains) if n]


def markdown(record: Mapping[str, Any]) -> str:
    chains, jobs = record["chains"], record["jobs"]
    found = ratio(record)
    lines = [
        "## One recipe beside stand-alone Olive chains",
        "",
        f"`make chain-cost`, {record['date']}, on {record['machine']['id']}. The demo's recipe (tiny-phi, trained "
        f"weights, synthetic data, {record['examples'][-1]['examples']:,} examples of fine-tuning) with "
        f"{len(record['targets'])} targets: `olivepress run` took **{record['recipe_seconds']:.0f} s**, each artifact "
        "verified against PyTorch. As many stand-alone chains, each one `olive run` of the same passes with a cache of "
        f"its own and no verification, took **{sum(chains.values()):.0f} s**. Ratio {found:.2f}; goal at most "
        f"{GOAL:g}: {'met' if found <= GOAL else 'missed'}. Each was run once (n=1, no interval).",
        "",
        f"| | shared: {', '.join(job for job in jobs if not job.startswith('export-'))} "
        f"| {' | '.join(record['targets'])} | all |",
        f"|---|---:|{'---:|' * len(record['targets'])}---:|",
        f"| one recipe, s | {sum(one for job, one in jobs.items() if not job.startswith('export-')):.0f} "
        f"| {' | '.join(f'{jobs[f"export-{target}"]:.0f}' for target in record['targets'])} "
        f"| {record['recipe_seconds']:.0f} |",
        f"| stand-alone chain, s | – | {' | '.join(f'{chains[target]:.0f}' for target in record['targets'])} "
        f"| {sum(chains.values()):.0f} |",
        "",
        "How the cost of a recipe grows, with targets, with examples of fine-tuning, and with the size of the model "
        "(Llamas with **random weights**: fine-tune of four examples, merge, export to cpu-int4, each with its checks):",
        "",
        "![Seconds against number of targets, examples and parameters](chains.png)",
        "",
        "| parameters | fine-tune, 4 examples | merge | export cpu-int4 | peak memory |",
        "|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for size in record["sizes"]:
        one = size["jobs"]
        peak = max(value for value in size["peak_memory_bytes"].values() if value is not None)
        lines.append(
            f"| {size['parameters'] / 1e6:.0f} M | {one['finetune']:.0f} s | {one['merge']:.0f} s "
            f"| {one['export-cpu-int4']:.0f} s | {peak / 1e9:.1f} GB |"
        )
    return "\n".join(lines) + "\n"
