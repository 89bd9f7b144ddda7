from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from olivepress.core.bounded import DEEPEST, check_nesting, open_regular, parse_json, read_bytes, read_json, read_text
from olivepress.core.errors import DataError, RecipeError, ReportError
from olivepress.core.yaml_document import load_yaml, read_record
from olivepress.recipe.schema import Recipe

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")


def test_as_large_as_allowed_and_one_byte_more(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 10)
    assert read_bytes(path, 10) == b"x" * 10
    with pytest.raises(ReportError, match=r"f: larger than 9 bytes, it has 10; next: check"):
        read_bytes(path, 9, ReportError)


@POSIX
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        expected = {"pipe": "a named pipe", "s": "a socket", "/dev/zero": "a device", ".": "a directory"}
        for name, kind in expected.items():
            with pytest.raises(
                DataError, match=f"cannot be read, it is {kind} and not a file; next: write its content"
            ):
                open_regular(tmp_path / name, DataError)


@POSIX
def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "file").write_text("1")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_json(tmp_path / "link") == 1
    with pytest.raises(OSError, match="symbolic links"):
        read_bytes(tmp_path / "a", 10)


@POSIX
def test_files_that_say_zero_bytes_are_read_within_the_limit(tmp_path: Path) -> None:
    if Path("/proc/self/maps").exists():
        with pytest.raises(ReportError, match="larger than 5 bytes"):
            read_bytes(Path("/proc/self/maps"), 5, ReportError)


def test_text_and_json(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"a\r\nb\rc")
    assert read_text(tmp_path / "t", 10) == "a\nb\nc"
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)
    for text in ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "[" * 100_000, '{"a":' * 5000, "1" * 5000, "{"):
        with pytest.raises(ValueError, match=r"nested|digits|Expecting"):
            parse_json(text)
    with pytest.raises(ValueError, match="more than 2 levels"):
        check_nesting({"a": [{"b": 1}]}, 2)


def _ladder(first: str, step: str, levels: int) -> str:
    """Anchors a0, a1, …: each is ``step``, in which @ is the alias of the one before."""
    lines = [f"a0: &a0 {first}", *(f"a{i}: &a{i} {step.replace('@', f'*a{i - 1}')}" for i in range(1, levels))]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (_ladder("[x,x]", "[@,@,@,@,@,@,@,@,@,@]", 10), "aliases make more than 100,000 values"),
        (_ladder("{x: 1, y: 2}", "{p: @, q: @}", 40), "aliases make more"),
        (_ladder("{x: 1}", "{<<: [@, @, @]}", 30), "aliases make more"),
        (_ladder("[x,x]", "[@, @]", 12) + "? *a11\n: 1\n", "used as a key"),
        ("a: [" + "x," * 200_000 + "]", "more than 100,000 values"),
        ("a: &a [*a]", "refers to itself"),
        ("a: &a {b: *a}", "refers to itself"),
        ("[" * 5000, "nested deeper than 100"),
        ("a: " + "[" * 150 + "]" * 150, "nested deeper than 100"),
        ("? [a, b]\n: 1", "used as a key"),
        ("a: " + "1" * 5000, "not a value of the kind it looks like"),
        ("a: " + "1:" * 5000 + "1", "not a value of the kind"),
        ("a: 2026-13-45", "not a value of the kind"),
        ("a: !!int x", "not a value of the kind"),
        ("a: !!timestamp x", "not a value of the kind"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("z" * 1_100_000, "larger than 1,048,576 bytes"),
        ("2026-01-01: 1", "key 'name' is missing"),
        ("!!binary aGk=: 1", "key 'name' is missing"),
    ],
    ids=range(19),
)
def test_yaml_that_grows_or_never_ends_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=says):
        read_record(path, Recipe)


def test_plain_aliases_and_merges_still_work(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n")
    assert json.dumps(load_yaml(path).data) == '{"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}'


@POSIX
def test_a_pipe_is_no_recipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r.yaml")
    with pytest.raises(RecipeError, match="a named pipe"):
        load_yaml(tmp_path / "r.yaml")
