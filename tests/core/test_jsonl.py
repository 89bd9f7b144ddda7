"""Lines that are only ever added: a kill costs the line that it cut."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from olivepress.core.errors import ReportError
from olivepress.core.jsonl import append_json_line, read_json_lines


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.jsonl"
    assert read_json_lines(path) == []
    values = [{"a": "ä\u2028"}, ["id", "text"], 3]
    for value in values:
        append_json_line(path, value)
    assert read_json_lines(path) == values and path.read_text().count("\n") == 3


@pytest.mark.parametrize("sync", [True, False])
def test_a_line_that_was_cut_costs_itself_alone(tmp_path: Path, sync: bool) -> None:
    path, line = tmp_path / "a.jsonl", json.dumps({"number": 1}) + "\n"
    for cut in range(len(line)):
        path.write_text(line + line[:cut])
        append_json_line(path, {"number": 2}, sync=sync)
        append_json_line(path, {"number": 3}, sync=sync)
        read = [value for value in read_json_lines(path) if isinstance(value, dict)]
        whole = 2 if cut == len(line) - 1 else 1  # all but its end of line
        assert [value["number"] for value in read] == [1] * whole + [2, 3]


def test_what_is_no_file_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n\xff\n' + b"[" * 100_000 + b"\n[2]\n")
    assert read_json_lines(path) == [{"a": 1}, [2]]
    with pytest.raises(ReportError, match="larger than 10 bytes"):
        read_json_lines(path, 10, ReportError)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReportError, match="named pipe"):
        read_json_lines(tmp_path / "pipe", 10, ReportError)
