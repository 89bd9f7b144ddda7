"""What Olive is given for a Hub model: a folder with the files that were checked, and nothing to ask the Hub for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from olivepress.pipeline.plan import load_plan
from olivepress.run import hub_files
from olivepress.run.hub_files import text_for_olive
from olivepress.workflow.render import render_all


def test_olive_reads_links_to_the_files_of_the_commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = project / "cache" / "commit"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    plan = load_plan("qwen")
    plan = dataclasses.replace(plan, model=dataclasses.replace(plan.model, revision="0123abc"))
    asked: list[tuple[str, str | None]] = []

    def local_directory(model_id: str, revision: str | None) -> Path:
        asked.append((model_id, revision))
        return snapshot

    monkeypatch.setattr(hub_files, "local_directory", local_directory)
    finetune, merge, export = render_all(plan)[:3]
    scratch = Path("runs", "qwen", ".work")
    folder = "runs/qwen/.work/base-model"
    for workflow in (finetune, merge):
        text = text_for_olive(plan, workflow, scratch)
        assert "Qwen/" not in text and "0123abc" not in text
        assert "0123abc" in workflow.text and workflow.config["input_model"]["model_path"] == plan.model.path
        config = yaml.safe_load(text)
        assert config["input_model"]["model_path"] == folder
        assert config["passes"] == workflow.config["passes"] and config["output_dir"] == workflow.config["output_dir"]
    assert (Path(folder) / "config.json").read_text() == "{}"
    assert set(asked) == {(plan.model.path, "0123abc")}
    # An export reads the merged model, and its parent's files alone.
    assert text_for_olive(plan, export, scratch) == export.text
    local = load_plan("tiny-phi")
    workflow = render_all(local)[0]
    assert text_for_olive(local, workflow, scratch) == workflow.text
