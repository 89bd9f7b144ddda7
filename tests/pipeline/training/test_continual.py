"""Going on from a run: what is refused, with nothing written; and (slow) what replay keeps."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from olivepress.core.errors import DataError
from olivepress.data.build import build_dataset
from olivepress.data.derive.mixing import continued
from olivepress.data.store.dataset import load_dataset, write_dataset
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.pipeline.training import continual
from olivepress.pipeline.training.continual import Wishes, check_test_rows, data_of, plan_of_run, preparation_of
from olivepress.recipe.schema import Data, Recipe, load_recipe
from olivepress.synthetic.embedded import generate
from olivepress.train.continual import Continuation, continued_recipe
from olivepress.workflow.render import render
from tests.end_to_end.families import write_recipe
from tests.pipeline.training.finished import NAME, a_run
from tests.train.test_diagnosis import CURVES

Cli = Callable[..., subprocess.CompletedProcess[str]]
STEPS = CURVES["healthy-60-steps"][:5]


def write_tones(path: Path, rows: int) -> None:
    lines = [json.dumps({"prompt": row.prompt, "completion": row.answer}) for row in generate("phrase-tone")["train"]]
    path.write_text("\n".join(lines[:rows]) + "\n")


def everything() -> list[Path]:
    return sorted(path for folder in ("runs", "recipes", "datasets") for path in Path(folder).rglob("*"))


def test_what_is_refused(project: Path, olivepress_here: Cli) -> None:
    """One line each, and nothing is written."""
    dataset = a_run(project, STEPS)
    write_tones(Path("new.jsonl"), 100)
    shutil.copy("recipes/tiny-llama.yaml", "recipes/taken.yaml")
    before = everything()
    cases = {
        ("--data", "none.jsonl"): (4, "none.jsonl"),
        ("--data", "new.jsonl", "--share", "1"): (4, "--share 1.0: expected a share from 0 to below 1"),
        ("--data", "new.jsonl", "--share", "0.9"): (4, "its part of the replay is 144 rows, it has 16"),
        ("--data", "new.jsonl", "--name", "a b"): (2, "--name 'a b': expected a name such as a-b"),
        ("--data", "new.jsonl", "--name", "taken"): (2, "another recipe has this name"),
        ("--data", "new.jsonl", "--epochs", "0"): (2, "--epochs"),
        # The finished run's workflow is none that this version renders: its adapter cannot be merged.
        ("--data", "new.jsonl"): (6, "small: its adapter is not merged, and its fine-tune is of another workflow"),
    }
    for arguments, (code, text) in cases.items():
        done = olivepress_here("train", "continue", NAME, *arguments, "--quiet")
        assert done.returncode == code, (arguments, done.stderr)
        assert text in done.stderr.replace("  ", " ") and done.stderr.count("\n") == 1 and "next: " in done.stderr
        assert everything() == before
    shutil.rmtree(dataset.directory)
    gone = olivepress_here("train", "continue", NAME, "--data", "new.jsonl", "--quiet")
    assert gone.returncode == 4 and "an earlier version of the data is not here any more" in gone.stderr
    shutil.rmtree("runs/small/finetune")
    without = olivepress_here("train", "continue", NAME, "--data", "new.jsonl", "--quiet")
    assert without.returncode == 6 and "its artifact is not here" in without.stderr


def test_the_recipe_is_checked_before_the_adapter_is_merged(
    project: Path, olivepress_here: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its model is not there yet: the checks are made with the base. Merging writes, and takes minutes."""
    a_run(project, STEPS)
    write_tones(Path("few.jsonl"), 13)
    monkeypatch.setattr(continual, "_is_to_merge", lambda *_: True)
    monkeypatch.setattr(continual, "run_jobs", lambda *_, **__: pytest.fail("merged before the last check"))
    before = everything()
    done = olivepress_here("train", "continue", NAME, "--data", "few.jsonl", "--quiet")
    assert done.returncode == 3 and "small-few: 1 validation row, expected at least 2 rows" in done.stderr
    assert everything() == before


def test_rows_that_an_earlier_version_tests_are_not_trained_on(project: Path) -> None:
    """They would be known by heart when the earlier test split is answered again."""
    earlier = build_dataset(Data(demo="device-command"))
    rows = [*generate("phrase-tone")["train"][:200], *generate("device-command")["test"][:30]]
    lines = [json.dumps({"prompt": row.prompt, "completion": row.answer}) for row in rows]
    Path("new.jsonl").write_text("\n".join(lines) + "\n")
    new = build_dataset(Data(source="new.jsonl"))
    tested = {row.prompt for row in earlier.splits["test"]}
    leaks = sum(row.prompt in tested for row in new.splits["train"])
    assert leaks > 10
    result = continued(new, [earlier], name="more", share=0.2)
    train = list(result.splits["train"])
    assert not any(row.prompt in tested for row in train)
    replayed = [row for row in train if row.answer.startswith("{")]
    assert len(replayed) == round((len(train) - len(replayed)) * 0.25)
    assert len(continued(new, [earlier], name="none", share=0.0).splits["train"]) == len(train) - len(replayed)
    write_dataset(result)
    lineage = [json.loads(line) for line in (result.directory / "lineage.jsonl").read_text().splitlines()]
    assert sum(str(line.get("made_by", "")).startswith("replayed from") for line in lineage) == len(replayed)


