"""The record of ``benchmarks/chains.py`` as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

__all__ = ["GOAL", "cumulated", "markdown", "ratio"]

GOAL = 0.5


def ratio(record: Mapping[str, Any]) -> float:
    """The recipe's seconds of those of all chains together."""
    return float(record["recipe_seconds"] / sum(record["chains"].values()))


def cumulated(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Seconds of 1, 2, … targets: of the recipe, whose first jobs are shared, and of the chains one after another.

    What lies between the recipe's jobs counts with the shared ones.
    """
    jobs, targets = record["jobs"], record["targets"]
    shared = sum(seconds for job, seconds in jobs.items() if not job.startswith("export-"))
    rest = record["recipe_seconds"] - sum(jobs.values())
    ours = accumulate((jobs[f"export-{target}"] for target in targets), initial=shared + rest)
    chains = accumulate((record["chains"][target] for target in targets), initial=0.0)
    rows = [{"targets": n, "seconds": one, "of": "one recipe"} for n, one in enumerate(ours) if n]
    return rows + [{"targets": n, "seconds": one, "of": "stand-alone chains"} for n, one in enumerate(chains) if n]


def half_from(record: Mapping[str, Any]) -> float:
    """Seconds of fine-tuning from which the recipe takes at most ``GOAL`` of the chains' time, everything else as
    measured: recipe = fine-tune + rest, n chains = n (fine-tune + rest of a chain)."""
    trained, n = record["examples"][-1]["seconds"], len(record["targets"])
    rest = record["recipe_seconds"] - trained
    chain_rest = sum(record["chains"].values()) / n - trained
    return float((rest - GOAL * n * chain_rest) / (GOAL * n - 1))


def _from(record: Mapping[str, Any]) -> str:
    seconds = half_from(record)
    return f"where the fine-tune takes {seconds:.0f} s or more" if seconds > 0 else "however short the fine-tune is"


def markdown(record: Mapping[str, Any]) -> str:
    chains, targets, found = record["chains"], record["targets"], ratio(record)
    own = [record["jobs"][f"export-{target}"] for target in targets]
    shared = {job: one for job, one in record["jobs"].items() if not job.startswith("export-")}
    lines = [
        "## One recipe beside stand-alone Olive chains",
        "",
        f"`make chain-cost`, {record['date']}, on {record['machine']['id']}. The demo's recipe (tiny-phi, trained "
        f"weights, synthetic data, {record['examples'][-1]['examples']:,} examples of fine-tuning) with {len(targets)} "
        f"targets: `olivepress run` took **{record['recipe_seconds']:.0f} s**, each artifact verified against PyTorch. "
        "As many stand-alone chains, each one `olive run` of the same passes with a cache of its own and no "
        f"verification, took **{sum(chains.values()):.0f} s**. Ratio {found:.2f}; goal at most {GOAL:g}: "
        f"{'met' if found <= GOAL else 'missed'}. Each was run once (n=1, no interval). The fine-tune took "
        f"{record['examples'][-1]['seconds']:.0f} s of it; reckoned from these figures, the goal is met "
        f"{_from(record)}. Over two workers of a cluster on this machine, of one thread each, the same recipe took "
        f"{record['cluster_seconds']:.0f} s: {record['cluster_seconds'] / sum(chains.values()):.2f} of the chains.",
        "",
        f"| seconds | shared: {', '.join(shared)} | {' | '.join(targets)} | all |",
        f"|---|---:|{'---:|' * len(targets)}---:|",
        _seconds("one recipe", [sum(shared.values()), *own, record["recipe_seconds"]]),
        _seconds("stand-alone chain", [None, *(chains[target] for target in targets), sum(chains.values())]),
        "",
        "How the cost of a recipe grows: with targets, with examples of fine-tuning, and with the size of the model "
        "(Llamas with **random weights**; fine-tune of four examples, merge, export to cpu-int4, with their checks):",
        "",
        "![Seconds against number of targets, examples and parameters](chains.png)",
        "",
        "| parameters | fine-tune, 4 examples | merge | export cpu-int4 | peak memory |",
        "|---:|---:|---:|---:|---:|",
    ]
    for size in record["sizes"]:
        peak = max(value for value in size["peak_memory_bytes"].values() if value is not None)
        cells = " | ".join(f"{size['jobs'][job]:.0f} s" for job in ("finetune", "merge", "export-cpu-int4"))
        lines.append(f"| {size['parameters'] / 1e6:.0f} M | {cells} | {peak / 1e9:.1f} GB |")
    return "\n".join(lines) + "\n"


def _seconds(title: str, values: Sequence[float | None]) -> str:
    return f"| {title} | {' | '.join('–' if value is None else f'{value:.0f}' for value in values)} |"
