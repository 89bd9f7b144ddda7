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

from olivepress.core.bounded import DEEPEST, RECIPE, read_text
from olivepress.core.errors import RecipeError

__all__ = ["Document", "Record", "load_yaml", "parse_yaml", "read_record"]

Location = tuple[str | int, ...]
RecordType = TypeVar("RecordType", bound="Record")
# YAML 1.1 reads 1e-5 as text because the mantissa has no dot; everybody is caught by it once.
_MOST_NODES = 100_000  # every alias counted as what it stands for
_LONGEST_NUMBER = 100  # characters: Python refuses to read much longer ones, and 1:1:1 is a number to the base 60
_NUMBERS = frozenset(("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"))
_OTHER_BASE = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-9]+)+(\.[0-9_]*)?)")
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

    Raises RecipeError: no such file, larger than 1 MB, not UTF-8 text, and what ``parse_yaml`` refuses.
    """
    try:
        text = read_text(path, RECIPE, RecipeError)
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file", next_step="check the path, or `olivepress recipes`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text ({error})") from None
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> Document:
    """The YAML document in ``text``; ``path`` names it in errors.

    Raises RecipeError: not YAML, a key given twice or no plain one, and what is nested deeper than 100 levels, has more
    than 100,000 values (aliases counted as what they stand for), or contains itself.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise RecipeError(f"{path}: is empty, expected a mapping of keys")
        index = _Index(path)
        index.add(node, ())
        data = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RecipeError(f"{where}: not valid YAML: {problem}") from None
    except RecursionError:
        raise RecipeError(f"{path}: is nested deeper than {DEEPEST} levels, expected a mapping of keys") from None
    finally:
        if loader is not None:
            loader.dispose()
    return Document(path=path, data=data, lines=index.lines)


class _Loader(yaml.SafeLoader):
    """Stops at as many values as a recipe may have, and refuses a value that Python cannot make of its text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise yaml.MarkedYAMLError(problem=f"more than {_MOST_NODES:,} values", problem_mark=self.get_mark())
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
                raise ValueError
            if node.tag in _NUMBERS and (written := _OTHER_BASE.fullmatch(node.value)):
                base = "60" if ":" in written[0] else "8"
                problem = f"{node.value} is a number to the base {base}: write it in decimals, or as a text in quotes"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
            return super().construct_object(node, deep=deep)
        except (ValueError, AttributeError, LookupError, OverflowError, TypeError):  # 2026-13-45, !!int, !!bool x
            problem = f"not a value of the kind it looks like ({node.tag.rpartition(':')[2]})"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None


class _Index:
    """The line of every key and item. Aliases are walked as what they stand for, so their values are counted."""

    def __init__(self, path: Path) -> None:
        self.path, self.lines = path, dict[Location, int]()
        self.count = 0
        self.above: set[int] = set()

    def add(self, node: yaml.Node, location: Location) -> None:
        line = node.start_mark.line + 1
        self.count += 1
        if self.count > _MOST_NODES:
            raise RecipeError(f"{self.path}:{line}: aliases make more than {_MOST_NODES:,} values of it")
        if id(node) in self.above:
            raise RecipeError(f"{self.path}:{line}: refers to itself, expected a plain mapping of keys")
        if len(location) > DEEPEST:
            raise RecipeError(f"{self.path}:{line}: is nested deeper than {DEEPEST} levels")
        self.lines.setdefault(location, line)
        self.above.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.add(item, (*location, number))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._add_key(key, value, location)
        self.above.discard(id(node))

    def _add_key(self, key: yaml.Node, value: yaml.Node, location: Location) -> None:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise RecipeError(f"{self.path}:{line}: a list or mapping is used as a key, expected a name")
        here = (*location, str(key.value))
        if here in self.lines:
            first = self.lines[here]
            raise RecipeError(f"{self.path}:{line}: key '{key.value}' is given twice, first on line {first}")
        self.lines[here] = line
        self.add(value, here)


def read_record(path: Path, kind: type[RecordType]) -> RecordType:
    """Read ``path`` as a record of ``kind``; every problem becomes one RecipeError with file and line."""
    document = load_yaml(path)
    if not isinstance(document.data, dict):
        raise RecipeError(f"{path}:1: expected a mapping of keys, not {type(document.data).__name__}")
    try:
        # Through JSON: strict about types, yet lists become tuples.
        return kind.model_validate_json(json.dumps(_with_text_keys(document.data), default=str))
    except ValidationError as error:
        raise _explain(error.errors()[0], len(error.errors()), document, kind) from None


def _with_text_keys(value: Any) -> Any:
    """A key that YAML reads as a date or as bytes, as text: JSON has no other."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _with_text_keys(each) for key, each in value.items()}
    return [_with_text_keys(each) for each in value] if isinstance(value, list) else value


def _explain(problem: ErrorDetails, count: int, document: Document, kind: type[Record]) -> RecipeError:
    location: Location = problem["loc"]
    name = ".".join(str(part) for part in location) or "the file"
    where = f"{document.path}:{document.line(location)}"
    value = problem.get("input")
    more = f" (and {count - 1} more)" if count > 1 else ""
    if problem["type"] == "extra_forbidden":
        known = _known_keys(kind, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        guess = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(sorted(known))}"
        return RecipeError(f"{where}: unknown key '{name}'; {guess}{more}")
    if problem["type"] == "missing":
        return RecipeError(f"{where}: key '{name}' is missing{more}")
    if isinstance(value, str) and _NUMBER_AS_TEXT.fullmatch(value):
        return RecipeError(f"{where}: '{name}' is text to YAML: write {float(value):.1e}, not {value}{more}")
    expected = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if isinstance(value, dict):  # a rule about a whole mapping: the mapping itself would fill the line
        return RecipeError(f"{where}: {name}: expected {expected}{more}")
    return RecipeError(f"{where}: '{name}' is {value!r}, expected {expected}{more}")


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
