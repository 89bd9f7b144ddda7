"""Checkpoints of models of images and text: their text part, taken out as a model folder of its own.

Everything after that reads an ordinary text model: transformers, Olive's passes, PEFT and onnxruntime-genai's builder
name the tensors of the whole model in four different ways, and most of them do not know it at all.
"""

from olivepress.models.text_part.config import has_text_part
from olivepress.models.text_part.make import make_text_part
from olivepress.models.text_part.record import TextPart, check_source, is_text_part, text_part_of, text_part_on_hub

__all__ = [
    "TextPart",
    "check_source",
    "has_text_part",
    "is_text_part",
    "make_text_part",
    "text_part_of",
    "text_part_on_hub",
]
