"""Task files of the harness from elsewhere are data, until somebody says otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from olivepress.core.errors import UsageError
from olivepress.measure.quality.lm_eval_tasks import _sandbox_templates
from olivepress.measure.quality.task_files import code_in_tasks
from olivepress.measure.settings import Settings, _check_task_files

TASK = "task: mine\ndataset_path: json\noutput_type: multiple_choice\n"


def tasks(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "process_docs: !function evil.run",
        "custom_dataset: !function evil.run",
        "metric_list: [{metric: acc, aggregation: !function evil.run}]",
        "a: [[{b: !function evil.run}]]",
        "!function evil.run: x",
        "class: evil.Task",
        "metric_list: [{metric: ./evil}]",
        "metric_list: [{metric: evil}]",
        "metric_list: [{metric: acc, hf_evaluate: true}]",
        "dataset_path: ./evil.py",
        "dataset_path: ../data",
        "dataset_path: pandas",
        "dataset_path: sql",
        "dataset_kwargs: {trust_remote_code: true}",
        "unsafe_code: true",
        "a: !!python/object/apply:os.system [true]",
    ],
)
def test_what_runs_code_is_refused(tmp_path: Path, line: str) -> None:
    key = line.split(":")[0]
    base = "".join(f"{each}\n" for each in TASK.splitlines() if not each.startswith(f"{key}:"))
    folder = tasks(tmp_path, sub__mine_yaml=base + line + "\n")
    settings = Settings(lm_eval=("mine",), lm_eval_tasks=folder)
    with pytest.raises(UsageError, match=r"mine\.yaml.*refused, task files that run code .*; next: .*--trust-tasks"):
        _check_task_files(settings)
    _check_task_files(Settings(lm_eval=("mine",), lm_eval_tasks=folder, trust_tasks=True))


def test_includes_are_followed(tmp_path: Path) -> None:
    folder = tasks(tmp_path / "tasks", mine_yaml="include: base\ntask: mine\n", base="process_docs: !function e.f\n")
    assert "base:1: !function e.f" in next(code_in_tasks(folder))
    outside = tasks(tmp_path / "more", mine_yaml="include: ../tasks/base\ntask: mine\n")
    assert "lies outside" in next(code_in_tasks(outside))
    circle = tasks(tmp_path / "circle", a_yaml="include: b.yaml\n", b_yaml="include: a.yaml\n")
    assert list(code_in_tasks(circle)) == []


def test_plain_tasks_are_fine(tmp_path: Path) -> None:
    text = TASK + (
        "dataset_kwargs: {data_files: {test: x.jsonl}}\ndoc_to_text: '{{question}}'\n"
        "metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]\nmetadata: {version: 1.0}\n"
    )
    hub = text.replace("dataset_path: json", "dataset_path: allenai/ai2_arc").replace("mine", "other")
    assert list(code_in_tasks(tasks(tmp_path, mine_yaml=text, other_yaml=hub))) == []


def test_a_data_set_that_is_a_folder_here_is_none_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tasks(tmp_path / "tasks", mine_yaml=TASK.replace("json", "glue"))
    assert list(code_in_tasks(folder)) == []
    (tmp_path / "glue").mkdir()
    assert "dataset_path glue" in next(code_in_tasks(folder))


def test_bombs_and_pipes_among_task_files(tmp_path: Path) -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert list(code_in_tasks(tasks(tmp_path / "aliases", bomb_yaml=f"a0: &a0 [x]\n{levels}"))) == []
    assert "cannot be read" in next(code_in_tasks(tasks(tmp_path / "deep", deep_yaml="[" * 100_000)))
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes" / "p.yaml")
    assert "not a regular file" in next(code_in_tasks(tmp_path / "pipes"))


def test_trust_without_tasks_is_refused() -> None:
    with pytest.raises(UsageError, match="--trust-tasks without --lm-eval-tasks"):
        _check_task_files(Settings(trust_tasks=True))


def test_templates_of_tasks_are_rendered_in_a_sandbox() -> None:
    utils = pytest.importorskip("lm_eval.utils")
    from jinja2.exceptions import SecurityError

    _sandbox_templates(utils)
    assert utils.apply_template("{{ a | regex_replace('x', 'y') }}", {"a": "x"}) == "y"
    for attack in ("{{ cycler.__init__.__globals__.os.getpid() }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}"):
        with pytest.raises(SecurityError):
            utils.apply_template(attack, {})
