"""A model by Hub id, pinned to a commit, from fine-tune to report; the Hub cache is laid out by hand, no network."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.artifact import read_manifest
from tests.end_to_end.families import make_small_model, write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]
HUB_ID = "Qwen/Qwen2.5-0.5B-Instruct"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_hub_id_and_revision(project: Path, olivepress: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = project / "hub"
    entry = cache / f"models--{HUB_ID.replace('/', '--')}"
    make_small_model("qwen2-tied", entry / "snapshots" / COMMIT)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write_recipe(project / "recipes" / "hub.yaml", HUB_ID, targets=["cpu-int4"])
    recipe = project / "recipes" / "hub.yaml"
    recipe.write_text(recipe.read_text().replace(f"path: {HUB_ID}", f"path: {HUB_ID}\n  revision: {COMMIT}"))
    for verb in ("run", "bench", "report"):
        done = olivepress(verb, "hub")
        assert done.returncode == 0, (verb, done.stderr)
    assert "base → merge" in done.stdout
    manifest = read_manifest(project / "runs" / "hub" / "merge", verify=True)
    assert (manifest.base_model, manifest.base_model_revision) == (HUB_ID, COMMIT)


def test_a_hub_id_that_is_not_here_says_so(project: Path, olivepress: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(project / "empty"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = olivepress("run", "qwen", "--job", "finetune")
    assert done.returncode == 6
    assert "Traceback" not in done.stderr and "finetune.log" in done.stderr
