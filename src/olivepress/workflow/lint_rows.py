"""The rows of a workflow as they are trained on: a sample, tokenized and masked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from olivepress.core.errors import DataError
from olivepress.data.store.reader import read_split
from olivepress.workflow.finding import Finding, Level, finding
from olivepress.workflow.olive_plugin.row_counts import RowCounts, row_problem, row_summary
from olivepress.workflow.rendered import Workflow

__all__ = ["supervision"]

_SAMPLE_ROWS = 512


def supervision(workflow: Workflow, root: Path) -> Iterator[Finding]:
    """Tokenize and mask a sample, where data and tokenizer are on this machine."""
    from olivepress.workflow.olive_plugin.supervision import supervise

    for data in workflow.config.get("data_configs", []):
        loader, pre = data["load_dataset_config"], data["pre_process_data_config"]
        directory, model = root / loader["directory"], root / pre["model_path"]
        if not (directory / f"{loader['split']}.jsonl").is_file() or not (model / "tokenizer_config.json").is_file():
            continue
        try:
            most = pre["max_rows"] if pre.get("type") == "olivepress_validation" else _SAMPLE_ROWS
            split, counted = read_split(directory, loader["split"], limit=min(most, _SAMPLE_ROWS)), list[RowCounts]()
            supervise(
                split.rows,
                str(model),
                max_length=pre["max_length"],
                train_on=pre.get("train_on", "answer"),
                checked=True,
                on_counts=counted.append,
            )
            yield from _left_out(workflow, data["name"], pre.get("type"), counted[0], split.of)
        except DataError as error:
            yield finding(workflow, f"data_configs.{data['name']}", str(error))
        except Exception as error:  # tokenizers raises bare Exception for a garbled file
            yield finding(workflow, f"data_configs.{data['name']}", f"{model}: tokenizer cannot be loaded ({error})")


def _left_out(workflow: Workflow, name: str, kind: str | None, counts: RowCounts, of: int) -> Iterator[Finding]:
    """Rows that are too long to be trained on: an error where they are most of them."""
    counts = counts.model_copy(update={"sample_of": of if counts.rows < of else None})
    summary = row_summary(counts)
    if summary and kind == "olivepress_supervised":  # what calibrates needs no more than a few rows
        level: Level = "error" if row_problem(counts) else "note"
        yield finding(workflow, f"data_configs.{name}", summary, level=level)
