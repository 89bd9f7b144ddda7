"""What a child says on one line, and how our code inside Olive says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.core.child.messages import (
    MESSAGES_VARIABLE,
    ErrorMessage,
    ProgressMessage,
    ResultMessage,
    error_message,
    error_of,
    parse_message,
    report_progress,
    reports_errors,
)
from olivepress.core.errors import DataError, JobError, LintError


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"done": 1, "total": 2}', ProgressMessage(done=1, total=2)),
        ('{"done": 1, "total": 2, "loss": 0.5, "seconds": 3.0}', ProgressMessage(done=1, total=2, loss=0.5)),
        ('{"done": 1, "total": 2, "notes": ["it fell"]}', ProgressMessage(done=1, total=2, notes=("it fell",))),
        ('{"result": {"a": 1}, "peak_memory_bytes": 5}', ResultMessage(result={"a": 1}, peak_memory_bytes=5)),
        ('{"error": "no", "kind": "DataError"}', ErrorMessage(error="no", kind="DataError")),
        ('{"done": "x"}', None),
        ('{"other": 1}', None),
        ("7", None),
        ("[1, 2]", None),
        ("noise", None),
        ("", None),
        ('{"result": 5}', None),
        ("[" * 100_000, None),
    ],
)
def test_a_line_is_a_message_or_nothing(line: str, message: object) -> None:
    assert parse_message(line) == message


def test_an_error_travels_and_comes_back() -> None:
    error = error_of(error_message(DataError("row 3: empty", next_step="check it")))
    assert type(error) is DataError and str(error) == "row 3: empty; next: check it"
    assert type(error_of(ErrorMessage(error="x", kind="SystemExit"))) is JobError
    assert type(error_of(ErrorMessage(error="x", kind="whole_message"))) is JobError
    lint = error_of(error_message(LintError("a", "b", next_step="render")))
    assert type(lint) is JobError and lint.next_step == "render"


def test_inside_olive_messages_go_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @reports_errors
    def supervise(rows: int) -> int:
        if rows < 1:
            raise DataError("no row fits", next_step="raise data.max_length")
        report_progress(rows, 5, loss=0.5)
        return rows

    file = tmp_path / "messages.jsonl"
    assert supervise(2) == 2  # nobody listens
    monkeypatch.setenv(MESSAGES_VARIABLE, str(file))
    assert supervise(3) == 3
    with pytest.raises(DataError):
        supervise(0)
    assert [parse_message(line) for line in file.read_text().splitlines()] == [
        ProgressMessage(done=3, total=5, loss=0.5),
        ErrorMessage(error="no row fits", kind="DataError", next_step="raise data.max_length"),
    ]