def test_new_rows_are_read_as_those_of_the_first_recipe() -> None:
    """The recipe of a continued training names prepared data: its instruction and columns are in the record alone."""
    model = {"path": "x/y"}
    data = {"source": "rows.csv", "instruction": "Name it.", "personal_data": "mask", "slices": ["train[:9]"]}
    first = Recipe.model_validate_json(json.dumps({"name": "a", "model": model, "targets": ["cpu"], "data": data}))
    second = continued_recipe(
        first, name="b", model=Path("m"), dataset=Path("datasets/b"), labels=(), learning_rate=None, epochs=1.0
    )
    fields = {"run": "a/finetune.1", "artifact_sha256": "0", "share": 0.2, "learning_rate": 1e-4, "epochs": 1}
    record = {**fields, "rows_trained": 1, "rows_replayed": 0, "versions": []}
    before = Continuation.model_validate_json(json.dumps({**record, "prepared_as": data}))
    for recipe, known in ((first, None), (second, before)):
        read = data_of(preparation_of(recipe, known), "more.csv")
        assert (read.source, read.instruction, read.personal_data, read.slices) == ("more.csv", "Name it.", "mask", ())
    older = Continuation.model_validate_json(json.dumps(record))
    assert preparation_of(second, older) == second.data


def test_a_schema_that_all_versions_share_is_kept() -> None:
    earlier = build_dataset(Data(demo="device-command"))
    with_schema = replace(earlier, json_schema={"type": "object"})
    new = replace(build_dataset(Data(demo="phrase-tone")), json_schema={"type": "object"})
    assert continued(new, [with_schema], name="both", share=0.2).json_schema == {"type": "object"}
    assert continued(new, [earlier], name="one", share=0.2).json_schema is None


def test_a_version_without_test_rows_is_refused_before_the_training() -> None:
    whole = build_dataset(Data(demo="phrase-tone"))
    check_test_rows([whole])
    with pytest.raises(DataError, match=r"has no test row, expected at least 1"):
        check_test_rows([whole, replace(whole, splits={**whole.splits, "test": []})])


@pytest.mark.parametrize("settings", [{}, {"alpha": 32}, {"alpha": 16}])
def test_the_plan_of_a_recorded_run_is_that_of_its_recipe(project: Path, settings: dict[str, float]) -> None:
    """Else its finished fine-tune would not be known as finished, and could not be merged."""
    write_recipe(project / "recipes" / f"{NAME}.yaml", "embedded:tiny-phi", finetune=settings)
    plan = load_plan(NAME)
    prepare(plan)
    recorded = Recipe.model_validate_json(json.dumps(plan.recipe.model_dump(mode="json")))
    sha256 = render(plan, plan.job("finetune")).sha256
    again = plan_of_run(recorded, load_dataset(plan.dataset.directory), Wishes(), sha256)
    assert render(again, again.job("finetune")).sha256 == sha256


@pytest.mark.slow
@pytest.mark.timeout(6000)
def test_replay_forgets_less(project: Path, olivepress_here: Cli) -> None:
    """Another task is learned with and without replay: less is forgotten with it, and the interval says so."""
    finetune = {"max_steps": 70, "batch_size": 16, "r": 16, "learning_rate": 3.0e-3, "save_steps": 1000}
    data = {"demo": "device-command", "max_length": 256}
    write_recipe(
        project / "recipes" / f"{NAME}.yaml", "embedded:tiny-phi", data=data, finetune=finetune,
        benchmark={"workloads": [[16, 8]], "max_examples": 120},
    )  # fmt: skip
    done = olivepress_here("run", NAME, "--job", "finetune", "--quiet")
    assert done.returncode == 0, done.stderr
    write_tones(Path("tones.jsonl"), 400)
    results = {}
    for share in ("0", "0.2"):
        arguments = ["--share", share, "--name", f"share-{share.replace('.', '')}", "--learning-rate", "0.003"]
        done = olivepress_here(
            "train", "continue", NAME, "--data", "tones.jsonl", *arguments, "--epochs", "2", "--quiet", "--json"
        )
        assert done.returncode == 0, done.stderr
        results[share] = json.loads(done.stdout)
        old, new = results[share]["scores"]
        assert (old["rows"], old["is_new"], new["is_new"]) == (120, False, True)
        assert new["after"] >= new["before"]
        assert old["ci_low"] <= old["difference"] <= old["ci_high"]
    without, with_replay = (results[share]["scores"][0] for share in ("0", "0.2"))
    assert without["verdict"] == "forgotten"
    assert with_replay["difference"] > without["difference"] and with_replay["ci_low"] > without["ci_high"]
    assert results["0.2"]["rows_replayed"] == round(0.25 * results["0"]["rows_trained"])
    # It goes on from there, with the test rows of all versions.
    again = load_recipe(Path("recipes/share-02.yaml"))
    assert again.model.path == "runs/small/merge/model" and again.finetune.max_steps is None
    diagnosed = olivepress_here("diagnose", "share-02", "--json")
    assert diagnosed.returncode == 0 and json.loads(diagnosed.stdout)["run"] == "share-02/finetune.1"


def test_rows_that_another_earlier_version_tests_are_not_replayed(project: Path) -> None:
    """A row that the first version trained on and the second tests: its score would be of a row known by heart."""
    first = build_dataset(Data(demo="phrase-tone"))
    rows = [*generate("device-command")["train"][:200], *generate("phrase-tone")["train"][:200]]
    lines = [json.dumps({"prompt": row.prompt, "completion": row.answer}) for row in rows]
    Path("second.jsonl").write_text("\n".join(lines) + "\n")
    second = build_dataset(Data(source="second.jsonl"))
    new = build_dataset(Data(demo="device-command"))
    tested = {row.prompt for row in second.splits["test"]}
    assert sum(row.prompt in tested for row in first.splits["train"]) > 5
    train = continued(new, [first, second], name="more", share=0.1).splits["train"]
    assert not [row.prompt for row in train if row.prompt in tested]
