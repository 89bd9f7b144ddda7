"""What was recorded of model types: read, judged by the numbers, and what plan refuses by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from olivepress.catalog import evidence as module
from olivepress.catalog import families, family_of_model_type
from olivepress.catalog.evidence import (
    Agreement,
    Seen,
    Step,
    environments_seen,
    evidence,
    refusal,
    refusal_of_type,
    rope_kind,
    ropes_seen,
)
from olivepress.core.errors import RecipeError
from olivepress.core.jsonl import append_json_line
from olivepress.environments.lookup import environment, read_pins

VERSIONS = {"onnxruntime-genai": "9.9"}


def step(max_abs: float, kl: float, **more: object) -> Step:
    part = Agreement(rows=200, max_abs=max_abs, kl=kl)
    return Step.model_validate({"prefill": part, "decode": Agreement(rows=24, max_abs=0.0, kl=0.0), **more})


RIGHT, WRONG = step(1e-5, 1e-12), step(1.8, 0.05)


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three types in the environment ``build``, one of them in ``build-next`` too."""
    lines = {
        "build": [
            Seen(
                model_type="good", architecture="Good", float32=RIGHT, int4=Step(reason="KeyError: 'x'"), lora=RIGHT,
                versions=VERSIONS,
            ),
            Seen(model_type="bad", architecture="Bad", float32=WRONG, versions=VERSIONS),
            Seen(model_type="bad", variant="scaled", rope="yarn", architecture="Bad", float32=RIGHT, versions=VERSIONS),
            Seen(model_type="none", architecture="None", reason="no builder for None", versions=VERSIONS),
        ],
        "build-next": [Seen(model_type="bad", architecture="Bad", float32=RIGHT, versions=VERSIONS)],
    }  # fmt: skip
    for name, seen in lines.items():
        for each in seen:
            append_json_line(tmp_path / f"{name}.jsonl", each.model_dump(mode="json", exclude_none=True))
    monkeypatch.setattr(module, "_HERE", tmp_path)
    evidence.cache_clear()
    yield
    evidence.cache_clear()


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (RIGHT, "right"),
        (WRONG, "wrong"),
        (step(7.9, 5e-8), "wrong"),  # a peaked distribution hides a large difference
        (step(1e-3, 2e-5), "wrong"),
        (Step(reason="KeyError"), "cannot"),
        (Step(), "cannot"),
        (step(1e-5, 1e-12, reason="nothing is shown"), "cannot"),
        (Step(prefill=Agreement(rows=1, max_abs=1e-6, kl=0.0), decode=Agreement(rows=9, max_abs=2.0, kl=0.1)), "wrong"),
    ],
)
def test_a_step_is_judged_by_its_worse_half(given: Step, state: str) -> None:
    assert given.state == state


@pytest.mark.usefixtures("recorded")
def test_a_refusal_is_one_line_with_the_number() -> None:
    assert refusal("good", "build", rounded=False) is None
    assert refusal("good", "build", rounded=True) == (
        "a quantized good cannot be built (KeyError: 'x'); unquantized it can"
    )
    assert refusal("bad", "build", rounded=False) == (
        "onnxruntime-genai 9.9 builds bad as another model: a small one's logits differ from PyTorch's by up to 1.8 "
        "(KL 0.05 nats)"
    )
    assert refusal("bad", "build-next", rounded=True) is None, "4 bits were not tried"
    assert refusal("unheard", "build", rounded=True) is None
    assert refusal("good", "elsewhere", rounded=True) is None


@pytest.mark.usefixtures("recorded")
def test_a_type_without_a_family_is_refused_with_what_was_seen() -> None:
    with pytest.raises(RecipeError) as error:
        family_of_model_type("none", "models/mine")
    assert error.value.message == (
        "models/mine: model_type 'none': build: onnxruntime-genai 9.9 cannot build none: no builder for None"
    )
    assert refusal_of_type("bad") == (
        "a small one is built rightly in the environment build-next, but it belongs to no family yet"
    )
    assert refusal_of_type("good") == (
        "build: in float32 a small one is right (its logits differ by 1e-05), but a quantized good cannot be built "
        "(KeyError: 'x'); unquantized it can"
    )
    with pytest.raises(RecipeError, match="belongs to no known family; known: "):
        family_of_model_type("unheard", "models/mine")


@pytest.mark.usefixtures("recorded")
def test_rotary_embeddings_that_were_right() -> None:
    assert ropes_seen("bad", "build") == {"yarn"} and ropes_seen("bad", "build-next") == {"default"}
    assert ropes_seen("good", "build") == {"default"} and ropes_seen("none", "build") == frozenset()


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({}, "default"),
        ({"rope_scaling": "linear"}, "default"),
        ({"rope_scaling": [1]}, "default"),
        ({"rope_scaling": None}, "default"),
        ({"rope_scaling": {"type": "dynamic", "alpha": 1000.0}}, "dynamic"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}}, "yarn"),
        (
            {"rope_parameters": {"sliding_attention": {"rope_type": "default"}, "full_attention": {"rope_type": "p"}}},
            "p",
        ),
    ],
)
def test_the_kind_of_a_rotary_embedding(config: dict[str, object], kind: str) -> None:
    assert rope_kind(config) == kind


def test_every_type_of_a_family_was_right_where_it_is_built() -> None:
    assert environments_seen() == ("build", "build-next")
    for family in families().values():
        states = {seen.model_type: seen.state for seen in evidence(family.build_environment) if not seen.variant}
        assert {kind: states.get(kind) for kind in family.model_types} == dict.fromkeys(family.model_types, "right")


def test_types_that_today_builds_as_another_model_are_refused_with_the_number() -> None:
    for kind in ("gemma2", "olmo"):
        reason = refusal(kind, "build", rounded=False)
        assert reason is not None and f"builds {kind} as another model" in reason and "KL" in reason


@pytest.mark.parametrize("name", environments_seen())
def test_the_evidence_is_of_the_packages_that_are_pinned(name: str) -> None:
    """Another version may build another model: benchmarks/families.py has to try every type again."""
    pinned = read_pins("\n".join(environment(name).packages))
    versions = [line.versions.items() for line in evidence(name)]
    seen = {(package, version.partition("+")[0]) for items in versions for package, version in items}
    assert seen == {(package, pinned[package]) for package, _ in seen} and len(seen) == 6


def test_gpt_oss_is_refused_with_what_no_stack_can_build() -> None:
    with pytest.raises(RecipeError) as error:
        family_of_model_type("gpt_oss", "openai/gpt-oss-20b")
    message = error.value.message
    assert "\n" not in message and message.startswith("openai/gpt-oss-20b: model_type 'gpt_oss': build: ")
    assert (
        "build-next: in float32 a small one is right (its logits differ by 4e-06), but a quantized gpt_oss" in message
    )
    assert "Original GPT-OSS MXFP4 tensor" in message
