"""Made again: identical, within the noise of seeds, or different with the likeliest reason first."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.adapters.start_adapter import start_adapter
from olivepress.core.errors import JobError, UsageError
from olivepress.pipeline import reproduce as module
from olivepress.pipeline.reproduce import reproduce
from olivepress.recipe.schema import load_recipe
from olivepress.track.facts import flat_keys
from olivepress.track.record import Ended, Facts, Point, Points
from olivepress.track.runs import find_run
from olivepress.track.writer import begin_run

VERSIONS = {"torch": "2.13.0"}


def record(
    *, loss: float = 1.0, weights: str = "w", settings: dict[str, Any] | None = None, rate: float = 9.5, **facts: Any
) -> None:
    """A finished fine-tune of tiny-phi, its curves as the training process and its follower make them."""
    settings = settings or load_recipe(Path("recipes/tiny-phi.yaml")).model_dump(mode="json")
    given = {"dataset": "lamps", "dataset_version": "1" * 64, "versions": VERSIONS} | facts
    writer = begin_run(
        "tiny-phi", "finetune", kind="finetune", store=None, warn=print, key="k", settings=settings,
        params=flat_keys(settings), facts=Facts.model_validate(given),
    )  # fmt: skip
    assert writer is not None
    values = {"loss": loss, "tokens_per_s": rate, "peak_memory_bytes": 1e9 + rate}
    writer.append(Points(points=(Point(step=1, at=1, values=values),)))
    files = {"adapter/adapter_model.safetensors": weights, "training.jsonl": str(writer.started.at)}
    writer.append(Ended(at=writer.now(), status="finished", sha256="a" * 64, files=files))


@pytest.fixture
def made_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """In place of the command that takes minutes, a record of what it would have made."""

    def put(**changes: Any) -> list[str]:
        jobs = list[str]()

        def run_job(place: Path, recipe: str, job: str) -> None:
            assert (place / recipe).is_file() and (place / "datasets").resolve() == (project / "datasets").resolve()
            jobs.append(job)
            os.chdir(place)
            try:
                record(settings=load_recipe(Path(recipe)).model_dump(mode="json"), **changes)
            finally:
                os.chdir(project)

        monkeypatch.setattr(module, "_run_job", run_job)
        return jobs

    return put


def test_identical(made_again: Callable[..., list[str]]) -> None:
    """How fast it was and what memory it took is the machine's of that moment, and nothing of the result."""
    record(rate=9.5)
    jobs = made_again(rate=11.0)
    result = reproduce(find_run("tiny-phi"))
    assert (result.verdict, result.same, result.different, result.suspects) == ("identical", 1, (), ())
    assert jobs == ["finetune"] and not result.folder.exists()


@pytest.mark.parametrize(
    ("job", "parent", "expected"),
    [
        ("finetune", None, ["finetune"]),
        ("merge", "finetune", ["finetune", "merge"]),
        ("export-cpu-int4", "merge", ["finetune", "merge", "export-cpu-int4"]),
        ("export-cpu-int4", "finetune", ["finetune", "export-cpu-int4"]),
    ],
)
def test_what_it_is_made_from_comes_first(project: Path, job: str, parent: str | None, expected: list[str]) -> None:
    kind = job.partition("-")[0]
    begin_run("tiny-phi", job, kind=kind, store=None, warn=print, facts=Facts(parent=parent))
    assert module._jobs(find_run(f"tiny-phi/{job}")) == expected


def rows(version: str, answer: str) -> None:
    folder = Path("datasets", f"lamps-{version[:12]}")
    folder.mkdir(parents=True)
    row = {"id": answer, "messages": [{"content": "Dim it"}, {"content": answer}]}
    for split in ("train", "validation", "test"):
        (folder / f"{split}.jsonl").write_text(json.dumps(row) + "\n" if split == "train" else "")


