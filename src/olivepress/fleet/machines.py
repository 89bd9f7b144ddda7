"""``machines.csv``: the machines of a fleet, each with its class, its ring and its public key."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.core.bounded import CONFIG, read_text
from olivepress.core.errors import UsageError
from olivepress.core.files import write_text
from olivepress.core.names import check_name
from olivepress.fleet.rings import RINGS
from olivepress.registry.signatures import key_id

__all__ = ["COLUMNS", "Machine", "by_key", "key_text", "read_machines", "write_machines"]

COLUMNS = ("machine", "class", "ring", "key")
_LONGEST_CLASS = 60
_COMMENT = b"untrusted comment: machine of a fleet\n"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine. ``ring`` and ``key`` (the public key in base64) are "" until they are assigned."""

    name: str
    device_class: str
    ring: str = ""
    key: str = ""


def key_text(key: str) -> bytes:
    """The base64 of a public key as the file that minisign reads."""
    return _COMMENT + key.encode() + b"\n"


def by_key(machines: Sequence[Machine]) -> Mapping[str, Machine]:
    """Id of the public key → its machine."""
    return {key_id(key_text(machine.key)): machine for machine in machines if machine.key}


def write_machines(path: Path, machines: Sequence[Machine]) -> None:
    """Write them, in order of their names."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for machine in sorted(machines, key=lambda each: each.name):
        writer.writerow([machine.name, machine.device_class, machine.ring, machine.key])
    write_text(path, out.getvalue())


def read_machines(path: Path) -> list[Machine]:
    """UsageError, with the line, for columns other than ``COLUMNS``, names and classes that cannot be used, an unknown
    ring, a key that is none, and a name or a key that two machines share."""
    try:
        text = read_text(path, CONFIG, UsageError, encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file", next_step="write a CSV file with machine,class") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as text ({error})", next_step="save it as UTF-8") from None
    machines = list(_rows(path, text))
    _check_unique(path, machines)
    return machines


def _rows(path: Path, text: str) -> Iterator[Machine]:
    header = text.partition("\n")[0]
    delimiter = ";" if ";" in header and "," not in header else ","  # spreadsheets write either, by language
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, restkey="", restval="", strict=True)
    try:
        names = tuple(reader.fieldnames or ())
        if not set(COLUMNS[:2]) <= set(names) <= set(COLUMNS) or len(set(names)) < len(names):
            step = f"name the columns {', '.join(COLUMNS[:2])}, and if you have them {' and '.join(COLUMNS[2:])}"
            raise UsageError(f"{path}, line 1: unexpected columns {ascii(','.join(names))[:80]}", next_step=step)
        for row in reader:
            try:
                yield _machine(row)
            except ValueError as error:
                raise UsageError(f"{path}, line {reader.line_num}: {error}", next_step="correct this line") from None
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: not CSV ({error})", next_step="correct this line") from None


def _machine(row: Mapping[str, str]) -> Machine:
    """ValueError for what cannot be a machine."""
    if "" in row:
        raise ValueError("more values than columns")
    name, device_class = row["machine"].strip(), row["class"].strip()
    try:
        check_name(name)
    except ValueError as error:
        raise ValueError(f"machine {ascii(name)[:80]}: expected {error}") from None
    if not device_class or len(device_class) > _LONGEST_CLASS or not device_class.isprintable():
        raise ValueError(f"class of {name}: expected 1 to {_LONGEST_CLASS} characters in one line")
    ring, key = row.get("ring", "").strip(), row.get("key", "").strip()
    if ring not in ("", *RINGS):
        raise ValueError(f"ring {ascii(ring)[:40]}: expected {', '.join(RINGS)}, or nothing to have it assigned")
    if key:
        _check_key(name, key)
    return Machine(name=name, device_class=device_class, ring=ring, key=key)


def _check_key(name: str, key: str) -> None:
    try:
        if not key.isascii():
            raise ValueError
        key_id(key_text(key))
    except ValueError:
        raise ValueError(f"key of {name}: expected the second line of a .pub file of minisign") from None


def _check_unique(path: Path, machines: Sequence[Machine]) -> None:
    seen = dict[str, str]()
    for machine in machines:
        keys = [f"name {machine.name.casefold()}"]
        if machine.key:
            keys.append(f"key {key_id(key_text(machine.key))}")
        for what in keys:
            other = seen.setdefault(what, machine.name)
            if other is not machine.name:
                raise UsageError(
                    f"{path}: {other} and {machine.name} have the same {what.partition(' ')[0]}",
                    next_step="give every machine a name and a key of its own",
                )
