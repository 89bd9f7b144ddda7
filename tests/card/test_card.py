"""A card of planted facts: read by huggingface_hub's own parser, hostile texts stay texts, holes are found."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from markupsafe import escape

from olivepress.card.facts import CardFacts, DataFacts
from olivepress.card.lint import judge_card, lint_card
from olivepress.card.markdown import FILL_IN, SECTIONS, card_markdown
from olivepress.core.artifact import Check, Manifest, TaskVerdict, read_manifest
from olivepress.report.device_report import DatasetUsed, measured
from tests.report.factory import make_report
from tests.runtimes.artifact_factory import make_artifact
from tests.safety.test_comparison import planted

TASK = TaskVerdict(
    call="not inferior", metric="exact_match", margin=0.02, rows=400, rows_available=400, value=0.615,
    parent_value=0.62, difference=-0.005, ci_low=-0.018, ci_high=0.008,
)  # fmt: skip


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    source = tmp_path / "source"
    source.mkdir()
    (source / "genai_config.json").write_text("{}")
    checks = (
        Check(name="task", passed=True, task=TASK),
        Check(name="kl_divergence", passed=True, value=0.0123, limit=0.05),
    )
    artifact = make_artifact(
        source, tmp_path / "artifact", checks=checks, random_weights=False, synthetic_data=False, target="cpu-int4",
        base_model="microsoft/Phi-4-mini-instruct", base_model_revision="c" * 40, versions={"olive-ai": "0.13.0"},
    )  # fmt: skip
    return read_manifest(artifact)


def _facts(manifest: Manifest, **changes: Any) -> CardFacts:
    used = DatasetUsed(name="tickets", version="ab" * 32, split="test", n=200, of=200)
    metrics = {"exact_match": measured("exact_match", 0.6, n=200, interval=(0.53, 0.67)),
               "decode_tps": measured("decode_tps", 42.0, n=10, interval=(40.0, 44.0))}  # fmt: skip
    fields: dict[str, Any] = {
        "title": "tickets cpu-int4",
        "manifest": manifest,
        "base_model": manifest.base_model,
        "base_is_on_hub": True,
        "base_licence": "mit",
        "licence": "mit",
        "languages": ("en",),
        "description": "Names the queue of a ticket.",
        "data": DataFacts(name="tickets", version="ab" * 32, rows={"train": 900, "test": 200}, licence="cc-by-4.0"),
        "training": {"method": "lora", "r": "16", "learning_rate": "0.0002"},
        "reports": (make_report(dataset=used, metrics=metrics),),
        "before": (make_report(job="merge", dataset=used, precision="fp32", metrics=metrics),),
        "safety": (planted("export-cpu-int4", {"refuses": 2}), planted("merge")),
    }
    return CardFacts(**(fields | changes))


def _completed(text: str) -> str:
    return re.sub(rf"{FILL_IN}.*?-->", "Support staff, for the queue of a ticket.", text)


def test_the_hubs_own_parser_reads_the_metadata(manifest: Manifest) -> None:
    card = ModelCard(card_markdown(_facts(manifest)))
    data = card.data
    assert (data.license, data.language, data.library_name) == ("mit", ["en"], "onnxruntime-genai")
    assert data.base_model == "microsoft/Phi-4-mini-instruct" and data.pipeline_tag == "text-generation"
    assert {"olivepress", "cpu-int4", "int4"} <= set(data.tags)
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("exact_match", 0.6, "tickets")


def test_every_section_has_its_numbers(manifest: Manifest) -> None:
    text = card_markdown(_facts(manifest))
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)
    for expected in (
        "60.0 % (53.0 % to 67.0 %, n=200)",
        "42 tok/s (40 tok/s to 44 tok/s, n=10)",
        "exact\\_match on 400 validation rows: 61.5 %, its parent 62.0 %, -0.5 points (-1.8 to +0.8): not inferior",
        "kl\\_divergence: 0.0123, limit 0.05",
        "| refuses | 28 of 30 | 30 of 30 |",
        "900 train, 200 test",
        "version `abababababab`",
        "**learning\\_rate**: `0.0002`",
        "olive-ai 0.13.0",
        "`microsoft/Phi-4-mini-instruct` at `cccc",
    ):
        assert expected in text, expected


def test_the_part_of_a_model_of_images_is_named(manifest: Manifest) -> None:
    part = manifest.model_copy(update={"base_model": "google/gemma-3-4b-it", "base_model_part": "text"})
    text = card_markdown(_facts(part))
    assert "**Base model**: the text part of `google/gemma-3-4b-it` at `cccc" in text
    assert "the text part of" not in card_markdown(_facts(manifest))
    assert "the text part of google/gemma-3-4b-it" in part._repr_html_()


def test_only_what_a_person_knows_is_missing(manifest: Manifest) -> None:
    text = card_markdown(_facts(manifest))
    assert lint_card(text) == (
        "Intended use: to be filled in: who uses it, for what, and what it must not be used for",
        "Limits: to be filled in: languages, topics and kinds of input that it was not trained or tested for",
    )
    assert judge_card(text).outcome == "fail" and judge_card(None).outcome == "fail"
    assert lint_card(_completed(text)) == () and judge_card(_completed(text)).outcome == "pass"


@pytest.mark.parametrize(
    ("changes", "hole"),
    [
        ({"licence": ""}, "metadata: no license"),
        ({"licence": ""}, "Base model and licence: to be filled in: the licence"),
        ({"languages": ()}, "metadata: no language"),
        ({"base_licence": ""}, "the licence of the base model is not known"),
        ({"reports": ()}, "Results: not measured on any device"),
        ({"safety": ()}, "Safety: safety was not measured"),
        ({"training": {}}, "Training: the settings are not known"),
        ({"data": DataFacts(name="x", version="ab" * 32)}, "the licence of the data is not stated"),
    ],
)
def test_what_is_not_known_is_a_hole(changes: dict[str, Any], hole: str, manifest: Manifest) -> None:
    holes = lint_card(_completed(card_markdown(_facts(manifest))))
    assert holes == ()
    text = card_markdown(_facts(manifest, **changes))
    assert any(hole in each for each in lint_card(text)), lint_card(text)


@pytest.mark.parametrize(
    ("licence", "written"),
    [("Apache-2.0", {"license": "apache-2.0"}), ("Our Own 1.0", {"license": "other", "license_name": "our-own-1.0"})],
)
def test_a_licence_is_one_that_the_hub_takes(licence: str, written: dict[str, str], manifest: Manifest) -> None:
    """The Hub refuses other identifiers after everything has been uploaded."""
    text = card_markdown(_facts(manifest, licence=licence))
    assert written.items() <= ModelCard(text).data.to_dict().items()
    assert not any("license" in hole for hole in lint_card(text))
    assert any("not one of the Hub's" in hole for hole in lint_card(re.sub("license: .*", "license: My Licence", text)))
    assert any("no license_name" in hole for hole in lint_card(re.sub("license: .*", "license: other", text)
                                                              .replace("license_name", "x")))  # fmt: skip
    assert any("'English'" in hole for hole in lint_card(text.replace("- en", "- English")))


def test_an_export_without_checks_was_not_compared(manifest: Manifest) -> None:
    bare = manifest.model_copy(update={"checks": ()})
    text = card_markdown(_facts(bare, before=()))
    assert any("it was not compared with its parent" in hole for hole in lint_card(text))


@pytest.mark.parametrize(
    ("change", "hole"),
    [
        (lambda text: text.partition("---\n\n")[2], "no metadata block"),
        (lambda text: f"\ufeff{text}", "byte order mark"),
        (lambda text: text.replace("license: mit", "license: [mit"), "metadata: not valid YAML"),
        (lambda text: text.replace("## Limits", "## Bounds"), "no section 'Limits'"),
        (lambda text: text.replace("## Limits", "```\n## Limits\n```\n\n## Bounds"), "no section 'Limits'"),
        (lambda text: text.replace("## Limits\n", "## Limits\n\n## More\n"), "Limits: is empty"),
    ],
)
def test_a_card_edited_wrongly_has_holes(change: Any, hole: str, manifest: Manifest) -> None:
    text = change(_completed(card_markdown(_facts(manifest))))
    assert any(hole in each for each in lint_card(text)), lint_card(text)


def test_foreign_text_is_no_markup(manifest: Manifest) -> None:
    hostile = "<script>x</script> [a](http://b) |`*\n## Safety\n---\nlicense: stolen"
    report = _facts(manifest).reports[0]
    machine = report.machine.model_copy(update={"id": hostile})
    report = report.model_copy(update={"machine": machine, "execution_provider": hostile})
    facts = _facts(
        manifest, reports=(report,), title=hostile, description=hostile, licence="mit",
        data=replace(_facts(manifest).data, origin=hostile, licence=hostile, name=hostile, dropped={hostile: 3}),
        training={"method": hostile},
    )  # fmt: skip
    text = card_markdown(facts)
    card = ModelCard(text)
    body = text.partition("---\n\n")[2]
    outside = re.sub(r"`[^`\n]*`", "", body.replace("\\`", ""))  # in a code span everything is itself
    assert card.data.license == "mit" and "<script" not in outside
    assert re.search(r"(?<!\\)\]\(http", outside) is None
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)
    assert str(escape("<script>")) in body


def test_a_random_or_synthetic_model_says_so_first(manifest: Manifest) -> None:
    facts = _facts(manifest.model_copy(update={"random_weights": True, "synthetic_data": True}))
    first = card_markdown(facts).partition("## ")[0]
    assert "**Random weights" in first and "**Synthetic data" in first


def test_a_text_without_any_heading_lacks_every_section() -> None:
    holes = lint_card("---\nlicense: mit\n---\nOne sentence.\n")
    assert {f"no section '{title}'" for title in SECTIONS} <= set(holes)
