"""What counts as a failure of a reader: an error that is none of the project's, or more time or memory than allowed."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

from olivepress.core.errors import OlivepressError

from .targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
SECONDS = 10.0
MEGABYTES = 2048  # of address space above what the process had


def attempt(name: str, data: bytes) -> Exception | None:
    """The error that is none of the project's; None when the reader did as it should."""
    with tempfile.TemporaryDirectory(prefix="olivepress-fuzz-") as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            TARGETS[name](data, Path(scratch))
        except OlivepressError:
            return None
        except Exception as error:
            return error
    return None


def signature(error: Exception) -> str:
    """Type and place of an error: two inputs with the same one are one failure."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if "olivepress" in file.parts:
            place = f"{file.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"
