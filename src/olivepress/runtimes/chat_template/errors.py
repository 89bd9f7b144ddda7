"""The error of a chat template that cannot render a conversation."""

from __future__ import annotations

from pathlib import Path

from olivepress.core.errors import DataError

__all__ = ["ChatTemplateError"]


class ChatTemplateError(DataError):
    """``reason`` is the problem without the model's folder, as it completes "the chat template …"."""

    def __init__(self, reason: str, *, model_dir: Path | None = None, next_step: str) -> None:
        where = f"{model_dir}: its" if model_dir else "the"
        super().__init__(f"{where} chat template {reason}", next_step=next_step)
        self.reason = reason
