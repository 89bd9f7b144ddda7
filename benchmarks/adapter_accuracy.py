"""Does an adapter on a shared base answer as well as its merged twin, and as PyTorch? Three tasks, three seeds.

    make adapter-accuracy

Runs recipes/tiny-tasks.yaml (the embedded trained model, synthetic tasks) with three training seeds through the
pipeline, lets PyTorch, the merged exports and the packages answer every test row, and pairs the answers row by row.
Writes benchmarks/adapter_accuracy.json and .md. What is asked of 4 bits: not worse by more than 2 points.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from olivepress.device_reports import RESULTS
from olivepress.measure.examples import read_outcomes
from olivepress.measure.intervals import cluster_mean, paired_difference, wilson
from olivepress.measure.machine import fingerprint
from olivepress.measure.report import read_report

OUT = Path(__file__).parent / "adapter_accuracy.json"
RECIPE = Path(__file__).parents[1] / "recipes" / "tiny-tasks.yaml"
SEEDS = (0, 1, 2)
MARGIN = 0.02  # share of the test rows that may be lost
QUICK = ("--workload", "8x2", "--rounds", "1", "--repetitions", "1", "--quiet")  # timing is not the question here
Outcomes = Mapping[str, bool]


def answers(project: Path, seed: int) -> dict[tuple[str, str], Outcomes]:
    """(adapter, report) → test row → whether it was answered rightly, of one seed; what is finished is kept."""
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    name = f"{recipe['name']}-seed-{seed}"
    recipe |= {"name": name, "finetune": recipe["finetune"] | {"seed": seed}}
    (project / "recipes").mkdir(exist_ok=True)
    (project / "recipes" / f"{name}.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    olivepress(project, "run", name)
    jobs = ["finetune", *(f"{kind}-{target}" for target in recipe["targets"] for kind in ("export", "package"))]
    found = dict[tuple[str, str], Outcomes]()
    for job in jobs:
        folders = {one: project / RESULTS / fingerprint().id / f"{name}.{one}" for one in recipe["adapters"]}
        if not all((folder / f"{job}.json").is_file() for folder in folders.values()):
            olivepress(project, "bench", name, "--job", job, *QUICK)
        for adapter, folder in folders.items():
            outcomes = read_outcomes(read_report(folder / f"{job}.json"))
            assert outcomes is not None and len(outcomes) >= 500, f"{folder}: too few test rows"
            found[adapter, job] = outcomes
    return found


def olivepress(project: Path, *arguments: str) -> None:
    command = [sys.executable, "-c", "from olivepress.cli import main; main()", *arguments]
    subprocess.run(command, cwd=project, check=True)


def share(outcomes: Outcomes) -> dict[str, Any]:
    right, n = sum(outcomes.values()), len(outcomes)
    return {"accuracy": right / n, "n": n, "interval": wilson(right, n)}


def difference(pairs: Sequence[tuple[Outcomes, Outcomes]]) -> dict[str, Any]:
    """Of two reports' accuracy over the same rows (second - first), one pair a seed.

    The interval of one seed is Newcombe's for paired shares. Of several it is a bootstrap over rows, as the seeds
    answer the same ones, widened to Newcombe's over all pairs: the bootstrap has no width where all agree.
    """
    counts, rows = [0, 0, 0, 0], dict.fromkeys(pairs[0][0], 0)
    for first, second in pairs:
        assert first.keys() == second.keys() == rows.keys()
        for row, was in first.items():
            counts[(0 if was else 2) + (0 if second[row] else 1)] += 1
            rows[row] += int(second[row]) - int(was)
    low, high = paired_difference(counts[0], counts[1], counts[2], counts[3])
    if len(pairs) > 1:
        bootstrap = cluster_mean(list(rows.values()), [len(pairs)] * len(rows))
        assert bootstrap is not None
        low, high = min(low, bootstrap[0]), max(high, bootstrap[1])
    n = sum(counts)
    return {
        "difference": (counts[2] - counts[1]) / n, "n": n, "interval": (low, high),
        "lost": counts[1], "won": counts[2], "not_inferior": low > -MARGIN,
    }  # fmt: skip


def record(by_seed: Mapping[int, Mapping[tuple[str, str], Outcomes]]) -> dict[str, Any]:
    adapters = dict.fromkeys(adapter for adapter, _ in by_seed[SEEDS[0]])
    packages = dict.fromkeys(job for _, job in by_seed[SEEDS[0]] if job.startswith("package-"))
    found: dict[str, Any] = {}
    for adapter in adapters:
        for package in packages:
            twin = package.replace("package-", "export-")
            row: dict[str, Any] = {"pytorch": [], "merged": [], "package": []}
            for answered in by_seed.values():
                for name, job in (("pytorch", "finetune"), ("merged", twin), ("package", package)):
                    row[name].append(share(answered[adapter, job]))
            for name, job in (("to_merged", twin), ("to_pytorch", "finetune")):
                pairs = [(answered[adapter, job], answered[adapter, package]) for answered in by_seed.values()]
                row[name] = {"seeds": [difference([pair]) for pair in pairs], "all": difference(pairs)}
            found[f"{adapter} {package.removeprefix('package-')}"] = row
    return {
        "machine": fingerprint().model_dump(mode="json"), "recipe": RECIPE.name, "seeds": SEEDS, "margin": MARGIN,
        "synthetic_data": True, "adapters": found,
    }  # fmt: skip


def markdown(found: Mapping[str, Any]) -> str:
    lines = [
        "# An adapter on a shared base, its merged twin and PyTorch: who answers rightly", "",
        f"Generated by `make adapter-accuracy`: recipes/{found['recipe']} (embedded trained model, synthetic tasks), "
        f"{len(found['seeds'])} training seeds, every row of the test split, greedy answers, exact match. Differences "
        "pair the answers row by row, in points with a 95 % interval; *not inferior* when its lower end is above "
        f"-{found['margin'] * 100:g} points.", "",
        "| adapter, target | PyTorch | merged | package | package - merged | package - PyTorch | |",
        "|---|---|---|---|---:|---:|---|",
    ]  # fmt: skip
    for name, row in found["adapters"].items():
        shares = (
            " / ".join(f"{one['accuracy']:.1%}" for one in row[kind]) for kind in ("pytorch", "merged", "package")
        )
        both = [row[kind]["all"] for kind in ("to_merged", "to_pytorch")]
        points = (
            f"{one['difference'] * 100:+.2f} ({one['interval'][0] * 100:+.2f} to {one['interval'][1] * 100:+.2f})"
            for one in both
        )
        said = "not inferior" if all(one["not_inferior"] for one in both) else "**not shown**"
        lines.append(f"| {name} | {' | '.join(shares)} | {' | '.join(points)} | {said} |")
    n = next(iter(found["adapters"].values()))["to_merged"]["all"]["n"]
    lines += ["", f"n = {n} answers a row of the table (accuracy: seed by seed)."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, help="a folder whose runs and reports are kept for the next time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = (given.project or Path(scratch)).resolve()
        project.mkdir(parents=True, exist_ok=True)
        made = record({seed: answers(project, seed) for seed in SEEDS})
    OUT.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    OUT.with_suffix(".md").write_text(markdown(made), encoding="utf-8")
    print(markdown(made))


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
