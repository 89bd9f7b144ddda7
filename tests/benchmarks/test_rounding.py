"""``benchmarks/rounding.py``: a variant's weights are those of Olive's passes; its counts; its table."""

from __future__ import annotations

import copy
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from layerwise import Rounding, batches, quantize
from rounding import VARIANTS, _places, answer_logits, markdown, row_score, summary, with_variant

from olivepress.catalog import targets
from olivepress.catalog.groups import group_size, with_group_sizes
from olivepress.stats.intervals import paired_score_interval
from olivepress.workflow.olive_plugin.passes import OWN_PASSES
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, Supervised

GPTQ = {"type": "Gptq", "bits": 4, "group_size": "at-most-256", "data_config": "calibration"}
EIGHT = {"type": "Rtn", "bits": 8, "group_size": "at-most-256", "lm_head": True, "embeds": True}


def mixed(quantize: dict[str, Any], symmetric: bool) -> dict[str, dict[str, Any]]:
    """With 8 bits where k-quant would spend them; what SelectiveMixedPrecision overrides is said by name."""
    embedding = {"type": "Rtn", "bits": 4, "group_size": "at-most-256", "sym": symmetric, "embeds": True,
                 "overrides": {"model.embed_tokens": {"bits": 8}}}  # fmt: skip
    select = {"type": "SelectiveMixedPrecision", "algorithm": "k_quant_mixed", "bits": 4, "high_bits": 8}
    return {"select": select, "quantize": quantize | {"sym": symmetric, "lm_head": True}, "embedding": embedding}


def example(seed: int, length: int, answer: int = 3) -> Supervised:
    ids = torch.randint(0, 96, (length,), generator=torch.Generator().manual_seed(seed)).tolist()
    labels = [IGNORE_INDEX] * (length - answer) + ids[length - answer :]
    return Supervised(input_ids=tuple(ids), labels=tuple(labels))


EXAMPLES = [example(seed, length) for seed, length in enumerate((9, 14, 11, 14, 20, 8, 17))]


@pytest.fixture(scope="module")
def model() -> Any:
    """Three layers, so that k_quant_mixed leaves one out; head and embedding tied."""
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(**shape, num_key_value_heads=2, vocab_size=96, tie_word_embeddings=True)).eval()


def rounded(model: Any, rounding: Rounding, size: int) -> dict[str, torch.Tensor]:
    """Name → weight of what ``quantize`` makes with that many calibration rows a batch."""
    parent = copy.deepcopy(model)
    quantize(parent, batches(EXAMPLES, size), rounding, group_size(model.config.to_dict(), rounding.widest_group))
    return {name: module.weight.detach() for name, module in parent.named_modules() if hasattr(module, "weight")}


def of_passes(model: Any, passes: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Name → weight of what Olive's own passes write, one after another."""
    from olive.model import HfModelHandler
    from olive.package_config import OlivePackageConfig
    from olive.passes.olive_pass import create_pass_from_dict
    from olive.passes.pytorch import quant_utils
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    rows = [{"input_ids": torch.tensor([one.input_ids]), "attention_mask": torch.ones(1, len(one.input_ids)).long()}
            for one in EXAMPLES]  # fmt: skip
    monkeypatch.setattr(quant_utils, "get_calibration_dataset", lambda *_: rows)
    model.save_pretrained(folder / "model")
    words = Tokenizer(WordLevel({"a": 0}, unk_token="a"))  # Olive copies a tokenizer along
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder / "model")
    handler: Any = HfModelHandler(model_path=str(folder / "model"))
    for name, settings in with_group_sizes(passes, model.config.to_dict()).items():
        kind, config = settings["type"], {key: value for key, value in settings.items() if key != "type"}
        if "data_config" in config:
            config["data_config"] = {"name": "calibration", "type": "HuggingfaceContainer"}
        if kind in OWN_PASSES:
            module, _, attribute = OWN_PASSES[kind].rpartition(".")
            pass_class = getattr(importlib.import_module(module), attribute)
        else:
            pass_class = OlivePackageConfig.load_default_config().import_pass_module(kind)
        handler = create_pass_from_dict(pass_class, config, disable_search=True).run(handler, str(folder / name))
    weights = {}
    for name, module in handler.load_model().named_modules():
        if hasattr(module, "unpack_and_dequantize"):
            weights[name] = module.unpack_and_dequantize(module.qweight, module.scales, module.qzeros)
    return weights


