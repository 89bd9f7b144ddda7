"""Verbs are discovered: a new one is one file, and a call imports none of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from olivepress.cli import verbs
from olivepress.cli.main import main

VERB = '''
"""``olivepress greet-all``."""

from typing import Annotated

import typer

from olivepress.cli.options import JsonOption


def greet_all(name: Annotated[str, typer.Argument(help="Whom.")], as_json: JsonOption = False) -> None:
    """Greet somebody, with a summary that is much too long for one line of a terminal of eighty columns."""
    print(f"hello {name}, {as_json}")
'''


def test_a_verb_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "greet_all.py").write_text(VERB)
    monkeypatch.setattr(verbs, "__path__", [*verbs.__path__, str(tmp_path)])
    for arguments, expected in (
        (["greet-all", "you", "--json"], "hello you, True"),
        (["greet-all", "--help"], "Print machine-readable JSON."),
        (["--help"], "terminal of eighty"),
    ):
        monkeypatch.setattr("sys.argv", ["olivepress", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0
        assert expected in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--version"], ["schema", "--help"]])
def test_a_call_imports_no_other_verb(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['olivepress', *{arguments!r}]\n"
        "from olivepress.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*sorted(m for m in sys.modules if m.startswith('olivepress.cli.verbs.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.split() == [f"olivepress.cli.verbs.{name}" for name in arguments if not name.startswith("--")]


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("olivepress re", "recipes rehearse render report reproduce"), ("olivepress data p", "plant prepare"),
     ("olivepress render tiny-p", "tiny-phi"), ("olivepress bench --allow", "--allow-fallback")],
)  # fmt: skip
def test_shell_completion(typed: str, completed: str) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_OLIVEPRESS_COMPLETE": "complete_bash"}
    code = "import sys; sys.argv = ['olivepress']; from olivepress.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **words})
    assert done.stdout.split() == completed.split(), done.stderr


def test_it_is_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "olivepress", "schema"], capture_output=True, text=True)
    assert done.returncode == 0 and '"title": "Recipe"' in done.stdout
