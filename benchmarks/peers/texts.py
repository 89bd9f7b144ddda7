"""The whole texts on which divergence from the parent is measured, as token ids of the trained model."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

from olivepress.core.errors import UsageError
from olivepress.synthetic.embedded.corpus import examples

__all__ = ["calibration_dataset", "corpus_texts", "file_texts", "token_ids"]

# The embedded model's tokenizer, training and held-out rows came from the seeds 0, 1 and 2 (scripts/make_tiny_phi.py).
SEED, CALIBRATION_SEED = 11, 12


def corpus_texts(count: int, seed: int = SEED) -> list[str]:
    """Exchanges of the synthetic corpus that the embedded model was trained on, others than those of its training."""
    found = []
    for one in islice(examples(seed), count):
        turns = [("system", one.system)] if one.system else []
        turns += [("user", one.prompt), ("assistant", one.answer)]
        found.append("".join(f"<|{role}|>{text}<|end|>" for role, text in turns))
    return found


def calibration_dataset(project: Path, count: int = 600) -> Path:
    """Exchanges of the corpus by a third seed, prepared as a dataset by olivepress itself; made once."""
    folder = project / "calibration"
    if not (found := list(folder.glob("datasets/*/dataset.json"))):
        folder.mkdir(parents=True, exist_ok=True)
        rows = [{"prompt": one.prompt, "completion": one.answer} for one in islice(examples(CALIBRATION_SEED), count)]
        (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
        command = [
            sys.executable,
            "-c",
            "from olivepress.cli.main import main; main()",
            "data",
            "prepare",
            "corpus.jsonl",
        ]
        subprocess.run([*command, "-o", "corpus", "--quiet"], cwd=folder, check=True)
        found = list(folder.glob("datasets/*/dataset.json"))
    return found[0].parent


def file_texts(path: Path, count: int) -> list[str]:
    """Texts of a file, an empty line between them. Raises UsageError: none there."""
    found = [text.strip() for text in path.read_text(encoding="utf-8").split("\n\n") if text.strip()][:count]
    if not found:
        raise UsageError(f"{path}: no text in it", next_step="texts, an empty line between them")
    return found


def token_ids(model: Path, texts: list[str], longest: int = 1024) -> list[list[int]]:
    """Token ids by the Hugging Face tokenizer; a text is whole, or left out when it is longer than ``longest``."""
    from transformers import AutoTokenizer

    encoded = AutoTokenizer.from_pretrained(model)(texts, add_special_tokens=False)["input_ids"]
    return [list(ids) for ids in encoded if 2 <= len(ids) <= longest]
