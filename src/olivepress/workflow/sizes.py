"""Sizes that are counted before anything runs: of an export on disk, and of the logits that it is compared with."""

from __future__ import annotations

from olivepress.catalog import ModelFacts, Target

__all__ = [
    "ANSWER_ROWS",
    "ANSWER_WORK",
    "LEAST_PROMPTS",
    "LOGIT_BYTES",
    "LONG_POSITIONS",
    "PROMPT_SHARE",
    "REFERENCE_PROMPTS",
    "REFERENCE_TOKENS",
    "artifact_bytes",
    "reference_bytes",
]

# The reference that exports are compared with: rows, tokens of each row, and what the logits of one model may take.
REFERENCE_PROMPTS, LEAST_PROMPTS, REFERENCE_TOKENS = 64, 8, 128
LOGIT_BYTES = 2**29
# The answers that decide whether an export keeps the task: most rows, and parameters × tokens. 500 rows of 40 tokens of
# a model of 300 M parameters are two to four minutes on two cores for an export, and as long, once, for its parent.
ANSWER_ROWS, ANSWER_WORK = 500, 500 * 40 * 300.0e6
PROMPT_SHARE = 8  # tokens of a prompt that take about as long as one of an answer
LONG_POSITIONS = 192  # most positions of the long text whose logits are kept


def artifact_bytes(facts: ModelFacts, target: Target) -> float:
    """About what an export takes on disk."""
    embedding = target.bytes_per_embedding_parameter * facts.embedding_parameters
    return facts.parameters * target.bytes_per_parameter + embedding


def reference_bytes(vocabulary: int) -> int:
    """Most bytes that the logits of one model take on the reference's prompts (float32)."""
    least, most = (prompts * REFERENCE_TOKENS * 4 * vocabulary for prompts in (LEAST_PROMPTS, REFERENCE_PROMPTS))
    return max(least, min(most, LOGIT_BYTES)) + LONG_POSITIONS * 4 * vocabulary
