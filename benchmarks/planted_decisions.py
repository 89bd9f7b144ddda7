"""How often does a comparison recommend what it should not? Drawn answers and rounds of a known truth, decided anew.

    python -m benchmarks.planted_decisions --draws 1000

Nothing is measured: each draw is answers and rounds from a known distribution, given to ``compare`` as reports. The
written-out cases are tests/compare/planted_decisions.yaml. Writes benchmarks/planted_decisions.json and .md; the same
seed, the same figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from olivepress.compare.comparison import compare
from olivepress.compare.document import Decision
from olivepress.compare.load import Loaded
from olivepress.core.files import write_text
from olivepress.stats.intervals import wilson
from tests.compare.planted import planted

HERE = Path(__file__).parent
ROUNDS, NOISE = 10, 0.02  # rounds of a bench, and the relative standard deviation between them
CLASSES = 5
FLIPPED = 0.01  # of an export's answers that differ from its twin's by chance
Draw = Callable[[np.random.Generator, int], list[Loaded]]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """``wrong`` must not be recommended; ``right`` should be, where the data are enough."""

    says: str
    draw: Draw
    wrong: frozenset[str]
    budget: Mapping[str, float] | None = None
    right: frozenset[str] = frozenset()


def right(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    return (rng.random(n) < share).astype(np.float32)


def artifact(rng: np.random.Generator, name: str, answers: np.ndarray, rate: float, constant: Any = None) -> Loaded:
    rounds = [float(value) for value in rate * (1 + NOISE * rng.standard_normal(ROUNDS))]
    return planted(f"export-{name}", {"answers": answers, "tps": rounds}, constant)


def base(answers: np.ndarray) -> Loaded:
    return planted("base", {"answers": answers}, runtime="pytorch", precision="fp32")


def tuned(before: float, after: float) -> Draw:
    return lambda rng, n: [base(right(rng, n, before)), artifact(rng, "a", right(rng, n, after), 100)]


def guesses(rng: np.random.Generator, n: int) -> list[Loaded]:
    expected, guessed = rng.integers(0, CLASSES, n), rng.integers(0, CLASSES, n)
    most = np.bincount(expected, minlength=CLASSES).argmax()
    answers, constant = (expected == guessed).astype(np.float32), (expected == most).astype(np.float32)
    return [artifact(rng, "a", answers, 100, constant)]


def two(first: tuple[float, float], second: tuple[float, float]) -> Draw:
    """Two exports of one model, as (share right, tokens/s): what is hard for one is hard for the other."""

    def draw(rng: np.random.Generator, n: int) -> list[Loaded]:
        hard, found = rng.random(n), []
        for name, (share, rate) in zip("ab", (first, second), strict=True):
            answers = (hard < share) != (rng.random(n) < FLIPPED)
            found.append(artifact(rng, name, answers.astype(np.float32), rate))
        return found

    return draw


A, B, BOTH = frozenset("a"), frozenset("b"), frozenset("ab")
SCENARIOS = {
    "no answer right": Scenario(says="fine-tuning broke it", draw=tuned(0.3, 0.0), wrong=A),
    "as good as its base": Scenario(says="50 % and 50 %", draw=tuned(0.5, 0.5), wrong=A),
    "worse than its base": Scenario(says="50 % to 40 %", draw=tuned(0.5, 0.4), wrong=A),
    "guesses": Scenario(says=f"one of {CLASSES} classes at random, no base", draw=guesses, wrong=A),
    "below the minimum": Scenario(
        says="85 % right, the budget asks for 90 %", draw=tuned(0.2, 0.85), wrong=A, budget={"min_exact_match": 0.9}
    ),
    "b answers worse, as fast": Scenario(says="90 and 80 %", draw=two((0.9, 100), (0.8, 100)), wrong=B, right=A),
    "b answers worse, twice as fast": Scenario(says="90 and 80 %", draw=two((0.9, 100), (0.8, 200)), wrong=B, right=A),
    "b is 10 % slower": Scenario(says="both 90 % right", draw=two((0.9, 100), (0.9, 90)), wrong=B, right=A),
    "twins": Scenario(says="equal in everything", draw=two((0.9, 100), (0.9, 100)), wrong=BOTH),
    "better than its base": Scenario(says="20 % to 80 %", draw=tuned(0.2, 0.8), wrong=frozenset(), right=A),
}


def decided(scenario: Scenario, rng: np.random.Generator, n: int) -> Decision:
    (decision,) = compare(
        scenario.draw(rng, n), budgets={"all": dict(scenario.budget or {})}, with_examples=False
    ).decisions
    return decision


def figures(name: str, n: int, draws: int, seed: int) -> dict[str, Any]:
    """Of ``draws`` comparisons on ``n`` examples: how many recommend what is wrong, and what is right."""
    scenario, rng = SCENARIOS[name], np.random.default_rng([seed, n, list(SCENARIOS).index(name)])
    false = good = 0
    for _ in track(range(draws), description=f"{name}, n={n}", transient=True):
        decision = decided(scenario, rng, n)
        chosen = {one.removeprefix("export-") for one in decision.chosen} if decision.outcome == "ship" else set()
        false += bool(chosen & scenario.wrong)
        good += bool(chosen & scenario.right)
    return {"scenario": name, "says": scenario.says, "n": n, "draws": draws, "false": false, "right": good}


def share(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{count} of {of} ({100 * low:.1f} to {100 * high:.1f} %)"


def as_markdown(rows: list[dict[str, Any]], seed: int) -> str:
    lines = [
        "# How often is the wrong artifact recommended?",
        "",
        f"Drawn answers and {ROUNDS} rounds with {100 * NOISE:g} % between them, seed {seed}; nothing was measured. "
        "False: the comparison says to ship what the truth behind the draw forbids. 95 % intervals (Wilson). Made by "
        "`python -m benchmarks.planted_decisions`; the cases that are written out are tests.",
        "",
        "| the truth | examples | false recommendations | the right one recommended |",
        "|---|---:|---:|---:|",
    ]
    for row in rows:
        good = share(row["right"], row["draws"]) if SCENARIOS[row["scenario"]].right else "there is none"
        bad = share(row["false"], row["draws"]) if SCENARIOS[row["scenario"]].wrong else "there is none"
        lines.append(f"| {row['scenario']} ({row['says']}) | {row['n']} | {bad} | {good} |")
    judged = [row for row in rows if SCENARIOS[row["scenario"]].wrong]
    total = share(sum(row["false"] for row in judged), sum(row["draws"] for row in judged))
    return "\n".join([*lines, f"| **all** | | {total} | |", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--examples", type=int, nargs="+", default=[40, 200])
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the two files")
    asked = parser.parse_args()
    rows = [figures(name, n, asked.draws, asked.seed) for name in SCENARIOS for n in asked.examples]
    write_text(asked.out / "planted_decisions.json", json.dumps({"seed": asked.seed, "rows": rows}, indent=1) + "\n")
    text = as_markdown(rows, asked.seed)
    write_text(asked.out / "planted_decisions.md", text)
    print(text)


if __name__ == "__main__":
    main()
