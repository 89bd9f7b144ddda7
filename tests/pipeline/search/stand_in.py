"""A fine-tune that takes no time: its losses follow from its settings, in the files that a real one leaves."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from olivepress.core.child.messages import ProgressMessage
from olivepress.core.errors import DivergedError, JobError
from olivepress.core.layout import TRAINING, job_dir, training_dir
from olivepress.recipe.finetune import Finetune
from olivepress.workflow.plan import Plan

SEARCH: dict[str, Any] = {
    "learning_rate": {"low": 1.0e-5, "high": 1.0e-1, "log": True},
    "r": {"choices": [4, 8, 16]},
    "trials": 8,
    "length": 0.5,
    "finalists": 2,
    "seeds": 2,
}


def write_recipe(project: Path, search: dict[str, Any] | None = None, name: str = "t", **finetune: Any) -> Path:
    """A small recipe whose default is far from the best learning rate, 1e-3."""
    settings = {"r": 4, "learning_rate": 1.0e-5, "batch_size": 4, "max_steps": 20, "torch_dtype": "float32"}
    recipe = {
        "name": name,
        "model": {"path": "embedded:tiny-phi"},
        "data": {"demo": "device-command", "max_length": 256, "max_train_rows": 64, "max_test_rows": 24},
        "finetune": settings | finetune,
        "targets": ["cpu-fp32"],
        "search": SEARCH if search is None else search,
    }
    path = project / "recipes" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def loss_of(settings: Finetune) -> float:
    """Lowest, 0.5, at a learning rate of 1e-3 and r of 16; the seed moves it by less than what that is about."""
    distance = math.log10(settings.learning_rate) + 3
    return 0.5 + 0.3 * distance**2 + 0.05 * (16 - settings.r) / 12 + 0.001 * (settings.seed % 7)


def stand_in_run(on_run: Callable[[Plan], None] = lambda _: None) -> Callable[..., list[Any]]:
    """In place of ``pipeline.run.run``: diverges from a learning rate of 5e-2 on. Without ``only`` it is a trial of a
    joint search, which exports for one target."""

    def run(plan: Plan, *, reporter: Any, only: str | None = None) -> list[Any]:
        assert (only, sum(job.target is not None for job in plan.jobs)) in (("finetune", 0), (None, 1))
        on_run(plan)
        settings, name = plan.recipe.finetune, plan.recipe.name
        record = Path(f"{training_dir(name, 'finetune-0123')}.jsonl")
        record.parent.mkdir(parents=True, exist_ok=True)
        total, lines = settings.max_steps or 1, list[dict[str, Any]]()
        for done in range(1, total + 1):
            loss = loss_of(settings) * (1 + 0.5 * (total - done) / total)
            lines.append({"done": done, "total": total, "loss": loss})
            if settings.learning_rate >= 5e-2 and done == 3:
                raise DivergedError("step 3: loss is nan; the result would be worthless")
            if done * 10 % total == 0:
                lines.append({"done": done, "total": total, "validation_loss": loss})
                record.write_text("".join(json.dumps(line) + "\n" for line in lines))
                reporter.job_progress(plan.jobs[0], ProgressMessage(done=done, total=total, validation_loss=loss))
        shipped = {"step": total, "steps": total, "total": total, "metric": "loss", "keep": "best"}
        lines.append({"done": total, "total": total, "shipped": {**shipped, "value": loss_of(settings)}})
        folder = job_dir(name, "finetune")
        (folder / "adapter").mkdir(parents=True, exist_ok=True)
        (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
        (folder / TRAINING).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return []

    return run


def scores_of(_searched: Any, plan: Plan, _reporter: Any) -> dict[str, float]:
    """Rows that are answered correctly: more of them with a lower loss."""
    right = max(0.0, 1.5 - loss_of(plan.recipe.finetune))
    return {f"row-{number}": float((number * 7 + plan.recipe.finetune.seed) % 40 < 40 * right) for number in range(40)}


class Quiet:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.ended = list[str]()

    def begin(self, text: str) -> None: ...
    def update(self, note: str, done: int, total: int) -> None: ...
    def end(self, text: str) -> None:
        self.ended.append(text)

    def fetching_model(self, what: str, done: int, total: int) -> None: ...
    def reading_model(self, done: int, total: int) -> None: ...


def failing(_plan: Plan) -> None:
    raise JobError("no memory")
