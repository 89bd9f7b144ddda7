"""olivepress data: check, prepare, show, export, as typed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.planted import clean_rows, read_jsonl, write_jsonl

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def rows(project: Path) -> Path:
    return write_jsonl(project / "rows.jsonl", [*clean_rows(110), clean_rows(1)[0], {"prompt": "?", "completion": ""}])


def test_check_keeps_nothing(rows: Path, project: Path, olivepress: Cli) -> None:
    done = olivepress("data", "check", "rows.jsonl", "--audit", "audit.jsonl")
    assert done.returncode == 0, done.stderr
    assert "112 rows in from 1 file = 110 kept + 2 dropped" in done.stdout
    train = int(done.stdout.split("prompt/completion: ")[1].split()[0])
    assert 80 <= train < 100
    assert f"WARNING: {train} training rows" not in done.stdout
    assert f"STOP: {train} training rows: do not fine-tune: few-shot or retrieval will work better" in done.stdout
    assert not (project / "datasets").exists()
    assert [entry["line"] for entry in read_jsonl(project / "audit.jsonl")] == [112, 111]
    assert olivepress("data", "check", "rows.jsonl", "--quiet").stderr == ""


@pytest.mark.parametrize(("words", "dropped"), [("13", {}), ("5", {"shares 5 words in a row with the test split": 1})])
def test_options_of_check_are_followed(project: Path, olivepress: Cli, words: str, dropped: dict[str, int]) -> None:
    train, test = clean_rows(40), clean_rows(5, seed=1)
    shared = " ".join(test[0]["prompt"].split()[2:9])  # seven words of a test row
    train[3]["prompt"] += f" {shared}"
    (project / "split").mkdir()
    write_jsonl(project / "split" / "train.jsonl", train)
    write_jsonl(project / "split" / "test.jsonl", test)
    done = olivepress("data", "check", "split", "--overlap-words", words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dropped"] == dropped


def test_prepare_show_export_and_prepare_again(rows: Path, project: Path, olivepress: Cli) -> None:
    done = olivepress("data", "prepare", "rows.jsonl", "-o", "mine", "--licence", "CC0", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert sum(told["rows"].values()) == 110 and min(told["rows"].values()) >= 4
    shown = json.loads(olivepress("data", "show", "mine", "--json").stdout)
    assert shown["version"] == told["version"] and shown["source"]["licence"] == "CC0"
    assert shown["lineage"] == {"rows.jsonl": told["rows"]}
    assert "licence: CC0" in olivepress("data", "show", told["directory"]).stdout
    for form in ("messages", "prompt-completion"):
        done = olivepress("data", "export", "mine", "--to", form, "-o", f"out-{form}")
        assert done.returncode == 0, done.stderr
        again = olivepress("data", "prepare", f"out-{form}", "-o", f"again-{form}", "--json")
        # The splits that were exported come back as they were, row for row.
        assert json.loads(again.stdout)["content_sha256"] == told["content_sha256"]
        assert json.loads(again.stdout)["version"] == told["version"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("check", "none.csv"), 4, "none.csv: no such file or directory; next:"),
        (("check", "rows.jsonl", "--ratio", "80/20"), 2, "expected three positive numbers"),
        (("check", "rows.jsonl", "--ratio", "nan/1/1"), 2, "expected three positive numbers"),
        (("check", "rows.jsonl", "./rows.jsonl"), 4, "rows.jsonl: given twice"),
        (("check", "rows.jsonl", "--audit", "recipes"), 2, "recipes: is a directory, expected a file"),
        (("check", "rows.jsonl", "--slice", "train[:0]"), 4, "no usable row of train is in it, 112 were read"),
        (("check", "rows.jsonl", "--format", "prompt/compleation"), 4, "next: --format prompt/completion"),
        (("check", "rows.jsonl", "--near-duplicates", "maybe"), 2, "expected group or drop or ignore"),
        (("check", "rows.jsonl", "--strict", "--format", "chat"), 4, "unknown format 'chat'"),
        (("check", "rows.jsonl", "--tokenizer", "recipes"), 4, "no such tokenizer"),
        (("show", "nothing"), 4, "nothing: no such dataset"),
        (("export", "nothing", "-o", "x", "--to", "pdf"), 2, "expected messages or prompt-completion"),
    ],
)
def test_errors_are_one_line(rows: Path, olivepress: Cli, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = olivepress("data", *arguments, "--quiet") if arguments[0] == "check" else olivepress("data", *arguments)
    assert done.returncode == code
    assert says in done.stderr and done.stderr.count("\n") == 1 and "; next: " in done.stderr


def test_a_recipe_takes_a_prepared_dataset(rows: Path, olivepress: Cli, olivepress_here: Cli) -> None:
    told = json.loads(olivepress("data", "prepare", "rows.jsonl", "-o", "mine", "--json").stdout)
    planned = olivepress_here("plan", "tiny-phi", "--data", told["directory"], "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["dataset"] == {"name": "mine", "version": told["version"]}


def test_export_of_tool_calls_names_the_row_and_leaves_nothing(project: Path, olivepress: Cli) -> None:
    call = {"type": "function", "function": {"name": "light", "arguments": "{}"}}
    turns = [({"role": "user", "content": r["prompt"]}, {"role": "assistant", "content": ""}) for r in clean_rows(40)]
    path = write_jsonl(project / "a.jsonl", [{"messages": [q, {**a, "tool_calls": [call]}]} for q, a in turns])
    olivepress("data", "prepare", path.name, "-o", "calls")
    done = olivepress("data", "export", "calls", "--to", "prompt-completion", "-o", "new/out")
    assert done.returncode == 4 and done.stderr.count("\n") == 1
    assert "a.jsonl:" in done.stderr and "has tool calls" in done.stderr and "--to messages" in done.stderr
    assert not (project / "new").exists()


def test_write_errors_name_the_path_and_the_cause(rows: Path, project: Path, olivepress: Cli) -> None:
    (project / "datasets").write_text("")
    done = olivepress("data", "prepare", "rows.jsonl", "-o", "mine", "--quiet")
    assert (done.returncode, done.stderr.count("\n")) == (7, 1)
    assert "datasets: is a file, expected a directory; next: move it away" in done.stderr
    (project / "datasets").unlink()
    olivepress("data", "prepare", "rows.jsonl", "-o", "mine")
    done = olivepress("data", "export", "mine", "-o", "rows.jsonl/out")
    assert done.returncode == 7 and "rows.jsonl: is a file, expected a directory" in done.stderr


def test_show_says_what_prepare_said(project: Path, olivepress: Cli) -> None:
    texts = ["Wo ist der Bahnhof, bitte?", "Where is the station, please?", "Gdzie jest dworzec kolejowy?"]
    rows = [{"prompt": f"{texts[n % 6 % 3 if n % 2 else 0]} {r['prompt']}", "completion": "Da."}
            for n, r in enumerate(clean_rows(60))]  # fmt: skip
    write_jsonl(project / "a b.jsonl", rows)
    made = olivepress("data", "prepare", "a b.jsonl", "-o", "two words")
    shown = olivepress("data", "show", "two-words").stdout
    [told] = [line for line in made.stdout.splitlines() if line.startswith("languages:")]
    assert told in shown.splitlines() and "'two words' became 'two-words'" in made.stdout
    assert "source: unknown" in shown and "licence: unknown" in shown
    assert "next: olivepress data prepare 'a b.jsonl' -o NAME" in olivepress("data", "check", "a b.jsonl").stdout


def test_an_interrupted_check_kept_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from olivepress.cli import main as cli

    monkeypatch.setattr("sys.argv", ["olivepress", "data", "check", "a.csv"])
    monkeypatch.setattr(cli, "app", lambda **_: cli._INTERRUPTED)
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == "olivepress: interrupted; nothing was kept\n"
