"""The static pages, written anew from the records that they are made of, and kept until one of those changes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from olivepress.core.errors import DataError
from olivepress.core.layout import DATASETS, recipe_runs, stored_reports
from olivepress.data.store.dataset import is_prepared
from olivepress.recipe.schema import recipe_files
from olivepress.ui.places import NotHereError, inside, names_in

__all__ = ["Documents", "Written", "policy_of", "prepared_datasets"]

_MOST_DATA = 256 * 1024 * 1024  # of rows that are hashed before their audit is shown
_KEPT = 8
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')

State = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Written:
    """A page as it was written, and what its reader must know besides."""

    html: str
    notes: tuple[str, ...] = ()


class Documents:
    """One page is written at a time, so that several readers do not take the processors from a run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: dict[str, tuple[State, Written]] = {}

    def comparison(self, recipe: str) -> Written:
        """That of a recipe's stored reports. ReportError where there is nothing to compare."""
        manifests = recipe_runs(recipe).glob("*/manifest.json")
        files = [*stored_reports(recipe), *manifests, *recipe_files().values()]
        return self._current(f"comparison {recipe}", files, lambda: _comparison(recipe))

    def audit(self, name: str) -> Written:
        """That of a prepared dataset. DataError for one that was changed, NotHereError for none."""
        directory = inside(DATASETS, name)
        if not is_prepared(directory):
            raise NotHereError(f"{directory.as_posix()} is no prepared dataset")
        files = [path for path in directory.iterdir() if path.suffix in (".json", ".jsonl")]
        return self._current(f"audit {name}", files, lambda: _audit(directory))

    def _current(self, key: str, files: Iterable[Path], write: Callable[[], Written]) -> Written:
        with self._lock:
            state = _state_of(files)
            known = self._pages.pop(key, None)
            written = known[1] if known and known[0] == state else write()
            self._pages[key] = (state, written)  # the last one used stays longest
            while len(self._pages) > _KEPT:
                del self._pages[next(iter(self._pages))]
            return written


def policy_of(html: str) -> str:
    """The Content-Security-Policy that a page has in itself, for a header; without one nothing is allowed."""
    match = _POLICY.search(html)
    return match[1].replace("&#39;", "'") if match else "default-src 'none'"


def prepared_datasets() -> list[str]:
    """The datasets that are prepared here, by the names of their folders."""
    return [name for name in names_in(DATASETS) if is_prepared(DATASETS / name)]


def _comparison(recipe: str) -> Written:
    from olivepress.compare import to_html
    from olivepress.pipeline.stored_comparison import compare_stored

    comparison = compare_stored(recipe)
    notes = [f"Not compared: {path.as_posix()}: {reason}." for path, reason in comparison.left_out.items()]
    if not comparison.limits:
        notes.append(f"No recipe {recipe} was read here: the limits of its budget are not applied.")
    return Written(html=to_html(comparison.document), notes=tuple(notes))


def _audit(directory: Path) -> Written:
    from olivepress.data.page import PAGE, audit_page
    from olivepress.data.store.dataset import load_dataset

    size = sum(path.stat().st_size for path in directory.glob("*.jsonl"))
    if size > _MOST_DATA:
        raise DataError(
            f"{directory.as_posix()}: {size / 1e9:.1f} GB of rows are too many to check here",
            next_step=f"open {(directory / PAGE).as_posix()}",
        )
    return Written(html=audit_page(load_dataset(directory)))


def _state_of(files: Iterable[Path]) -> State:
    states = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            continue
        states.append((path.as_posix(), status.st_mtime_ns, status.st_size))
    return tuple(sorted(states))
