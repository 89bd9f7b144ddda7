"""Text packed with gzip, xz or Zstandard, unpacked into a temporary file within limits.

A few kilobytes can unpack to terabytes: the limits are 8 GB and, beyond 64 MB, 200 times the packed size.
"""

from __future__ import annotations

import gzip
import lzma
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from olivepress.core.bounded import open_regular
from olivepress.core.errors import DataError, SetupError

__all__ = ["MAX_RATIO", "MAX_UNPACKED_BYTES", "copy_bounded", "unpacked"]

MAX_UNPACKED_BYTES = 8 * 1024**3
MAX_RATIO, _RATIO_FROM = 200, 64 * 1024**2
_CHUNK = 1 << 20
# Zstandard's densest block unpacks four bytes to 128 KB, and its decoder returns all output of its input at once.
_ZSTD_INPUT = 1 << 10
_MEMORY = 256 * 1024**2  # of a decoder: xz -9 needs 65 MB, zstd --long=27 128 MB
_MAGIC = {".gz": b"\x1f\x8b", ".xz": b"\xfd7zXZ\0", ".zst": b"\x28\xb5\x2f\xfd"}
_NAMES = {".gz": "gzip", ".xz": "xz", ".zst": "Zstandard"}


@contextmanager
def unpacked(path: Path, packing: str) -> Iterator[BinaryIO]:
    """The text of ``path`` as a temporary file that can be read twice.

    Raises DataError: not packed this way, truncated, damaged, or beyond the limits; SetupError without zstandard.
    """
    name = _NAMES[packing]
    with open_regular(path, DataError) as file, tempfile.TemporaryFile(prefix="olivepress-") as text:
        head = file.read(len(_MAGIC[packing]))
        file.seek(0)
        if head != _MAGIC[packing]:
            raise DataError(f"{path}: is not packed with {name}", next_step=f"rename it, or pack it with {name}")
        limit = min(MAX_UNPACKED_BYTES, max(_RATIO_FROM, path.stat().st_size * MAX_RATIO))
        try:
            copy_bounded(path, _chunks(file, packing), text, limit)
        except EOFError:
            raise DataError(
                f"{path}: is truncated, its {name} data has no end", next_step="download it again"
            ) from None
        except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, ValueError, MemoryError) as error:
            reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
            raise DataError(
                f"{path}: not readable as {name} ({reason})", next_step="pack or download it again"
            ) from None
        text.seek(0)
        yield text


def copy_bounded(where: object, chunks: Iterator[bytes], target: BinaryIO, limit: int) -> None:
    """Write ``chunks`` to ``target``. Raises DataError naming ``where`` when they exceed ``limit`` bytes."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise DataError(
                f"{where}: contains more than {limit:,} bytes when unpacked "
                f"(limits: {MAX_UNPACKED_BYTES:,} bytes, and {MAX_RATIO} times the packed size)",
                next_step="unpack it yourself, or split it",
            )
        target.write(chunk)


def _chunks(file: BinaryIO, packing: str) -> Iterator[bytes]:
    if packing == ".gz":
        with gzip.GzipFile(fileobj=file) as text:
            while chunk := text.read(_CHUNK):
                yield chunk
    elif packing == ".xz":
        yield from _xz(file)
    else:
        yield from _zstd(file)


def _xz(file: BinaryIO) -> Iterator[bytes]:
    """There may be several streams, with zeros between them."""
    raw = file.read(_CHUNK)
    while raw:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
        while not decoder.eof:
            if decoder.needs_input and not raw:
                raw = file.read(_CHUNK)
                if not raw:
                    raise EOFError
            yield decoder.decompress(raw, _CHUNK)
            raw = b""
        raw = decoder.unused_data.lstrip(b"\0")
        while not raw and (more := file.read(_CHUNK)):
            raw = more.lstrip(b"\0")


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    """There may be several frames."""
    try:
        import zstandard
    except ImportError as error:
        message = "reading .zst needs the package zstandard"
        raise SetupError(message, next_step="pip install 'olivepress[data]'") from error
    raw = file.read(_ZSTD_INPUT)
    while raw:
        decoder = zstandard.ZstdDecompressor(max_window_size=_MEMORY // 2).decompressobj()
        while not decoder.eof:
            if not raw and not (raw := file.read(_ZSTD_INPUT)):
                raise EOFError
            try:
                yield decoder.decompress(raw)
            except zstandard.ZstdError as error:
                raise ValueError(str(error)) from None
            raw = b""
        raw = decoder.unused_data or file.read(_ZSTD_INPUT)
