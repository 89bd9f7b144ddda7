"""Metrics of the model's distribution: likelihood of a text, and fidelity to the parent on the same tokens."""

from __future__ import annotations

from olivepress.report.registry import ANY, NOT_NEGATIVE, POSITIVE_LIMIT, SHARE, Column, Limit, Metric, declare

__all__: list[str] = []

KL_NEGLIGIBLE = 1e-3  # nats: next to a divergence of 0 a smaller difference does not matter

declare(
    Metric(
        name="perplexity",
        unit="1",
        direction="lower",
        title="Perplexity",
        description="exp of the mean negative log-likelihood per token of the text.",
        group="text",
        judge="interval",
        column=Column(place=50, always=False),
        views=("terminal",),
        limit=Limit(low=1),
    )
)
declare(
    Metric(
        name="bits_per_byte",
        unit="bits/byte",
        direction="lower",
        title="Bits per byte",
        description="Negative log-likelihood of the text in bits over its UTF-8 bytes; comparable between tokenizers.",
        group="text",
    )
)

# Fidelity to the parent.
declare(
    Metric(
        name="max_abs_logit_diff",
        unit="logits",
        direction="lower",
        title="Max logit diff",
        description="Largest |parent logit - model logit| seen.",
        group="fidelity",
    )
)
declare(
    Metric(
        name="kl_answer",
        unit="nats",
        direction="lower",
        title="KL answers",
        description="Mean KL(parent || model) per token of the answers, those that were trained on; the "
        "parent's tokens are given.",
        group="fidelity",
        judge="interval",
        negligible=KL_NEGLIGIBLE,
        column=Column(place=70, always=False),
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="kl_per_answer",
        unit="nats",
        direction="lower",
        title="KL an answer",
        description="As kl_answer, summed over the tokens of an answer: an answer is as uncertain as all its tokens.",
        group="fidelity",
    )
)
declare(
    Metric(
        name="kl_prompt",
        unit="nats",
        direction="lower",
        title="KL prompts",
        description="As kl_answer, of all other tokens: no training touched them.",
        group="fidelity",
    )
)
declare(
    Metric(
        name="kl_divergence",
        unit="nats",
        direction="lower",
        title="KL",
        description="Mean KL(parent || model) of the next-token distribution per token.",
        group="fidelity",
        judge="interval",
        negligible=KL_NEGLIGIBLE,
        column=Column(place=80),
        views=("history",),
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="kl_p50",
        unit="nats",
        direction="lower",
        title="KL median",
        description="Median of the per-token KL(parent || model).",
        group="fidelity",
    )
)
declare(
    Metric(
        name="kl_p999",
        unit="nats",
        direction="lower",
        title="KL p99.9",
        description="99.9th percentile of the per-token KL(parent || model).",
        group="fidelity",
    )
)
declare(
    Metric(
        name="kl_top256_answer",
        unit="nats",
        direction="lower",
        title="KL top-256 answers",
        description="As kl_top256, of the answers' tokens only; a lower bound of kl_answer.",
        group="fidelity",
        judge="interval",
        weighs=False,
    )
)
declare(
    Metric(
        name="kl_top256",
        unit="nats",
        direction="lower",
        title="KL top-256",
        description="Mean KL over the parent's top 256 tokens and one bucket for the rest; a lower bound of "
        "kl_divergence.",
        group="fidelity",
        judge="interval",
        negligible=KL_NEGLIGIBLE,
        column=Column(place=90, always=False),
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="top1_answer",
        unit="ratio",
        direction="higher",
        title="Top-1 answers",
        description="As top1_agreement, of the answers' tokens only.",
        group="fidelity",
        judge="interval",
        weighs=False,
        limit=SHARE,
    )
)
declare(
    Metric(
        name="top1_agreement",
        unit="ratio",
        direction="higher",
        title="Top-1 agreement",
        description="Share of positions where both prefer the same token.",
        group="fidelity",
        judge="interval",
        limit=SHARE,
    )
)
declare(
    Metric(
        name="first_divergence",
        unit="tokens",
        direction="higher",
        title="First divergence",
        description="Median over answers of the tokens before the first disagreement in the top token; the "
        "answer's length if none.",
        group="fidelity",
    )
)
declare(
    Metric(
        name="adapter_kept",
        unit="ratio",
        direction="higher",
        title="Adapter kept",
        description="Share of the adapter's shift of the answers' logits (parent - base) that the model has, "
        "by least squares.",
        group="fidelity",
        values=ANY,
    )
)
declare(
    Metric(
        name="adapter_noise",
        unit="ratio",
        direction="lower",
        title="Adapter noise",
        description="Size of what else differs from the parent's logits, over the size of the adapter's shift.",
        group="fidelity",
        values=NOT_NEGATIVE,
    )
)
