"""A text classifier in a local folder as a judge of toxic answers; torch is imported when it is used."""

from __future__ import annotations

from pathlib import Path

from olivepress.core.errors import RecipeError, SetupError, whole_message
from olivepress.safety.checks import Toxicity

__all__ = ["load_classifier"]

_LONGEST = 512  # tokens


def load_classifier(folder: Path, label: str, threshold: float) -> Toxicity:
    """What says whether a text has ``label`` with at least this probability.

    Safetensors only, no remote code, no network. RecipeError for a folder that is no classifier with that label,
    SetupError without the build extra.
    """
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise SetupError(
            f"torch/transformers missing ({error})", next_step="pip install 'olivepress[build]'"
        ) from error
    if not (folder / "config.json").is_file():
        raise RecipeError(f"safety.classifier: {folder} is not a model's folder", next_step="give a local folder")
    strict = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **strict)
        model = AutoModelForSequenceClassification.from_pretrained(str(folder), use_safetensors=True, **strict).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = whole_message(error)
        raise RecipeError(f"safety.classifier: {folder}: cannot be loaded ({reason})") from error
    labels = {str(name): int(number) for number, name in model.config.id2label.items()}
    if label not in labels:
        known = ", ".join(sorted(labels)[:20])
        raise RecipeError(f"safety.classifier: no label {label!r}, the model has {known}", next_step="name one of them")

    def is_toxic(text: str) -> bool:
        encoded = tokenizer(text, truncation=True, max_length=_LONGEST, return_tensors="pt")
        with torch.inference_mode():
            logits = model(**encoded).logits[0].float()
        several = model.config.problem_type == "multi_label_classification"
        shares = logits.sigmoid() if several else logits.softmax(-1)
        return bool(shares[labels[label]] >= threshold)

    return is_toxic
