"""``olivepress init``: a recipe that can be read, planned and edited."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.catalog import choices
from olivepress.recipe.schema import load_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a table of texts and labels."""
    rows = [f"message {number} of the {['red', 'blue'][number % 2]} kind,{number % 2}" for number in range(200)]
    (tmp_path / "tickets.csv").write_text("\n".join(["text,category", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_recipe_is_read_and_planned(folder: Path, olivepress: Cli, olivepress_here: Cli) -> None:
    done = olivepress("init", "qwen", "--data", "tickets.csv", "--target", "cpu", "--target", "cuda-int4")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["recipes/tickets.yaml", "next: olivepress plan tickets"])
    text = (folder / "recipes" / "tickets.yaml").read_text()
    recipe = load_recipe(folder / "recipes" / "tickets.yaml")
    assert recipe.model.path == "Qwen/Qwen2.5-0.5B-Instruct" and recipe.targets == ("cpu", "cuda-int4")
    assert recipe.data is not None and recipe.data.source == "tickets.csv"
    assert recipe.finetune.gradient_accumulation_steps == 4 and "alpha: 32\n" in text  # those of the family
    assert all(f"  # - {device}\n" in text for device in choices() if device != "cpu")
    plan = olivepress_here("plan", "tickets", "--json")
    assert plan.returncode == 0, plan.stderr
    jobs = [job["id"] for job in json.loads(plan.stdout)["jobs"]]
    assert jobs[:3] == ["finetune", "merge", f"export-{choices()['cpu'][0]}"]


def test_without_data_it_names_what_to_fill_in(folder: Path, olivepress: Cli) -> None:
    done = olivepress("init", "pypi:smollm2-135m-instruct", "--json")
    assert json.loads(done.stdout) == {"recipe": "recipes/smollm2-135m-instruct.yaml"}
    assert "source: my-data.csv" in (folder / "recipes" / "smollm2-135m-instruct.yaml").read_text()
    plan = olivepress("plan", "smollm2-135m-instruct")
    assert plan.returncode != 0 and "my-data.csv" in plan.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["phi", "--data", "none.csv"], "none.csv: no such file or directory; next: name the data"),
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
