"""The command line: fast, one line per error, an exit code that is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from olivepress import __version__
from olivepress.core.messages import next_command
from olivepress.recipe.schema import recipe_files
from tests.conftest import ROOT

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_help_imports_nothing_heavy(project: Path) -> None:
    code = (
        "import sys; from olivepress.cli.main import main; sys.argv = ['olivepress', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch','transformers','olive','onnxruntime_genai','onnxruntime','peft','datasets','numpy',"
        "'pydantic','mlflow','distributed'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "rehearse" in done.stdout
    assert done.stderr.strip() == "[]"


def test_plan_and_recipes_as_json(project: Path, olivepress_here: Cli) -> None:
    plan = json.loads(olivepress_here("plan", "phi", "--json").stdout)
    ids = [job["id"] for job in plan["jobs"]]
    assert ids[:2] == ["finetune", "merge"] and {"export-cpu-int4", "export-qnn-npu-w4a16"} <= set(ids[2:])
    assert plan["total"]["memory_bytes"] == max(job["memory_bytes"] for job in plan["jobs"]) > 1e10
    assert plan["total"]["seconds"] == pytest.approx(sum(job["seconds"] for job in plan["jobs"]), abs=len(ids))
    assert set(json.loads(olivepress_here("recipes", "--json").stdout)["recipes"]) >= {
        "phi",
        "llama",
        "qwen",
        "tiny-phi",
    }


@pytest.mark.parametrize("model", ["phi", "llama", "qwen"])
def test_render_writes_and_lints_offline(project: Path, olivepress_here: Cli, model: str) -> None:
    done = olivepress_here("render", model)
    assert done.returncode == 0, done.stderr
    assert "linted against the installed Olive" in done.stdout and f"next: olivepress run {model}" in done.stdout
    written = sorted(path.name for path in (project / "olive_configs" / model).iterdir())
    golden = {path.name for path in (ROOT / "olive_configs" / model).glob("*.*")}
    assert set(written) == golden and len(golden) > 30
    assert olivepress_here("render", model, "--check").returncode == 0
    (project / "olive_configs" / model / "merge.yaml").write_text("edited: by hand\n")
    stale = olivepress_here("render", model, "--check")
    assert stale.returncode == 5 and "merge.yaml is out of date; render the recipe again" in stale.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("plan", "nonsense"), 2, "unknown model 'nonsense'"),
        (("plan", "recipes/none.yaml"), 3, "no such file"),
        (("plan", "phi", "--data", "none.csv"), 4, "no such file or directory"),
        (("bench", "tiny-phi"), 8, "no artifact to measure; next: olivepress run tiny-phi"),
        (("report", "tiny-phi"), 8, "no device report of its artifacts; next: olivepress bench tiny-phi"),
        (("run", "tiny-phi", "--job", "nothing"), 2, "no job 'nothing' in recipe tiny-phi; jobs: finetune"),
        (("fly",), 2, "fly"),
        (("plann", "phi"), 2, "Did you mean 'plan'?; next: olivepress --help"),
        (("plan",), 2, "MODEL"),
        (("plan", "phi", "--datum", "x"), 2, "; next: olivepress plan --help"),
        (("data", "chek"), 2, "; next: olivepress data --help"),
    ],
)
def test_errors_are_one_line_with_their_code(
    project: Path, olivepress: Cli, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = olivepress(*arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "runs").exists() and not (project / "datasets").exists()


@pytest.mark.parametrize("name", ["my tickets.csv", "donn\u00e9es.csv"])
def test_odd_file_names_become_plain_names(project: Path, olivepress_here: Cli, name: str) -> None:
    rows = ["text,category", *(f"message {n},c{n % 2}" for n in range(40))]
    (project / name).write_text("\n".join(rows) + "\n")
    done = olivepress_here("plan", "phi", "--data", name, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recipe"].isascii() and " " not in json.loads(done.stdout)["recipe"]


def test_lint_of_a_hand_edited_file(project: Path, olivepress_here: Cli) -> None:
    assert olivepress_here("render", "tiny-phi").returncode == 0
    path = project / "olive_configs" / "tiny-phi" / "finetune.yaml"
    assert olivepress_here("lint", str(path)).returncode == 0
    path.write_text(path.read_text().replace("lora_dropout", "lora_droput"))
    done = olivepress_here("lint", str(path))
    assert done.returncode == 5 and "did you mean 'lora_dropout'" in done.stderr
    path.write_text("a: 1\n")
    assert "key 'input_model' is missing" in olivepress_here("lint", str(path)).stderr


def test_version_and_a_call_without_arguments(olivepress: Cli) -> None:
    done = olivepress("--version")
    assert done.returncode == 0 and done.stdout == f"{__version__}\n"
    for arguments in ((), ("data",), ("env",), ("adapters",), ("search",)):
        done = olivepress(*arguments)
        assert done.returncode == 0 and done.stdout.startswith("Usage:") and done.stderr == ""


@pytest.mark.parametrize("group", ["", "data", "env", "adapters", "search"])
def test_help_of_commands_is_not_cut(olivepress: Cli, group: str) -> None:
    done = olivepress(*group.split(), "--help")
    listed = done.stdout.partition("Commands:")[2].splitlines()
    assert len(listed) > 1 and not [line for line in listed if line.endswith("...")]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_output_of_another_encoding(tmp_path: Path, olivepress: Cli, encoding: str) -> None:
    (tmp_path / "r.yaml").write_text("name: x\ndescription: a → b\n")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = olivepress("plan", str(tmp_path / "sürich → 漢.yaml"), env=environment, encoding=encoding)
    assert done.returncode == 3 and "Traceback" not in done.stderr and "-> ?.yaml" in done.stderr


def test_a_name_that_is_no_utf8(olivepress: Cli) -> None:
    done = olivepress("plan", "tiny-phi", "--data", "caf\udce9.csv")
    assert done.returncode == 2 and r"caf\udce9.csv: the name is no UTF-8; next: rename it" in done.stderr


def test_everything_that_ships_is_known_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, olivepress: Cli
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(
        "text,category\n" + "".join(f"question number {n} about the card,card{n % 3}\n" for n in range(60))
    )
    for model in ("qwen", "Qwen/Qwen2.5-0.5B-Instruct", "phi"):
        assert olivepress("plan", model, "--data", "t.csv").returncode == 0
    assert olivepress("plan", "tiny-phi").returncode == 0
    (tmp_path / "recipes").mkdir()
    own = (ROOT / "recipes" / "tiny-phi.yaml").read_text().replace("max_steps: 250", "max_steps: 3")
    (tmp_path / "recipes" / "tiny-phi.yaml").write_text(own)
    assert recipe_files()["tiny-phi"] == Path("recipes", "tiny-phi.yaml") and "phi" in recipe_files()
    (tmp_path / "recipes" / "lamps.yaml").write_text(own.replace("name: tiny-phi", "name: lamps"))
    listed = olivepress("recipes").stdout.splitlines()
    assert "recipe tiny-phi: recipes/tiny-phi.yaml, instead of the one that ships with olivepress" in listed
    assert {"recipe phi: ships with olivepress", "recipe lamps: recipes/lamps.yaml"} <= set(listed)


def test_a_recipe_of_the_folder_above_is_named_there(project: Path, olivepress_here: Cli) -> None:
    own = (project / "recipes" / "tiny-phi.yaml").read_text().replace("name: tiny-phi", "name: lamps")
    (project / "recipes" / "lamps.yaml").write_text(own)
    assert olivepress_here("plan", "lamps").returncode == 0
    (project / "a" / "b").mkdir(parents=True)
    with chdir(project / "a" / "b"):
        done = olivepress_here("plan", "lamps")
        assert olivepress_here("plan", "tiny-phi").returncode == 0
    assert done.returncode == 2
    assert "lamps is a recipe of ../.., expected to be named in that folder; next: cd ../.." in done.stderr


def test_next_commands_are_those_that_work_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert next_command("run", "my model", "a.csv") == "olivepress run 'my model' --data a.csv"
    assert next_command("render") == "olivepress render MODEL"
    (tmp_path / "Makefile").write_text("all:\n")
    assert next_command("bench", "phi") == "olivepress bench phi"
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    assert next_command("run", "my model", "a.csv") == "make run MODEL='my model' DATA=a.csv"
    assert next_command("render", "phi") == "make recipe MODEL=phi" and next_command("tune", "x") == "olivepress tune x"


def test_recipes_are_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", str(tmp_path / "build")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = (tmp_path / "build").rglob("olivepress/recipes")
    assert {path.name for path in built.iterdir()} == {path.name for path in (ROOT / "recipes").glob("*.yaml")}


def test_debug_shows_the_traceback(project: Path, olivepress: Cli) -> None:
    for arguments in (("--debug", "plan", "nonsense"), ("plan", "nonsense", "--debug")):
        done = olivepress(*arguments)
        assert done.returncode != 0 and "Traceback" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_is_gone_is_no_error(project: Path, unbuffered: str) -> None:
    """``olivepress recipes | head -0``: every write, or the last flush, finds nobody."""
    command = [sys.executable, "-c", "from olivepress.cli.main import main; main()", "recipes"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    assert (process.wait(), errors) == (0, "")
