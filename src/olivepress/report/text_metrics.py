"""Metrics of free text against one expected answer: token F1, ROUGE-L, BLEU."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from olivepress.report.answers import Answers, task_metric
from olivepress.report.measurement import Measurement, measured, not_measured
from olivepress.report.registry import SHARE, Metric
from olivepress.stats.intervals import bootstrap_of_sums

__all__ = [
    "bleu",
    "f1_token",
    "longest_common_subsequence",
    "normalise",
    "rouge_l",
    "rouge_l_f1",
    "rouge_tokens",
    "token_f1",
]

MOST_TOKENS = 10_000  # of a text for ROUGE-L: bounds the quadratic subsequence at some tens of milliseconds
ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


def normalise(text: str) -> list[str]:
    """SQuAD's words: lower case, without ASCII punctuation, without the articles a, an, the; split at white space."""
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()


def token_f1(output: str, expected: str) -> float:
    """F1 = 2PR / (P + R) of the two bags of normalised words, P and R by their common words with multiplicity.

    Where one bag is empty: 1 when both are, else 0 (SQuAD 2.0's evaluation script).
    """
    first, second = normalise(output), normalise(expected)
    if not first or not second:
        return float(first == second)
    common = (Counter(first) & Counter(second)).total()
    return 2 * common / (len(first) + len(second))


def rouge_tokens(text: str) -> list[str]:
    """rouge_score's tokens without stemmer, the first 10,000."""
    return NOT_ALPHANUMERIC.sub(" ", text.lower()).split()[:MOST_TOKENS]


def rouge_l_f1(output: str, expected: str) -> float:
    """F-measure of one answer (see ``rouge_l``): 2·LCS / (output tokens + expected tokens), 0 without any."""
    first, second = rouge_tokens(output), rouge_tokens(expected)
    both = len(first) + len(second)
    return 2 * longest_common_subsequence(first, second) / both if both else 0.0


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel in one big integer (H. Hyyrö, AWOCA 2004).

    Bit i of ``row`` is 0 where the length rises at ``first[i]``: len(second) steps over len(first) bits.
    """
    where: dict[str, int] = {}
    for index, token in enumerate(first):
        where[token] = where.get(token, 0) | 1 << index
    full = (1 << len(first)) - 1
    row = full
    for token in second:
        matches = row & where.get(token, 0)
        row = (row + matches | row - matches) & full
    return len(first) - row.bit_count()


@task_metric(
    Metric(
        name="f1_token",
        unit="ratio",
        direction="higher",
        title="Token F1",
        description="Mean F1 of the answer's words against the expected ones.",
        group="task",
        judge="mean",
        score=token_f1,
        limit=SHARE,
    )
)
def f1_token(answers: Answers) -> Measurement:
    """Mean of ``token_f1`` over the examples (Rajpurkar et al., SQuAD, EMNLP 2016); bootstrap over examples."""
    return _mean("f1_token", [token_f1(e.output, e.expected) for e in answers.examples])


@task_metric(
    Metric(
        name="rouge_l",
        unit="ratio",
        direction="higher",
        title="ROUGE-L",
        description="Mean F-measure of the longest common subsequence of words.",
        group="task",
        judge="mean",
        score=rouge_l_f1,
        limit=SHARE,
    )
)
def rouge_l(answers: Answers) -> Measurement:
    """Mean ROUGE-L F-measure, beta = 1 (C.-Y. Lin, ROUGE, ACL 2004 workshop); bootstrap over examples.

    Per example P = LCS / output tokens, R = LCS / expected tokens, F = 2PR / (P + R), 0 without common tokens. Tokens
    are rouge_score's without stemmer: lower case, runs of a-z and 0-9; other scripts have none, so the metric is null
    when no expected answer has one. Only the first 10,000 tokens of a text are compared.
    """
    if not any(rouge_tokens(e.expected) for e in answers.examples):
        return not_measured("rouge_l", "no expected answer has a token of a-z or 0-9")
    return _mean("rouge_l", [rouge_l_f1(e.output, e.expected) for e in answers.examples])


@task_metric(
    Metric(
        name="bleu",
        unit="points",
        direction="higher",
        title="BLEU",
        description="Corpus BLEU-4 of the answers, 0 to 100, tokenized as 13a.",
        group="task",
    )
)
def bleu(answers: Answers) -> Measurement:
    """Corpus BLEU in points, 0 to 100 (Papineni et al., ACL 2002), as sacrebleu computes it (Post, WMT 2018).

    100 · min(1, exp(1 - r/c)) · exp(Σ_n ln p_n / 4), n = 1 … 4, with signature
    nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp. 0 when no word is common or no answer has four tokens. Interval:
    bootstrap over examples of the sentences' summed n-gram counts (Koehn, EMNLP 2004).
    """
    from sacrebleu.metrics.bleu import BLEU

    # One sentence's score is not used, only its counts; effective_order silences the advice about such scores.
    sentences = BLEU(effective_order=True)
    scores = [sentences.sentence_score(e.output, [e.expected]) for e in answers.examples]
    counts = np.asarray([[s.sys_len, s.ref_len, *s.counts, *s.totals] for s in scores], dtype=np.float64)

    def corpus(sums: np.ndarray) -> np.ndarray:
        whole = [[round(value) for value in row] for row in sums]
        corpora = [BLEU.compute_bleu(row[2:6], row[6:], row[0], row[1], smooth_method="exp") for row in whole]
        return np.asarray([score.score for score in corpora])

    value = float(corpus(counts.sum(axis=0, keepdims=True))[0])
    # Rounding of the geometric mean may end an ulp above 100.
    interval = bootstrap_of_sums(counts, lambda sums: np.minimum(corpus(sums), 100.0))
    return measured("bleu", min(value, 100.0), n=len(scores), interval=interval)


def _mean(name: str, values: Sequence[float]) -> Measurement:
    table = np.asarray(values, dtype=np.float64)[:, None]
    interval = bootstrap_of_sums(table, lambda sums: sums[:, 0] / len(table))
    return measured(name, float(table.mean()), n=len(table), interval=interval)
