"""A model by Hub id: fetched from a stand-in for the Hub, or in a cache laid out by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.core.layout import job_dir
from tests.end_to_end.families import make_small_model, write_recipe
from tests.models.stand_in_hub import Repository, StandInHub, commit

Cli = Callable[..., subprocess.CompletedProcess[str]]
HUB_ID = "Qwen/Qwen2.5-0.5B-Instruct"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CODE = """
import json, sys
from pathlib import Path
from olivepress.core.errors import JobError
from olivepress.core.hub import local_directory
from olivepress.data.store.examples import Example
from olivepress.workflow.olive_plugin.supervision import supervise
hub_id, commit = sys.argv[1:]
row = Example(id="a", messages=({"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}), label=None)
found = supervise([row], hub_id, max_length=200, revision=commit)
try:
    local_directory(hub_id)
    missing = ""
except JobError as error:
    missing = str(error)
print(json.dumps({"name": local_directory(hub_id, commit).name, "tokens": len(found[0].labels), "missing": missing}))
"""


def test_pinned_revision_in_the_cache(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot's name is the commit that manifests record; another revision is not taken for it."""
    cache = project / "hub"
    make_small_model("qwen2-tied", cache / f"models--{HUB_ID.replace('/', '--')}" / "snapshots" / COMMIT)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    command = [sys.executable, "-c", CODE, HUB_ID, COMMIT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["name"] == COMMIT and said["tokens"] > 2
    assert "not in the Hub cache of this machine; next:" in said["missing"]


def test_a_hub_that_cannot_be_reached_is_named(project: Path, olivepress: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(project / "empty"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = olivepress("run", "qwen", "--job", "finetune")
    assert done.returncode == 6
    assert "Traceback" not in done.stderr and "offline mode is enabled" in done.stderr


def served(folder: Path, seed: int) -> dict[str, bytes]:
    """The files of a small model that the catalog does not have; its tokenizer says which one it is."""
    make_small_model("qwen3-untied", folder, seed=seed)
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "seed": seed}))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("job", ["finetune", "export-cpu-fp32"])
def test_a_chain_on_a_commit_that_the_hub_has_moved_from(
    hub: StandInHub, project: Path, tmp_path: Path, olivepress: Cli, job: str
) -> None:
    """Olive's tokenizers and ModelBuilder would take what main names: nothing of the newer commit may be read."""
    from safetensors.numpy import load_file

    first, second = (served(tmp_path / f"seed-{seed}", seed) for seed in (0, 1))
    hub.repositories["someone/tiny-qwen3"] = repository = Repository.of(first)
    write_recipe(project / "recipes" / "mine.yaml", "someone/tiny-qwen3")
    assert olivepress("render", "mine").returncode == 0
    assert all(path.endswith(("/main", "/config.json")) for path in hub.paths())
    repository.commits[commit(2)] = second
    repository.branches["main"] = commit(2)
    hub.asked.clear()
    jobs = ["--job", job] if job == "finetune" else []
    done = olivepress("run", "mine", *jobs)
    assert done.returncode == 0, done.stderr
    assert hub.asked and not any(commit(2) in path or "main" in path for path in hub.paths())
    manifest = json.loads((job_dir("mine", job) / "manifest.json").read_text())
    assert (manifest["base_model"], manifest["base_model_revision"]) == ("someone/tiny-qwen3", commit(1))
    hub.asked.clear()
    assert "kept" in olivepress("run", "mine", *jobs).stdout
    if job != "finetune":
        merged = job_dir("mine", "merge") / "model"
        assert json.loads((merged / "tokenizer_config.json").read_text())["seed"] == 0
        name = "model.embed_tokens.weight"
        weights = load_file(merged / "model.safetensors")[name]
        assert (weights == load_file(tmp_path / "seed-0" / "model.safetensors")[name]).all()
