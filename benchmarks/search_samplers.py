"""TPE against random search at equal budget, on loss surfaces that real fine-tunes have left.

    python benchmarks/search_samplers.py record STUDY.json   # finetune.json of a grid search → the surfaces
    python benchmarks/search_samplers.py                     # simulate, print, write search_samplers.json

The surfaces are recorded: validation losses of a grid of real fine-tunes. Studies over them are simulated: a trial's
loss is read off the surface, between the points of the grid by linear interpolation (over logarithms), and no model is
trained. Both samplers get the same budget and seeds and propose as in ``olivepress search finetune``; the paired
difference of the best loss that each has found is given with its interval.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.recipe.finetune import Finetune
from olivepress.recipe.search import Search
from olivepress.stats.paired import bootstrap_means
from olivepress.study.proposals import propose
from olivepress.study.space import suggest
from olivepress.study.storage import study_in_memory
from olivepress.study.trials import Point, add_known

HERE = Path(__file__).parent
SURFACES, RESULT = HERE / "search_surfaces.json", HERE / "search_samplers.json"
SEEDS, BUDGETS = 30, (12, 24)
SETTINGS = ("learning_rate", "r", "batch_size")
Surface = Callable[[Mapping[str, Any]], float]


def record(study: Path) -> None:
    """Keep the losses of a grid search: for each evaluated share of a fine-tune a surface."""
    found = json.loads(study.read_text())
    trials = [trial for trial in found["stages"]["trials"]["trials"] if trial["state"] == "finished"]
    shares = sorted({int(share) for trial in trials for share in trial["curve"]})
    surfaces = {
        f"after {share} %": [
            {**{name: trial["params"][name] for name in SETTINGS}, "loss": trial["curve"][str(share)]}
            for trial in trials
        ]
        for share in shares
    }
    note = "real fine-tunes of the embedded tiny model on synthetic data"
    SURFACES.write_text(json.dumps({"recorded": note, "surfaces": surfaces}, indent=1) + "\n")


def surface_of(points: Sequence[Mapping[str, Any]]) -> Surface:
    """Multilinear interpolation over the logarithms of the settings."""
    axes = [sorted({point[name] for point in points}) for name in SETTINGS]
    losses = {tuple(point[name] for name in SETTINGS): float(point["loss"]) for point in points}

    def loss(params: Mapping[str, Any]) -> float:
        corners = [_between(axis, float(params[name])) for name, axis in zip(SETTINGS, axes, strict=True)]
        return sum(
            math.prod(weight for _, weight in corner) * losses[tuple(value for value, _ in corner)]
            for corner in product(*corners)
        )

    return loss


def _between(axis: Sequence[float], value: float) -> list[tuple[float, float]]:
    """The neighbours of a value on an axis, with their weights."""
    above = min((index for index, each in enumerate(axis) if each >= value * (1 - 1e-9)), default=len(axis) - 1)
    if above == 0 or axis[above] == value:
        return [(axis[above], 1.0)]
    low, high = axis[above - 1], axis[above]
    share = min(1.0, (math.log(value) - math.log(low)) / (math.log(high) - math.log(low)))
    return [(low, 1 - share), (high, share)]


def search_of(points: Sequence[Mapping[str, Any]], sampler: str, trials: int, seed: int) -> Search:
    """The space between the ends of the recorded grid."""
    ends = {name: (min(point[name] for point in points), max(point[name] for point in points)) for name in SETTINGS}
    axes = {name: {"low": low, "high": high, "log": True} for name, (low, high) in ends.items()}
    return Search.model_validate_json(json.dumps({**axes, "sampler": sampler, "trials": trials, "seed": seed}))


def best_losses(surface: Surface, search: Search) -> list[float]:
    """The best loss after each trial of a simulated study."""
    study = study_in_memory()
    best, losses = math.inf, []
    for _ in range(search.trials or 0):
        proposed = propose(study, search, Finetune())
        assert proposed is not None
        value = surface(proposed[1])
        point = Point(params=proposed[1], drawn=proposed[0])
        add_known(study, point, value, lambda trial: suggest(trial, search, Finetune()))
        best = min(best, value)
        losses.append(best)
    return losses


def simulate(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each budget TPE's best loss less random's, over the seeds."""
    surface, results = surface_of(points), []
    for budget in BUDGETS:
        ends = {
            sampler: np.array(
                [best_losses(surface, search_of(points, sampler, budget, seed))[-1] for seed in range(SEEDS)]
            )
            for sampler in ("tpe", "random")
        }
        difference = ends["tpe"] - ends["random"]
        low, high, p_value = bootstrap_means(difference[:, None])[0]
        results.append(
            {
                "trials": budget,
                "studies": SEEDS,
                "best_of_surface": min(float(point["loss"]) for point in points),
                "tpe": float(ends["tpe"].mean()),
                "random": float(ends["random"].mean()),
                "difference": float(difference.mean()),
                "ci_low": low,
                "ci_high": high,
                "p_value": p_value,
                "tpe_better": int((difference < 0).sum()),
            }
        )
    return results


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "record":
        record(Path(sys.argv[2]))
        return
    recorded = json.loads(SURFACES.read_text())
    found = {name: simulate(points) for name, points in recorded["surfaces"].items()}
    print(f"simulated studies over recorded losses: {recorded['recorded']}")
    print("surface        trials  TPE     random  difference (95 %)              TPE better in")
    for name, results in found.items():
        for each in results:
            interval = f"{each['difference']:+.4f} ({each['ci_low']:+.4f} to {each['ci_high']:+.4f})"
            print(
                f"{name:<14} {each['trials']:>6}  {each['tpe']:.4f}  {each['random']:.4f}  {interval:<30} "
                f"{each['tpe_better']} of {each['studies']}"
            )
    RESULT.write_text(
        json.dumps({"simulated": True, "recorded": recorded["recorded"], "results": found}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
