"""How a dataset is made: from files, or from what a recipe's ``data:`` names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import DataError
from olivepress.core.files import copy_file
from olivepress.core.names import slug
from olivepress.core.progress import StageProgress
from olivepress.data.prepare.policy import Policy
from olivepress.data.store.dataset import Dataset, is_prepared, load_dataset
from olivepress.data.store.examples import SPLITS, Example, make_example
from olivepress.data.store.rows import SplitFile
from olivepress.data.store.writing import expect_file
from olivepress.recipe.schema import PREPARATION, Data

if TYPE_CHECKING:
    from olivepress.data.prepare.prepare import Prepared

__all__ = ["build_dataset", "prepare_files"]


def build_dataset(data: Data, *, tell: StageProgress = lambda *_: None) -> Dataset:
    """Read, clean, split and check what the recipe names. Nothing is written below ``datasets/``. Raises DataError."""
    if data.demo:
        return _with_schema(_demo(data), data)
    assert data.source is not None
    if data.source == "-":  # every command on the recipe would read it again
        step = "olivepress data prepare - -o NAME, and source: the directory that it names"
        raise DataError("data: source: '-' is standard input, which a recipe cannot read", next_step=step)
    if is_prepared(Path(data.source)):
        _expect_no_preparation(data)
        return _with_schema(load_dataset(Path(data.source)), data)
    return _with_schema(prepare_files([data.source], policy_of(data), tell=tell), data)


def _expect_no_preparation(data: Data) -> None:
    """A prepared dataset is taken as it is: a key that would change its rows must not be ignored."""
    for key in PREPARATION:
        if data.is_changed(key):
            raise DataError(
                f"{data.source}: a prepared dataset is taken as it is, data.{key} would change its rows",
                next_step=f"remove data.{key}, or prepare the files with it",
            )


def policy_of(data: Data) -> Policy:
    """A recipe's ``data:`` as the choices of a preparation."""
    limits = (("train", data.max_train_rows), ("test", data.max_test_rows))
    return Policy(
        instruction=data.instruction,
        validation_fraction=data.validation_fraction,
        test_fraction=data.test_fraction,
        seed=data.seed,
        max_rows=tuple((split, limit) for split, limit in limits if limit is not None),
        max_length=data.max_length,
        languages=False,
        **data.preparation,
    )


def prepare_files(
    names: Sequence[str],
    policy: Policy,
    *,
    name: str | None = None,
    origin: Mapping[str, str] | None = None,
    tell: StageProgress = lambda *_: None,
    split: str | None = None,
    audit: Path | None = None,
) -> Dataset:
    """Prepare files into a dataset in a scratch directory, until it is written. ``origin``: source and licence.

    ``audit``: where the audit goes too, also that of rows which make no dataset.
    """
    from olivepress.data.prepare.prepare import prepare_rows
    from olivepress.data.read.sources import source_name

    scratch = TemporaryDirectory(prefix="olivepress-data-")
    if audit is not None:
        expect_file("--audit", audit)
    try:
        made = prepare_rows(names, policy, Path(scratch.name), tell=tell, split=split)
    finally:
        if audit is not None and (events := Path(scratch.name, "audit.jsonl")).is_file():
            copy_file(events, audit)
    dataset = Dataset(
        name=slug(name or source_name(names)),
        format="+".join(sorted(set(made.formats.values()))),
        synthetic=False,
        splits={split: SplitFile(made.directory / f"{split}.jsonl", scratch) for split in SPLITS},
        dropped=made.account.dropped,
        changed=made.account.changed,
        facts=_facts(made, origin or {}),
        files=made.directory,
        scratch=scratch,
    )
    dataset.__dict__["hashes"] = made.hashes  # they were computed while writing
    return dataset


def _facts(made: Prepared, origin: Mapping[str, str]) -> dict[str, Any]:
    """What dataset.json tells. Seconds differ from run to run: what is written must not."""
    return {
        "source": {"files": list(made.account.read), **origin},
        "formats": made.formats,
        "unused_columns": {file: list(columns) for file, columns in made.unused.items()},
        "read": made.account.read,
        "noted": made.account.noted,
        "statistics": asdict(made.statistics),
        "advice": [asdict(advice) for advice in made.advice],
        "policy": made.policy.facts,
    }


def _with_schema(dataset: Dataset, data: Data) -> Dataset:
    """The recipe's own schema of the answers, when it names one. Raises DataError when that is none."""
    if data.json_schema is None:
        return dataset
    try:
        schema = read_json(Path(data.json_schema), CONFIG, DataError)
    except (OSError, ValueError) as error:
        raise DataError(f"{data.json_schema}: not readable as JSON ({error})", next_step="give a JSON Schema") from None
    if not isinstance(schema, dict):
        raise DataError(f"{data.json_schema}: expected a JSON Schema, an object", next_step="give a JSON Schema")
    _check_schema(data.json_schema, schema)
    return replace(dataset, json_schema=schema)


def _check_schema(name: str, schema: dict[str, Any]) -> None:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its root"
        raise DataError(f"{name}: no JSON Schema, {where}: {error.message}", next_step="correct it") from None


def _demo(data: Data) -> Dataset:
    from olivepress.data.prepare.prepare import MINIMUM_ROWS
    from olivepress.synthetic.embedded import TASKS, answer_schema, generate

    task = data.demo or ""
    if task not in TASKS:
        close = next(iter(difflib.get_close_matches(task, TASKS, n=1)), next(iter(TASKS)))
        raise DataError(f"unknown demo task {task!r}, expected one of {', '.join(TASKS)}", next_step=f"demo: {close}")
    prefix = f"{data.instruction.strip()}\n" if data.instruction else ""
    splits = {
        split: tuple(make_example(prefix + row.prompt, row.answer, label=row.label, example_id=row.id) for row in rows)
        for split, rows in generate(task).items()
    }
    for split, limit in (("train", data.max_train_rows), ("test", data.max_test_rows)):
        splits[split] = _chosen(splits[split], limit, data.seed)
        if len(splits[split]) < MINIMUM_ROWS[split]:
            message = f"data: {len(splits[split])} rows for the {split} split, at least {MINIMUM_ROWS[split]} needed"
            raise DataError(message, next_step="allow more rows")
    return Dataset(name=task, format="demo", synthetic=True, splits=splits, dropped={}, json_schema=answer_schema(task))


def _chosen(examples: tuple[Example, ...], limit: int | None, seed: int) -> tuple[Example, ...]:
    """A seeded choice of ``limit`` rows, in their order."""
    import random

    if limit is None or limit >= len(examples):
        return examples
    chosen = set(random.Random(seed).sample(range(len(examples)), limit))
    return tuple(example for number, example in enumerate(examples) if number in chosen)
