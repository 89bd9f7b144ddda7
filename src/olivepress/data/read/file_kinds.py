"""Checks the first bytes of a file: UTF-8 text with line ends, or one clear error."""

from __future__ import annotations

import codecs
import shlex
from pathlib import Path

from olivepress.core.errors import DataError

__all__ = ["DATABASES", "PACKED", "SPREADSHEETS", "SUFFIXES", "check_head", "kind_of"]

_TEXTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt")
DATABASES = (".db", ".db3", ".sqlite", ".sqlite3")
SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
PACKED = (".gz", ".zst", ".xz")  # after the suffix of a text file: rows.jsonl.gz
SUFFIXES = (*_TEXTS, ".parquet", *DATABASES, *SPREADSHEETS)

_MAGIC = {
    b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd",
    b"%PDF": "PDF", b"\x7fELF": "program", b"\x89PNG": "PNG", b"SQLite format 3": "SQLite", b"PAR1": "Parquet",
}  # fmt: skip
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
# The mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def kind_of(path: Path) -> tuple[str, str]:
    """The suffixes of the row format and of the compression ("" for none)."""
    packing = path.suffix.lower()
    if packing in PACKED:
        return Path(path.stem).suffix.lower(), packing
    return packing, ""


def check_head(path: Path, head: bytes, suffix: str) -> None:
    """Raise DataError for a file that is empty, compressed, binary, not UTF-8, or without line ends.

    ``suffix`` is the format that its name suggests.
    """
    if not head.strip():
        raise DataError(f"{path}: is empty, expected examples", next_step="give a file that contains rows")
    for mark, name in _MARKS:
        if head.startswith(mark):
            raise DataError(f"{path}: is {name}, expected UTF-8", next_step=_recode(path, name))
    for magic, name in _MAGIC.items():
        if head.startswith(magic) and not (name == "Parquet" and suffix == ".parquet"):
            raise DataError(f"{path}: is a {name} file, expected rows as text", next_step=_rename_or_unpack(path, name))
    if suffix == ".parquet":
        return
    rest = head.replace(b"\0", b"")
    for name, zeros in (("UTF-16LE", head[1::2]), ("UTF-16BE", head[::2])):
        if zeros.count(0) > len(zeros) * 0.4 and len(rest) > len(head) * 0.4 and rest == rest.translate(None, _CONTROL):
            raise DataError(f"{path}: is likely {name} without a mark, expected UTF-8", next_step=_recode(path, name))
    # A single control byte costs one character of a row; a file with many is not text.
    control = len(head) - len(head.translate(None, _CONTROL))
    if head.count(0) > len(head) / 100 or control > 8 + len(head) / 20:
        raise DataError(
            f"{path}: is binary, expected UTF-8 text", next_step="give the rows in one of the supported formats"
        )
    if suffix != ".json" and b"\r" in head.rstrip() and b"\n" not in head:
        name, step = shlex.quote(path.name), shlex.quote(f"newlines-{path.name}")
        raise DataError(
            f"{path}: its lines end with CR alone, expected newlines", next_step=f"tr '\\r' '\\n' < {name} > {step}"
        )


_SUFFIX_OF = {"gzip": ".gz", "xz": ".xz", "zstd": ".zst", "SQLite": ".db", "Parquet": ".parquet"}


def _rename_or_unpack(path: Path, name: str) -> str:
    if name not in _SUFFIX_OF:
        return "unpack or export it first"
    suffix = _SUFFIX_OF[name]
    base = path.name if suffix in PACKED else path.stem
    return f"rename it to {shlex.quote(f'{base}{suffix}')}, or unpack it"


def _recode(path: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t UTF-8 {shlex.quote(path.name)} > {shlex.quote(f'utf8-{path.name}')}"
