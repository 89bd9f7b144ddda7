"""A model by Hub id. Olive asks the Hub itself, so the chain needs a network; what is ours is tested on a cache laid
out by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.families import make_small_model

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
