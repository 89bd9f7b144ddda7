"""Real small runs to diagnose: trained through Olive in this process, then everything that a diagnosis can look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivepress.core.jsonl import read_json_lines
from olivepress.recipe.schema import load_recipe
from olivepress.report.training_record import not_finite, training_steps
from olivepress.train.base_text import TextSpec, text_pair
from olivepress.train.evidence import Evidence, TextChange
from olivepress.train.rows_seen import RowsSpec, row_facts, row_losses
from tests.workflow.olive_plugin.training import rendered, run

BASE = Path("models/tiny-phi")
LORA = {"batch_size": 16, "save_steps": 1000, "r": 16, "alpha": 32}


def examined(
    project: Path, finetune: Mapping[str, Any], data: Mapping[str, Any], *, losses: bool = False, text: str = ""
) -> Evidence:
    """Train, and collect the evidence; ``losses`` of all training rows, and of a ``text`` before and after."""
    workflow = rendered(project, finetune, data=dict(data))
    messages = Path("messages.jsonl")
    failed = False
    try:
        trained = run(workflow)
        steps, shipped = trained.steps, trained.shipped
    except (ValueError, RuntimeError):  # no result: Olive itself makes a line in its log of the error
        failed, shipped = True, None
        training = workflow.training_dir
        assert training is not None
        messages = training.with_name(f"{training.name}.jsonl")
        steps = training_steps(read_json_lines(messages))
    recipe = load_recipe(project / "recipes" / "small.yaml")
    [dataset] = Path("datasets").iterdir()
    spec = RowsSpec(
        model_dir=BASE,
        dataset=dataset,
        max_length=int(data.get("max_length", 512)),
        train_on=recipe.finetune.train_on,
    )
    model: dict[str, Any] = {"model_dir": BASE, "adapter_dir": Path("runs/small/finetune/adapter")}
    if recipe.finetune.method == "full":
        model = {"model_dir": Path("runs/small/finetune/model")}
    change = None
    if text:
        Path("text.txt").write_text(text)
        pair = text_pair(TextSpec(base_dir=BASE, text=Path("text.txt"), window=64, **model), no_progress)
        change = TextChange(**pair.model_dump())
    return Evidence(
        run="small/finetune.1",
        recipe=recipe,
        status="failed" if failed else "finished",
        reason="",
        steps=steps,
        shipped=shipped,
        not_finite=not_finite(read_json_lines(messages)) if failed else None,
        rows=row_facts(spec, no_progress),
        row_losses=row_losses(spec.model_copy(update=model), no_progress) if losses else None,
        text=change,
    )


def no_progress(done: int, total: int) -> None:
    """Nobody looks."""


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
