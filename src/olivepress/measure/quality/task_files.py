"""Checks task files of lm-evaluation-harness, which are untrusted input, for anything that would run code.

The harness imports a module for every ``!function``, and for unknown metrics and data sets any script in a folder of
that name. ``lm_eval_tasks`` renders the templates of task files in a sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from olivepress.core.bounded import read_text
from olivepress.core.errors import OlivepressError

__all__ = ["code_in_tasks"]

LARGEST_FILE = 4 * 1024 * 1024
MOST_FILES = 10_000
_MOST_NODES = 200_000
_PLAIN_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(f"{_PLAIN_TAG}{name}" for name in (
    "null", "bool", "int", "float", "str", "seq", "map", "timestamp", "binary", "merge", "value", "set", "omap",
))  # fmt: skip
# The registry of lm_eval 0.4.13: for any other name it loads a script of the package evaluate.
_METRICS = frozenset({
    "acc", "acc_all", "acc_bytes", "acc_mutual_info", "acc_norm", "bits_per_byte", "bleu", "brier_score", "bypass",
    "byte_perplexity", "chrf", "exact_match", "f1", "likelihood", "mcc", "perplexity", "ter", "word_perplexity",
})  # fmt: skip
_FILE_READERS = frozenset({"arrow", "csv", "json", "parquet", "text"})
# The other readers of the package datasets: pickles, databases, programs.
_OTHER_READERS = frozenset({
    "audiofolder", "cache", "conll", "eval", "folder_based_builder", "generator", "hdf5", "iceberg", "imagefolder",
    "lance", "meshfolder", "niftifolder", "pandas", "pdffolder", "spark", "sql", "tsfile", "videofolder", "webdataset",
    "xml",
})  # fmt: skip
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,95})?")


def code_in_tasks(folder: Path) -> Iterator[str]:
    """What would run code or cannot be checked in the task files of ``folder`` and in the files they include.

    One line each: file, line number, and the entry.
    """
    files, seen = sorted(folder.rglob("*.yaml")), set[Path]()
    if len(files) > MOST_FILES:
        yield f"{folder}: more than {MOST_FILES} task files"
        return
    while files:
        path = files.pop()
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        if not path.resolve().is_relative_to(folder.resolve()):
            yield f"{path}: lies outside of {folder}"
            continue
        if not path.is_file():
            yield f"{path}: not a regular file"
            continue
        problems, included = _code_in_file(path)
        yield from problems
        files += included


def _code_in_file(path: Path) -> tuple[list[str], list[Path]]:
    """(one line for each entry that would run code, the files that this file includes)."""
    try:
        root = yaml.compose(read_text(path, LARGEST_FILE), Loader=yaml.SafeLoader)
    except OlivepressError as error:
        return [error.message], []
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return [f"{path}: cannot be read as YAML"], []
    problems, included, waiting = list[str](), list[Path](), [("", root)]
    visited = set[tuple[int, str]]()
    while waiting:
        key, node = waiting.pop()
        if node is None or (id(node), key) in visited:
            continue
        visited.add((id(node), key))
        if len(visited) > _MOST_NODES:
            return [f"{path}: too large to be checked"], []
        if node.tag not in _PLAIN_TAGS:
            name = node.value if isinstance(node.value, str) else ""
            problems.append(f"{path}:{node.start_mark.line + 1}: {node.tag} {ascii(name)[1:-1][:80]}".rstrip())
        elif isinstance(node, yaml.MappingNode):
            waiting += [(str(name.value), value) for name, value in node.value]
            waiting += [("", name) for name, _ in node.value]  # a key may have a tag as well
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(key, each) for each in node.value]
        elif key == "include":
            included.append(path.parent / node.value)
        elif _runs_code(key, node.value):
            problems.append(f"{path}:{node.start_mark.line + 1}: {key} {ascii(node.value)[1:-1][:80]}")
    return problems, included


def _runs_code(key: str, value: str) -> bool:
    """Whether an entry of a task file makes the harness run code."""
    truth = value.lower() in ("true", "yes", "on", "y", "1")
    if key in ("class", "custom_dataset"):
        return True
    if key in ("trust_remote_code", "unsafe_code", "hf_evaluate"):
        return truth
    if key == "metric":
        return value not in _METRICS
    if key == "dataset_path" and value not in _FILE_READERS:
        # A folder in the current directory may have the name of a data set of the Hub.
        return value in _OTHER_READERS or not _HUB_ID.fullmatch(value) or Path(value).exists()
    return False
