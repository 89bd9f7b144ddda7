"""Streams that are closed, and text that the locale has no signs for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from olivepress.core.errors import LintError, UsageError
from olivepress.core.messages import exit_code_of, explain, some_of, typed_text

_CLOSED = "import os, sys; os.close({number}); sys.argv = ['olivepress', {argument!r}]; sys.{name} = None\n"
_MAIN = "from olivepress.cli.main import main; main()"


@pytest.mark.parametrize(("number", "name"), [(0, "stdin"), (1, "stdout"), (2, "stderr")])
@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("nothing", 2)])
def test_a_stream_that_the_caller_closed(number: int, name: str, argument: str, code: int) -> None:
    program = _CLOSED.format(number=number, name=name, argument=argument) + _MAIN
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Error" not in done.stderr and "unexpected" not in done.stderr


def test_text_of_a_locale_without_its_signs() -> None:
    assert typed_text("grün", "--prompt") == "grün"
    assert typed_text("gr\udcc3\udcbcn", "--prompt") == "grün"
    for text in ("\udcff", "\ud800"):
        with pytest.raises(UsageError, match="--prompt: not UTF-8 text"):
            typed_text(text, "--prompt")


def test_each_finding_of_a_lint_error_is_a_line_of_its_own() -> None:
    error = LintError("a.yaml: passes.x: no\nsuch key", "b.yaml: \x1b[2Jgone", next_step="render again")
    assert explain(error).split("\n") == ["a.yaml: passes.x: no such key", "b.yaml: \\x1b[2Jgone; next: render again"]


def test_a_user_without_a_home_is_asked_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])  # a user without an entry, as in a container
    with pytest.raises(RuntimeError) as error:
        Path("~/.cache").expanduser()
    assert explain(error.value).endswith("; next: set HOME to a folder that you can write to")
    assert exit_code_of(error.value) == 7


def test_the_first_names_and_how_many_more_there_are() -> None:
    assert [some_of(names, 2) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a, b",
        "a, b and 1 more",
    ]
    assert some_of(["m"] * 1500, 1) == "m and 1,499 more"
