"""The file of the embedded store, with MLflow's tables: there as a whole, or not at all.

MLflow creates its tables in some fifty steps that take seconds and are no transaction. Where it is killed among them it
cannot go on later, and two processes that do so at once are in each other's way.
"""

from __future__ import annotations

from olivepress.core.errors import JobError
from olivepress.core.files import write_bytes
from olivepress.core.layout import STORE_LOCK
from olivepress.core.process import exclusive
from olivepress.track.store import EMBEDDED_FILE

__all__ = ["create_embedded"]


def create_embedded() -> None:
    """Create the file, unless it is there. JobError while another process creates it."""
    if _is_there():
        return
    try:
        with exclusive(STORE_LOCK):
            if not _is_there():
                write_bytes(EMBEDDED_FILE, _empty_database())
    except JobError:
        raise JobError(
            f"{EMBEDDED_FILE}: another process is creating it", next_step="the same command, in some seconds"
        ) from None


def _is_there() -> bool:
    """An empty file is one that SQLite has only opened."""
    return EMBEDDED_FILE.is_file() and EMBEDDED_FILE.stat().st_size > 0


def _empty_database() -> bytes:
    import sqlalchemy
    from mlflow.store.db.utils import _initialize_tables

    partial = STORE_LOCK / "partial.db"
    for left in STORE_LOCK.glob(f"{partial.name}*"):  # by a killed process, with its journal
        left.unlink()
    engine = sqlalchemy.create_engine(f"sqlite:///{partial.as_posix()}")
    try:
        _initialize_tables(engine)
    finally:
        engine.dispose()
    data = partial.read_bytes()
    partial.unlink()
    return data
