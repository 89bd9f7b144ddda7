"""Safe YAML with line numbers, and validation errors a person can act on."""

from __future__ import annotations

import difflib
import json
import re
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from olivepress.errors import RecipeError

__all__ = ["Document", "Record", "load_yaml", "read_record"]

Location = tuple[str | int, ...]
RecordType = TypeVar("RecordType", bound="Record")
# YAML 1.1 reads 1e-5 as text because the mantissa has no dot; everybody is caught by it once.
_NUMBER_AS_TEXT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


class Record(BaseModel):
    """Base of every record that is read from a file: frozen, strict, no unknown keys, numbers that are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True)
class Document:
    """Parsed YAML and, for every key and list item, the 1-based line it stands on."""

    path: Path
    data: Any
    lines: dict[Location, int]

    def line(self, location: Location) -> int:
        """Line of ``location``, or of the nearest thing around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


def load_yaml(path: Path) -> Document:
    """Read one YAML file safely.

    Raises RecipeError: no such file, not UTF-8 text, not YAML, or a key given twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file", next_step="check the path, or `olivepress recipes`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text ({error})") from None
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise RecipeError(f"{path}: is empty, expected a mapping of keys")
        lines: dict[Location, int] = {}
        _index(node, (), lines, path)
        data = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RecipeError(f"{where}: not valid YAML: {problem}") from None
    except RecursionError:
        raise RecipeError(f"{path}: refers to itself, expected a plain mapping of keys") from None
    finally:
        if loader is not None:
            loader.dispose()
    return Document(path=path, data=data, lines=lines)


def _index(node: yaml.Node, location: Location, lines: dict[Location, int], path: Path) -> None:
    lines.setdefault(location, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _index(item, (*location, number), lines, path)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*location, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                raise RecipeError(f"{path}:{line}: key '{key.value}' is given twice, first on line {lines[here]}")
            lines[here] = line
            _index(value, here, lines, path)


def read_record(path: Path, kind: type[RecordType]) -> RecordType:
    """Read ``path`` as one ``kind``; every problem becomes one RecipeError with file and line."""
    document = load_yaml(path)
    if not isinstance(document.data, dict):
        raise RecipeError(f"{path}:1: expected a mapping of keys, found {type(document.data).__name__}")
    try:
        # Through JSON: strict about types, yet lists become tuples.
        text = json.dumps(document.data, default=str)
    except TypeError as error:
        raise RecipeError(f"{path}: a key that is no text ({error})", next_step="write keys as words") from None
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _explain(error.errors()[0], len(error.errors()), document, kind) from None


def _explain(problem: ErrorDetails, count: int, document: Document, kind: type[Record]) -> RecipeError:
    location: Location = problem["loc"]
    name = ".".join(str(part) for part in location) or "the file"
    where = f"{document.path}:{document.line(location)}"
    found = problem.get("input")
    more = f" (and {count - 1} more)" if count > 1 else ""
    if problem["type"] == "extra_forbidden":
        known = _known_keys(kind, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        guess = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(sorted(known))}"
        return RecipeError(f"{where}: unknown key '{name}'; {guess}{more}")
    if problem["type"] == "missing":
        return RecipeError(f"{where}: key '{name}' is missing{more}")
    if isinstance(found, str) and _NUMBER_AS_TEXT.fullmatch(found):
        return RecipeError(f"{where}: '{name}' is text to YAML: write {float(found):.1e}, not {found}{more}")
    expected = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if isinstance(found, dict):  # a rule about a whole mapping: the mapping itself would fill the line
        return RecipeError(f"{where}: {name}: expected {expected}{more}")
    return RecipeError(f"{where}: '{name}' is {found!r}, expected {expected}{more}")


def _known_keys(kind: Any, location: Location) -> list[str]:
    """Field names of the record at ``location`` below ``kind``."""
    for part in location:
        kind = _record_in(kind)
        if kind is not None and isinstance(part, str) and part in kind.model_fields:
            kind = kind.model_fields[part].annotation
    record = _record_in(kind)
    return list(record.model_fields) if record else []


def _record_in(annotation: Any) -> type[Record] | None:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple, dict, list) and get_origin(annotation) is not Literal:
        for argument in get_args(annotation):
            if record := _record_in(argument):
                return record
    return None
