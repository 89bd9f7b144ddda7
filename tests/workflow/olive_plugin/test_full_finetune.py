"""What our passes set for the time of a training, and put back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("olive.workflows")

import torch

from olivepress.workflow.olive_plugin.passes import full_finetune, trainer
from olivepress.workflow.olive_plugin.passes.full_finetune import FullFinetune


class Arguments(SimpleNamespace):
    def create_training_args(self) -> None:
        return None


def config(**changes: Any) -> Any:
    arguments = Arguments(eval_strategy=None, output_dir="none", resume_from_checkpoint="c", extra_args={})
    values = {"training_args": arguments, "torch_dtype": "float32", "loss": None, "weighted": False, "processes": 1}
    values["freeze_layers"] = 0
    return SimpleNamespace(**values | changes)


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_of_the_training_alone(monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    """As in Olive's own passes; after a training that fails too."""
    seen = list[bool]()

    class Trainer(SimpleNamespace):
        def train(self, **_: Any) -> None:
            seen.append(torch.backends.cuda.matmul.allow_tf32)
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "OwnTrainer", Trainer)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = torch.backends.cuda.matmul.allow_tf32
    kind = SimpleNamespace(
        get_datasets=lambda config: ([], None), get_torch_dtype=lambda name: torch.float32, collate_batch=None
    )
    model = SimpleNamespace(config=SimpleNamespace(vocab_size=3))
    monkeypatch.setattr(trainer, "partial", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(kind, model, None, config(allow_tf32=allowed))
    assert seen == [allowed] and torch.backends.cuda.matmul.allow_tf32 is before


def test_the_model_is_saved_with_its_cache_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer of transformers 5 turns it off."""
    saved, model = list[bool](), SimpleNamespace(config=SimpleNamespace(use_cache=True))
    model.save_pretrained = lambda path: saved.append(model.config.use_cache)

    def train(kind: Any, trained: Any, *_: Any) -> None:
        trained.config.use_cache = False

    monkeypatch.setattr(full_finetune, "train", train)
    monkeypatch.setattr(full_finetune, "inherit_hf_from_hf", lambda *_, **__: None)
    base: Any = SimpleNamespace(
        get_hf_model_config=lambda: SimpleNamespace(vocab_size=3),
        get_hf_tokenizer=lambda: None,
        save_metadata=lambda path: None,
    )
    itself: Any = SimpleNamespace(check_dependencies=lambda config: None, _load=lambda base: model)
    FullFinetune._run_for_config(itself, base, config(), "out")
    assert saved == [True]
