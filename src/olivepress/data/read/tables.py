"""Rows of Parquet files, of Hugging Face datasets on disk, and of the Hub, read in batches."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError, SetupError
from olivepress.data.read.raw_rows import RawRow

__all__ = ["dataset_splits", "hub_splits", "is_saved_dataset", "parquet_rows"]

NULLS = "nulls within objects left out: they come from the table's schema"
_BATCH = 1000
MAX_ROWS = 20_000_000
MAX_BATCH_BYTES = 1024**3
_HUB_SECONDS = 8.0
_INSTALL = "pip install 'olivepress[data]'"


def parquet_rows(path: Path) -> Iterator[RawRow]:
    """Rows of a Parquet file; class labels that ``datasets`` stored as numbers get their names back."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise SetupError(f"{path}: reading Parquet needs pyarrow", next_step=_INSTALL) from error
    try:
        with pq.ParquetFile(path, read_dictionary=_texts(pq.read_schema(path))) as file:
            _check_rows(path, file.metadata.num_rows)
            names = _class_names((file.schema_arrow.metadata or {}).get(b"huggingface"))
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH):
                _check_texts(path, batch)
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    number += 1
                    yield _row(number, row, names)
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0][:100]
        raise DataError(f"{path}: not readable as Parquet ({reason})", next_step="write or download it again") from None


def _texts(schema: Any) -> list[str]:
    """Columns of texts, which are read as they are stored: a text that a million rows share is in memory once."""
    import pyarrow as pa

    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]


def _check_rows(path: Path, rows: int) -> None:
    if rows > MAX_ROWS:
        raise DataError(f"{path}: has {rows:,} rows, at most {MAX_ROWS:,} are read", next_step="give fewer rows")


def _check_texts(path: Path, batch: Any) -> None:
    """Raise DataError before a small file that stores a long text once is expanded to many rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            lengths = pc.binary_length(column.dictionary)
            total += pc.sum(pc.take(lengths, column.indices)).as_py() or 0
    if total > MAX_BATCH_BYTES:
        raise DataError(
            f"{path}: {len(batch):,} of its rows take {total:,} bytes, at most {MAX_BATCH_BYTES:,} are read",
            next_step="check that it is the right file, or shorten its texts",
        )


def _class_names(metadata: bytes | None) -> dict[str, list[str]]:
    """Column → names of its classes, as ``datasets`` writes them into the schema."""
    try:
        features = json.loads(metadata or b"{}")["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {
        column: feature["names"]
        for column, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }


def _row(number: int, row: dict[str, Any], names: dict[str, list[str]]) -> RawRow:
    """A row of a typed table, without the nulls that Arrow adds for keys that only other rows have."""
    counter = [0]
    values = {column: _without_nulls(value, counter) for column, value in _with_class_names(row, names).items()}
    return RawRow(number, values, None, NULLS if counter[0] else None)


def _without_nulls(value: Any, counter: list[int]) -> Any:
    """The value without nulls in objects; those in messages are not counted, as they mean absent fields anyway."""
    if isinstance(value, list):
        return [_without_nulls(entry, counter) for entry in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_nulls(entry, counter) for key, entry in value.items() if entry is not None}
    if "role" not in value and "from" not in value:
        counter[0] += len(value) - len(kept)
    return kept


def _with_class_names(row: dict[str, Any], names: dict[str, list[str]]) -> dict[str, Any]:
    for column, classes in names.items():
        value = row.get(column)
        if isinstance(value, int):  # -1 means that a row has no class
            row[column] = classes[value] if 0 <= value < len(classes) else None
    return row


def is_saved_dataset(path: Path) -> bool:
    """Whether ``Dataset.save_to_disk`` wrote this directory."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def dataset_splits(path: Path) -> dict[str, Iterator[RawRow]]:
    """Split → rows of a saved dataset; one without splits is ``train``."""
    datasets = _datasets(str(path))
    try:
        stored = datasets.load_from_disk(str(path))
    except Exception as error:
        message = f"{path}: not readable as a saved dataset ({_first_line(error)})"
        raise DataError(message, next_step="save it again with save_to_disk") from None
    return _splits(stored if isinstance(stored, datasets.DatasetDict) else {"train": stored})


def hub_splits(name: str, revision: str | None = None) -> dict[str, Iterator[RawRow]]:
    """Split → rows of a dataset of the Hub, streamed. Raises DataError when it cannot be loaded."""
    datasets = _datasets(name)
    try:
        with _silent():
            _ask_once(name, revision)
            stored = datasets.load_dataset(name, revision=revision, streaming=True)
    except Exception as error:
        is_network = type(error).__name__ in ("ConnectionError", "ConnectTimeout", "ReadTimeout")
        reason = "no connection" if is_network else _first_line(error)
        raise DataError(
            f"{name}: cannot be loaded from the Hub ({reason})",
            next_step="check the name and the network, or give a file",
        ) from None
    return _splits(dict(stored))


def _ask_once(name: str, revision: str | None) -> None:
    """One request to the Hub, which fails at once without a network; ``datasets`` would retry for half a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if not HF_HUB_OFFLINE:
        HfApi().dataset_info(name, revision=revision, timeout=_HUB_SECONDS)


@contextmanager
def _silent() -> Iterator[None]:
    """No logs of failed attempts: the result is one error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _datasets(source: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise SetupError(f"{source}: reading it needs the package datasets", next_step=_INSTALL) from error
    datasets.disable_progress_bars()
    return datasets


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:120] if lines else ''}"


def _splits(datasets: dict[str, Any]) -> dict[str, Iterator[RawRow]]:
    return {str(split): _rows(split, dataset) for split, dataset in datasets.items()}


def _rows(split: str, dataset: Any) -> Iterator[RawRow]:
    features = getattr(dataset, "features", None) or {}
    names = {column: list(feature.names) for column, feature in features.items() if hasattr(feature, "names")}
    number = 0
    try:
        for batch in dataset.iter(batch_size=_BATCH):
            columns = list(batch)
            for values in zip(*batch.values(), strict=True):
                number += 1
                yield _row(number, dict(zip(columns, values, strict=True)), names)
    except Exception as error:
        message = f"{split} row {number + 1}: cannot be read ({_first_line(error)})"
        raise DataError(message, next_step="download or save the dataset again") from None
