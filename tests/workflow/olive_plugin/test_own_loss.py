"""A loss of the user's own: run on a tiny batch before hours are spent, and what is wrong with it in one line."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import py_compile
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.own_loss import causal_loss, load_loss, own_loss

CROSS_ENTROPY = """\
import torch

def cross_entropy(logits, labels):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
"""
BAD = {
    "per_token": "return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction='none')",
    "nan": "return logits.sum() * float('nan')",
    "number": "return 1.0",
    "constant": "return torch.tensor(1.0)",
    "whole": "return torch.tensor(3)",
    "fails": "return logits[:, :, 10**6].sum()",
    "root": "return (logits - logits).abs().sqrt().sum()",
}


def written(folder: Path, text: str) -> Path:
    path = folder / "losses.py"
    path.write_text(text)
    return path


def settings(path: Path, function: str) -> dict[str, str]:
    return {"module": f"{path}:{function}", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_it_is_given_aligned_logits_and_labels(tmp_path: Path) -> None:
    """The mean of the tokens that are trained on, as the model of transformers computes it from its own labels."""
    loss = own_loss(settings(written(tmp_path, CROSS_ENTROPY), "cross_entropy"), 11)
    assert loss is not None
    logits, labels = torch.randn(2, 6, 11), torch.randint(0, 11, (2, 6))
    labels[0, :4] = -100
    by_hand = [-torch.log_softmax(logits[row, at - 1], -1)[labels[row, at]] for row, at in kept(labels)]
    assert causal_loss(loss, logits, labels).item() == pytest.approx(torch.stack(by_hand).mean().item(), rel=1e-5)
    assert own_loss(None, 11) is None


def kept(labels: object) -> list[tuple[int, int]]:
    return [(row, at) for row in range(2) for at in range(1, 6) if int(labels[row, at]) != -100]  # type: ignore[index]


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("per_token", r"returns a tensor of shape \[10\] on a tiny batch, expected the mean loss"),
        ("nan", "returns nan on a tiny batch"),
        ("number", "returns float on a tiny batch"),
        ("constant", "does not depend on the logits"),
        ("whole", "returns 3 on a tiny batch"),
        ("fails", "raises IndexError"),
        ("root", "has a gradient that is not finite"),
    ],
)
def test_a_loss_that_would_fail_after_hours(tmp_path: Path, function: str, says: str) -> None:
    text = "import torch\n" + "".join(f"def {name}(logits, labels):\n    {body}\n" for name, body in BAD.items())
    with pytest.raises(JobError, match=says):
        own_loss(settings(written(tmp_path, text), function), 17)


def test_a_file_that_is_not_the_one_that_was_allowed(tmp_path: Path) -> None:
    path = written(tmp_path, CROSS_ENTROPY)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(JobError, match="has no function focal"):
        load_loss(f"{path}:focal", sha256)
    path.write_text(CROSS_ENTROPY + "# changed\n")
    with pytest.raises(JobError, match="was changed since the workflow was rendered"):
        load_loss(f"{path}:cross_entropy", sha256)
    path.write_text("raise RuntimeError('no')\n")
    with pytest.raises(JobError, match="raises RuntimeError: no"):
        load_loss(f"{path}:cross_entropy", hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(JobError, match="No such file"):
        load_loss(f"{tmp_path / 'none.py'}:x", sha256)


def test_bytecode_beside_the_file_is_not_run(tmp_path: Path) -> None:
    """Of the same time and size as the file, so that an import would take it."""
    path, other = written(tmp_path, "def loss(logits, labels):\n    return 1\n"), tmp_path / "other.py"
    other.write_text(path.read_text().replace("1", "2"))
    os.utime(other, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    py_compile.compile(str(other), cfile=importlib.util.cache_from_source(str(path)), doraise=True)
    loss = load_loss(f"{path}:loss", hashlib.sha256(path.read_bytes()).hexdigest())
    assert loss(torch.zeros(1), torch.zeros(1)) == 1
