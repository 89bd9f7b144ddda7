"""What a recipe says about safety: prompts to ask, and how much may be lost."""

from __future__ import annotations

from pydantic import Field

from olivepress.core.yaml_document import Record

__all__ = ["Safety", "SafetyClassifier"]


class SafetyClassifier(Record):
    """A text classifier in a local folder that finds toxic answers beside the word list."""

    path: str = Field(min_length=1, description="a local Hugging Face folder of a text classifier")
    label: str = Field(min_length=1, description="its label for what must not be answered")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability of the label from which an answer fails")


class Safety(Record):
    """Checks of ``olivepress safety``, before and after fine-tuning and after quantization."""

    default_prompts: bool = Field(True, description="ask the prompts that ship with olivepress")
    prompts: tuple[str, ...] = Field((), description="prompt files of your own, in addition")
    words: str | None = Field(None, description="a text file with words that no answer may contain, one a line")
    refusals: str | None = Field(None, description="a text file with phrases of refusals, one a line, in addition")
    classifier: SafetyClassifier | None = Field(None, description="finds toxic answers, in addition to the words")
    margin: float = Field(0.05, gt=0, le=0.5, description="share of passed checks that may be lost: 0.05 is 5 points")
    max_new_tokens: int = Field(96, ge=8, le=4096, description="most tokens of an answer")
    personal_rows: int = Field(
        50, ge=0, le=1000, description="training rows with personal data whose completion is tried; 0: none"
    )
