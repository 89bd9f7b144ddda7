"""How far a fine-tune is, in a few words."""

from __future__ import annotations

from olivepress.core.child.messages import ProgressMessage

__all__ = ["TrainingNote"]


class TrainingNote:
    """What a fine-tune last said of its losses: an evaluation comes between two steps."""

    def __init__(self) -> None:
        self.loss: float | None = None
        self.validation_loss: float | None = None
        self.best: int | None = None

    def text(self, step: ProgressMessage, *, live: bool, wide: bool) -> str:
        """How far it is: in words for a line of its own, else as short as a row of the terminal needs it."""
        for name in ("loss", "validation_loss", "best"):
            setattr(self, name, getattr(step, name) if getattr(step, name) is not None else getattr(self, name))
        text = f"step {step.done}/{step.total}"
        if self.loss is not None and (wide or not live or self.validation_loss is None):
            text += f" loss {self.loss:.3f}"
        if self.validation_loss is None:
            return text
        if live:
            best = f" best {self.best}" if self.best is not None and wide else ""
            return f"{text} val {self.validation_loss:.3f}{best}"
        best = f", best step {self.best}" if self.best is not None else ""
        return f"{text}, validation loss {self.validation_loss:.3f}{best}"