def test_a_package_a_row_and_a_seed_are_named_in_this_order(made_again: Callable[..., list[str]]) -> None:
    rows("1" * 64, "dim")
    rows("2" * 64, "dark")
    record()
    made_again(weights="x", loss=2.0, versions={"torch": "2.14.0"}, dataset_version="2" * 64)
    recipe = Path("other.yaml")
    recipe.write_text(Path("recipes/tiny-phi.yaml").read_text().replace("finetune:", "finetune:\n  seed: 7", 1))
    result = reproduce(find_run("tiny-phi"), recipe=recipe)
    assert result.verdict == "different" and result.folder.is_dir()
    named = [(change.kind, change.name, change.a, change.b) for change in result.suspects]
    assert named == [
        ("package", "torch", "2.13.0", "2.14.0"),
        ("data", "dataset", "lamps 111111111111", "lamps 222222222222"),
        ("seed", "finetune.seed", "0", "7"),
    ]
    assert result.suspects[1].detail == 'train: 1 row changed ("Dim it")'
    assert [change.name for change in result.since] == ["finetune.seed"]


def test_a_loss_of_ones_own_that_was_changed_since(made_again: Callable[..., list[str]]) -> None:
    """Its path is the same: only the hash of its content shows why the result is another one."""
    record(loss_sha256="1" * 64)
    made_again(weights="x", loss_sha256="2" * 64)
    result = reproduce(find_run("tiny-phi"))
    named = [(change.kind, change.name, change.a, change.b) for change in result.suspects]
    assert result.verdict == "different" and named == [("code", "finetune.loss.module", "1" * 12, "2" * 12)]


def test_within_the_noise_of_three_seeds(made_again: Callable[..., list[str]]) -> None:
    for seed, loss in ((0, 1.0), (1, 1.2), (2, 0.9)):
        settings = load_recipe(Path("recipes/tiny-phi.yaml")).model_dump(mode="json")
        record(settings=settings | {"finetune": settings["finetune"] | {"seed": seed}}, loss=loss, weights=str(seed))
    for number, fact in enumerate(("base_revision", "loss_sha256"), 3):  # seeds of something else
        settings["finetune"] |= {"seed": number}
        record(settings=settings, loss=9.0, weights=fact, **{fact: "another"})
    made_again(weights="x", loss=1.1)
    result = reproduce(find_run("tiny-phi/finetune.1"))
    assert result.verdict == "within the noise" and result.noise is not None
    assert (result.noise.seeds, result.noise.lowest, result.noise.highest) == (3, 0.9, 1.2)
    made_again(weights="x", loss=1.3)
    assert reproduce(find_run("tiny-phi/finetune.1")).verdict == "different"


def test_what_cannot_be_made_again(project: Path, olivepress_here: Callable[..., Any]) -> None:
    writer = begin_run("tiny-phi", "finetune", kind="finetune", store=None, warn=print)
    assert writer is not None
    with pytest.raises(UsageError, match="has no artifact"):
        reproduce(find_run("tiny-phi"))
    done: subprocess.CompletedProcess[str] = olivepress_here("reproduce", "nothing")
    assert done.returncode == 2 and "no run 'nothing'" in done.stderr


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"job": "/../../../victim"}, "is not the record of a run"),
        ({"recipe": "../../victim/a"}, "is not the record of a run"),
        ({"settings": {"name": "../../../../victim/b"}}, "its recorded recipe has another name"),
    ],
)
def test_a_record_from_elsewhere_leads_to_no_folder_outside(
    made_again: Callable[..., list[str]], project: Path, names: dict[str, Any], says: str
) -> None:
    record()
    path = find_run("tiny-phi").path
    first, *rest = path.read_text().splitlines()
    (project / "foreign.jsonl").write_text("\n".join([json.dumps({**json.loads(first), **names}), *rest]) + "\n")
    (project / "victim" / "project").mkdir(parents=True)
    jobs = made_again()
    with pytest.raises(UsageError, match=says):
        reproduce(find_run("foreign.jsonl"))
    assert not jobs and [each.name for each in (project / "victim").iterdir()] == ["project"]


