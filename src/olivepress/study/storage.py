"""The database of all studies, ``studies.db`` beside runs/: opened, locked, and its errors in one line.

Optuna's own storage on SQLite: ``optuna-dashboard sqlite:///studies.db`` shows it. Processes share it; what must not
happen twice, the choice of the next trial, is done under a lock that the system releases when its process ends.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from olivepress.core.errors import JobError, OlivepressError, SetupError, whole_message
from olivepress.core.layout import STUDIES, STUDY_LOCKS
from olivepress.core.process import exclusive

if TYPE_CHECKING:
    from optuna import Study as Study
    from optuna.storages import BaseStorage as Storage
else:
    Study = Storage = "of Optuna, which is imported late"

__all__ = [
    "INSTALL",
    "Direction",
    "Storage",
    "StorageError",
    "Study",
    "create",
    "latest",
    "numbered",
    "open_storage",
    "storage_errors",
    "study_lock",
]

INSTALL = "pip install 'olivepress[search]'"
Direction = Literal["minimize", "maximize"]
_BEGUN = "begun"
_BUSY_S = 60  # what SQLite waits for another process's write
_PATIENCE_S = 120.0


class StorageError(SetupError):
    """The database cannot be used: no trial is to blame for it."""


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Errors of the database as StorageError, each in one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of experimental features, at every call
            yield
    except OlivepressError:
        raise
    except Exception as error:
        known = _known(error)
        if known is None:
            raise
        raise StorageError(f"{STUDIES}: {known[0]}", next_step=known[1]) from error


# What an error of the database says → (what is wrong, what to do). SQLite's words, Optuna's, and the system's.
_SEARCH_ANEW = "move it away: the search begins anew"
_PROBLEMS = (
    (r"database is locked", "another process has locked it", "end that process, then the same command goes on"),
    (r"readonly database|read-only|unable to open", "cannot be written here", "make the folder writable"),
    (r"database or disk is full|No space left", "the disk is full", "free disk space, then the same command"),
    (r"not a database|malformed", "is no database, or damaged", _SEARCH_ANEW),
    (r"no such (table|column)", "is a database of something else, or damaged", _SEARCH_ANEW),
    (r"Record does not exist", "the study was deleted while it ran", "the same command begins it anew"),
    (r"storage upgrade", "was written by an older Optuna", "optuna storage upgrade --storage sqlite:///{file}"),
    (
        r"no longer compatible|updating optuna",
        "was written by a newer Optuna",
        f"install the Optuna that wrote it, or {_SEARCH_ANEW}",
    ),
)


def _known(error: Exception) -> tuple[str, str | None] | None:
    """(what is wrong, what to do); None for what is no error of the database. An error of the database that is not
    known here keeps its own words, and nothing is advised: it may be of this moment and the file sound."""
    module = type(error).__module__.partition(".")[0]
    if module not in ("sqlalchemy", "optuna", "builtins", "sqlite3"):
        return None
    if module == "builtins" and not isinstance(error, RuntimeError | KeyError):
        return None
    chain = [whole_message(getattr(each, "orig", None) or each) for each in _chain(error)]
    for pattern, problem, step in _PROBLEMS:
        if re.search(pattern, " ".join(chain)):
            return problem, step.format(file=STUDIES)
    return None if module == "builtins" else (chain[-1], None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


@contextlib.contextmanager
def study_lock() -> Iterator[None]:
    """For one process at a time; the others wait. SetupError when that takes minutes."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive(STUDY_LOCKS, wait_s=_PATIENCE_S))
        except JobError:
            message = f"{STUDY_LOCKS}: another search has locked it for {_PATIENCE_S:g} s"
            raise SetupError(message, next_step="end that process") from None
        yield


def open_storage() -> Storage:
    """The database, made at its first use. SetupError without Optuna, and as ``storage_errors``."""
    try:
        import optuna
        import sqlalchemy.event
    except ImportError as error:
        raise SetupError(f"a search needs Optuna ({error})", next_step=INSTALL) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with storage_errors(), study_lock():
        _set_write_ahead_log()
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{STUDIES}", engine_kwargs={"connect_args": {"timeout": _BUSY_S}}
        )
        sqlalchemy.event.listen(storage.engine, "connect", _sync_less)
        storage.engine.dispose()  # of connections from before
        return storage


def _set_write_ahead_log() -> None:
    """A mode of the file: a trial's dozen of small writes then waits for the disk once and not thirty times. A kill
    loses nothing; a power cut may lose the last moments, and never the file."""
    with contextlib.closing(sqlite3.connect(STUDIES, timeout=_BUSY_S)) as database:
        database.execute("PRAGMA journal_mode=WAL")


def _sync_less(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


def numbered(recipe: str, level: str, number: int, stage: str = "") -> str:
    """``tickets/finetune.1``, and ``tickets/finetune.1/full`` for a stage of it."""
    name = f"{recipe}/{level}.{number}"
    return f"{name}/{stage}" if stage else name


def latest(storage: Storage, recipe: str, level: str) -> int:
    """The number of the last study of this recipe; 0 where there is none."""
    with storage_errors():
        names = [study.study_name for study in storage.get_all_studies()]
    pattern = re.compile(re.escape(f"{recipe}/{level}.") + r"(\d{1,6})")
    return max((int(match[1]) for name in names if (match := pattern.fullmatch(name))), default=0)


def create(
    storage: Storage,
    name: str,
    directions: Sequence[Direction],
    facts: Mapping[str, object],
    *,
    begin: Callable[[Study], None] = lambda _: None,
) -> Study:
    """The study of that name: as it is, or new with ``facts`` as its attributes and what ``begin`` adds to it.

    Under the lock: two processes may begin it at once. One whose beginning was cut is begun anew.
    """
    import optuna

    with storage_errors(), study_lock():
        names = [study.study_name for study in storage.get_all_studies()]
        if name in names:
            study = optuna.load_study(study_name=name, storage=storage)
            if not directions or _is_begun(study):
                return study
            optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(study_name=name, storage=storage, directions=list(directions))
        for key, value in facts.items():
            study.set_user_attr(key, value)
        begin(study)
        study.set_user_attr(_BEGUN, True)
        return study


def _is_begun(study: Study) -> bool:
    """Whether it has its facts and first points: the mark comes last, and studies from before it had trials taken."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    return bool(study.user_attrs.get(_BEGUN)) or any(trial.state != TrialState.WAITING for trial in trials)


def study_in_memory(directions: Sequence[Direction] = ("minimize",)) -> Study:
    """A study that no file keeps: for simulations."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(directions=list(directions))