@pytest.mark.parametrize(
    ("variant", "passes"),
    [
        ("ours-symmetric", "cpu-int4-compact"),
        ("ours-eight-bits", "cpu-int4"),
        ("ours-mixed", mixed(GPTQ | {"type": "CalibratedGptq"}, True)),
        ("rtn", "cpu-int4-rtn"),
        ("rtn-8", "cpu-int8"),
        ("gptq-symmetric", {"quantize": GPTQ | {"sym": True}, "embedding": EIGHT | {"sym": True}}),
        ("gptq-asymmetric", {"quantize": GPTQ | {"sym": False}, "embedding": EIGHT | {"sym": False}}),
        ("gptq-mixed", mixed(GPTQ, False)),
    ],
)
def test_the_weights_are_those_of_the_passes(
    model: Any, variant: str, passes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(passes, str):
        passes = {name: dict(each) for name, each in targets()[passes].passes.items() if each["type"] != "ModelBuilder"}
    theirs = of_passes(model, passes, tmp_path, monkeypatch)
    ours = rounded(model, VARIANTS[variant][1], 1)
    assert len(theirs) == 3 * 7 + 2
    for name, weight in theirs.items():
        assert torch.allclose(ours[name], weight, rtol=1e-5, atol=1e-7), name


def test_padding_changes_nothing(model: Any) -> None:
    """Rows in batches: the same weights but for single ones that lay between two values, and for what follows them."""
    apart, together = (rounded(model, Rounding(method="CalibratedGptq"), size) for size in (1, 4))
    for name in apart:
        assert ((apart[name] - together[name]).abs() < 1e-5).float().mean() > 0.99, name


def test_batches_have_every_row_once_and_its_padding_apart() -> None:
    parts = batches(EXAMPLES, 3)
    assert sorted(row for part in parts for row in part.rows) == list(range(len(EXAMPLES)))
    for part in parts:
        for place, row in enumerate(part.rows):
            assert part.input_ids[place][part.real[place]].tolist() == list(EXAMPLES[row].input_ids)
            assert (part.labels[place][~part.real[place]] == IGNORE_INDEX).all()


def test_answers_are_scored_as_the_model_alone_says_them(model: Any) -> None:
    (batch,) = batches(EXAMPLES, len(EXAMPLES))
    for place, logits in enumerate(answer_logits(model, batch)):
        row = EXAMPLES[batch.rows[place]]
        alone = model(torch.tensor([row.input_ids])).logits[0, -4:-1].detach()  # position i says what token i + 1 is
        assert torch.allclose(logits, alone, atol=1e-4)
        assert int(_places(batch)[place].sum()) == 3


def test_a_row_is_right_when_every_token_is() -> None:
    parent = torch.tensor([[4.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    other = torch.tensor([[4.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    row = row_score(parent, other, torch.tensor([0, 1]))
    assert row["parent_right"] and not row["right"] and row["same"] == 1 and row["tokens"] == 2
    p, q = parent[1].double().softmax(-1), other[1].double().softmax(-1)
    assert row["kl"] == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-5)
    assert row_score(parent, parent, torch.tensor([0, 1]))["kl"] == pytest.approx(0, abs=1e-6)


def rows(lost: int, won: int, both: int, neither: int) -> list[dict[str, Any]]:
    pairs = [(True, False)] * lost + [(False, True)] * won + [(True, True)] * both + [(False, False)] * neither
    return [
        {"kl": 0.1 * (1 + number % 3), "tokens": 4, "same": 4 - number % 2, "parent_right": parent, "right": right}
        for number, (parent, right) in enumerate(pairs)
    ]


def test_the_summary_counts_discordant_pairs() -> None:
    measured = summary(rows(6, 2, 60, 32))
    assert (measured["lost"], measured["won"], measured["n"]) == (6, 2, 100)
    assert measured["exact"] == 0.62 and measured["difference"] == -0.04
    assert measured["interval"] == paired_score_interval(6, 2, 100)
    assert measured["kl"] == pytest.approx(0.199 / 4 * 1, rel=0.01) and measured["top1"] == pytest.approx(350 / 400)
    assert measured["kl_interval"][0] < measured["kl"] < measured["kl_interval"][1]


def test_the_table_has_a_row_for_each_variant_and_names_the_missing() -> None:
    measured: dict[str, Any] = {
        "date": "2026-01-01", "machine": {"id": "box"}, "model_type": "llama", "dataset": "d", "calibration_rows": 8,
        "variants": {},
    }  # fmt: skip
    for name in VARIANTS:
        missing = [title for other, (title, _) in VARIANTS.items() if other not in measured["variants"]]
        assert not measured["variants"] or f"Not measured yet: {'; '.join(missing)}." in markdown(measured)
        measured = with_variant(measured, name, {"group_size": 64, "rows": rows(6, 2, 60, 32)})
    text = markdown(json.loads(json.dumps(measured)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == len(VARIANTS) + 2 and len({line.count("|") for line in lines}) == 1
    assert all(title in text for title, _ in VARIANTS.values()) and "Not measured" not in text
    assert "| 62.0% | 6 | 2 | -4.0 (" in text and "the unrounded model: 66.0%" in text