def test_a_command_that_fails_says_why(project: Path) -> None:
    settings = load_recipe(Path("recipes/tiny-phi.yaml")).model_dump(mode="json")
    record(settings=settings | {"data": {"source": "gone.csv"}})
    with pytest.raises(JobError, match=r"finetune could not be made again: .*gone\.csv"):
        reproduce(find_run("tiny-phi"))


def test_the_exit_code_is_that_of_a_failed_job(
    made_again: Callable[..., list[str]], olivepress_here: Callable[..., Any]
) -> None:
    record()
    made_again(weights="x", versions={"torch": "2.14.0"})
    done: subprocess.CompletedProcess[str] = olivepress_here("reproduce", "tiny-phi")
    assert done.returncode == 6 and "package: torch 2.13.0 → 2.14.0" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert json.loads(olivepress_here("reproduce", "tiny-phi", "--json").stdout)["verdict"] == "different"


@pytest.mark.slow
def test_two_runs_of_one_recipe_give_the_same_adapter(project: Path, olivepress: Callable[..., Any]) -> None:
    """In processes of their own, as a person types it, of the embedded model."""
    Path("lamp.yaml").write_text(
        "name: lamp\nmodel: {path: 'embedded:tiny-phi'}\ndata: {demo: device-command, max_train_rows: 100}\n"
        "finetune: {max_steps: 12, batch_size: 4, torch_dtype: float32}\ntargets: [cpu-int4]\n"
    )
    made: subprocess.CompletedProcess[str] = olivepress("run", "lamp.yaml", "--job", "finetune")
    assert made.returncode == 0, made.stderr
    done: subprocess.CompletedProcess[str] = olivepress("reproduce", "lamp", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["verdict"], result["different"]) == ("identical", []) and result["same"] >= 2


def test_paths_of_the_recipe_lead_to_the_same_files(project: Path) -> None:
    outside = project.parent / "rows"
    outside.mkdir()
    (outside / "a.csv").write_text("x")
    Path("losses").mkdir()
    Path("losses/own.py").write_text("y")
    Path("losses/more").mkdir()
    Path("losses/more/b.csv").write_text("z")
    data = {"source": "../rows/a.csv", "instruction": "Answer. " * 60}
    settings = {"name": "own", "data": data, "finetune": {"own_loss": {"module": "losses/own.py:loss"}}}
    again = Path("again", *["above"] * module._levels_above(settings), "project")
    assert (again / module._prepare(again, settings)).is_file()
    assert again == Path("again/above/project") and (again / "../rows/a.csv").read_text() == "x"
    assert (again / "losses/own.py").resolve().is_relative_to(again.resolve()), "a file behind a link is refused"
    assert (again / "losses/more/b.csv").read_text() == "z", "what lies beside it is linked"


@pytest.mark.parametrize("start", ["first", "runs/first/finetune"])
def test_the_adapter_that_was_trained_further_is_there_again(
    project: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    adapter = Path("runs/first/finetune/adapter")
    adapter.mkdir(parents=True)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (adapter / name).write_text("{}")
    module._prepare(Path("again/project"), {"name": "second", "finetune": {"method": "dpo", "start_from": start}})
    expected = start_adapter(start)
    monkeypatch.chdir("again/project")
    assert start_adapter(start) == expected


def test_a_typing_error_in_the_present_recipe_costs_no_result(made_again: Callable[..., list[str]]) -> None:
    record()
    made_again()
    Path("recipes/tiny-phi.yaml").write_text("name: [")
    result = reproduce(find_run("tiny-phi"))
    assert (result.verdict, result.since) == ("identical", ())


def test_code_of_ones_own_runs_where_it_is_trusted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record()
    given = list[tuple[str, ...]]()
    monkeypatch.setattr(module, "_run_job", lambda place, recipe, job, *options: given.append(options))
    for trusted in (True, False):
        with pytest.raises(JobError, match="has no record"):
            reproduce(find_run("tiny-phi"), trust_targets=trusted)
    assert given == [("--trust-targets",), ()]
