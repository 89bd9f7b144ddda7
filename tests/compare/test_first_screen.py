"""What a reader with 30 seconds gets: the sentence, how sure it is, the cautions and three answers."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from olivepress.compare import compare, render_short, to_html, to_json, to_markdown
from olivepress.compare.document import Document
from olivepress.compare.render.cautions import caution_text, cautions
from olivepress.compare.render.first_answers import first_answers
from olivepress.compare.render.headline import decision_sentence, headline, how_sure

from .document_factory import make_document, one_machine
from .hostile import HOSTILE
from .planted_pages import CASES, LONG, RIGHT_TO_LEFT, artifact, base, document, fp32
from .test_page import Tags

BOX = "x86_64-test-2c"
GAINED = "88.0 points more accurate than the base model (98.0 %)"
TWICE = "2.0 times as fast as cpu-fp32, 75 % smaller, about as accurate (98.0 %)"
EQUAL = "they are equally good: 98.0 % and 98.0 % accurate, 100 tok/s and 100 tok/s"
SENTENCES = {
    "nothing measured": [f"Cannot recommend an artifact for {BOX}: accuracy was not measured"],
    "one artifact": [f"Ship cpu-int4 on {BOX}: 100 tok/s, 100.0 MB, {GAINED}"],
    "nothing right": [f"Do not ship: 0 of 40 answers are right on {BOX}"],
    "a tie": [f"Ship cpu-int4 or cpu-int4-gptq on {BOX}, {EQUAL}"],
    "two winners": [
        f"Ship cpu-int8 on arm64-phone-8c: 90 tok/s, 200.0 MB, {GAINED}",
        f"Ship cpu-int4 on Kitchen laptop: 220 tok/s, 100.0 MB, {GAINED}",
    ],
    "packages": [f"Ship cpu-int4 on {BOX}: 100 tok/s, 100.0 MB, {GAINED}"],
    "busy machine": [f"Ship cpu-int4 on {BOX}: {TWICE}"],
    "random weights": [f"Cannot recommend an artifact for {BOX}: the weights are random"],
    "only latency": [f"Cannot recommend an artifact for {BOX}: accuracy was not measured"],
    "right to left": [f"Ship cpu-int4 on {RIGHT_TO_LEFT}: {TWICE}"],
}


def sentences(compared: Document) -> list[str]:
    return [decision_sentence(decision) for decision in compared.decisions]


def short(compared: Document, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render_short(compared))
    return console.export_text()


@pytest.mark.parametrize("case", SENTENCES)
def test_the_sentence(case: str) -> None:
    assert sentences(document(case)) == SENTENCES[case]


def test_the_sentence_names_what_is_lost_and_gained() -> None:
    """Also against a reference that its own budget excludes: it is compared for the sentence alone."""
    few = artifact("base", "6*1 54*0", None, runtime="pytorch", precision="fp32")
    wide = artifact("export-cpu-fp32", "58*1 2*0", 100.0, 400, precision="fp32")
    reports = [few, wide, artifact("export-cpu-int4", "55*1 5*0", 92.0, 1000)]
    slower = compare(reports, budgets={"cpu-fp32": {"max_size_on_disk_bytes": 1.0}})
    assert sentences(slower) == [
        f"Ship cpu-int4 on {BOX}: 8 % slower than cpu-fp32, 2.5 times as large, accuracy not shown to differ (91.7 %)"
    ]
    reports = [base(), fp32(), artifact("export-cpu-int4", "160*1 40*0", 180.0, 72)]
    (worse,) = compare(reports, budgets={"all": {"min_exact_match": 0.5}}).decisions
    costs = "1.8 times as fast as cpu-fp32, 82 % smaller, 18.0 points less accurate (80.0 %)"
    assert decision_sentence(worse) == f"Ship cpu-int4 on {BOX}: {costs}"
    assert worse.summary is not None
    names = ["exact_match", "exact_match", "decode_tps", "size_on_disk_bytes", "ttft_ms"]
    assert [verdict.metric for verdict in worse.summary.deciding] == names
    amount, calls, change = how_sure(worse.summary)
    assert (
        amount == "Measured on 200 answers and 10 rounds." and calls == "Beyond chance: accuracy, speed, first token."
    )
    assert change.startswith("Accuracy changes by -2") and change.endswith(" points (95 % interval).")


def test_a_model_that_lost_against_its_base_is_counted() -> None:
    tuned = artifact("export-cpu-int4", "24*1 16*0")
    better = artifact("base", "40*1", None, runtime="pytorch", precision="fp32")
    assert sentences(compare([tuned, better])) == [
        f"Do not ship: 24 of 40 answers are right, worse than the base, on {BOX}"
    ]


@pytest.mark.parametrize("case", CASES)
def test_one_function_writes_the_sentence_everywhere(case: str) -> None:
    compared = document(case)
    data = json.loads(to_json(compared))
    page = " ".join(" ".join(Tags(to_html(compared)).texts).split())
    lines, markdown = " ".join(short(compared, 400).split()), to_markdown(compared).replace("\\", "")
    assert compared.decisions
    for decision, stored in zip(compared.decisions, data["decisions"], strict=True):
        assert decision.summary is not None
        sentence = headline(decision.summary)
        assert stored["sentence"] == sentence and stored["summary"]["outcome"] == decision.outcome
        if case == "html names":
            continue  # escaped in each form's own way
        assert re.sub(r"\s", "", sentence) in re.sub(r"\s", "", page)
        assert sentence in lines and sentence in markdown


@pytest.mark.parametrize("case", CASES)
def test_the_terminal_prints_five_lines_in_80_columns(case: str) -> None:
    compared = document(case)
    shown = short(compared).splitlines()
    assert max(len(line) for line in shown) <= 80
    if len(compared.decisions) == 1 and case != "html names":
        assert len(shown) <= 15
    assert "\x1b" not in "".join(shown) and "\u202e" not in "".join(shown)


def test_a_caution_is_shown_once() -> None:
    for case, label in (("busy machine", "busy machine"), ("random weights", "random weights")):
        compared = document(case)
        (caution,) = cautions(compared)
        assert caution.label == label and caution.names == ()
        page = to_html(compared)
        visible = page[: page.index('<script type="application/json"')]
        assert len(re.findall(rf"<li>{label}:", visible)) == 1
        assert 'class="label"' not in visible
        assert to_markdown(compared).count(f"> {label}") == 1 and short(compared).count(label) == 1
    some = make_document()
    assert [caution_text(c).partition(":")[0] for c in cautions(some)] == [
        "emulated device (export-cpu-int4 @ arm64-other-8c)",
        "synthetic data",
    ]


def test_answers_that_differ_come_first_and_equal_ones_are_joined() -> None:
    compared = one_machine()
    shown = first_answers(compared, compared.decisions[0])
    assert len(shown) == 3
    by_id = {example.id: example for example in compared.examples}
    for example in shown:
        calls = {a.correct for a in by_id[example.id].answers if "export" in a.row}
        assert calls == {True, False}
        assert example.right == ("cpu-fp32", "fine-tuned")
        assert [group.names for group in example.groups] == [("cpu-int4",), ("base",)]
        assert not any(group.correct for group in example.groups)
        assert example.question and example.question.startswith("Please set the lamp")


def test_an_answer_with_another_text_that_counts_as_right_is_shown() -> None:
    compared = one_machine()
    first = compared.examples[0]
    answers = tuple(replace(answer, output="ON", correct=True) for answer in first.answers)
    (example,) = first_answers(replace(compared, examples=(replace(first, answers=answers),)), compared.decisions[0])
    assert example.right == () and [(g.output, g.correct) for g in example.groups] == [("ON", True)]


def test_long_answers_are_shortened_and_foreign_text_is_escaped() -> None:
    compared = one_machine()
    first = compared.examples[0]
    answers = tuple(replace(answer, output=HOSTILE + "x" * 10_000, correct=False) for answer in first.answers)
    long = replace(first, answers=answers, question=HOSTILE + "\n\ty" * 999)
    page = to_html(replace(compared, examples=(long,)))
    (section,) = re.findall(r'<section id="answers".*?</section>', page, re.DOTALL)
    assert "\ufffdy" not in section  # lines are joined, not marked as unprintable
    assert len(section) < 4_000 and "<img" not in section and "&lt;img" in section


def test_the_first_screen_comes_before_everything_else() -> None:
    page = to_html(one_machine())
    marks = ("<h1", 'class="cautions"', "<dl", "How sure?", 'id="front"', 'id="answers"', "<nav")
    order = [page.index(text) for text in marks]
    assert order == sorted(order)
    folded = re.findall(r'<section id="(\w+)" class="folded"', page)
    assert folded == ["examples", "tokens", "placement", "training", "every", "environment", "checklist", "missing"]
    assert "Gain retained is the part" not in page  # no artifact of this page has it


def test_gain_retained_is_explained_where_it_is_shown() -> None:
    compared = make_document(columns=("exact_match", "gain_retained"))
    assert to_html(compared).count("Gain retained is the part of what fine-tuning added") == 1


def test_long_names_are_whole_in_the_text() -> None:
    compared = document("long names")
    assert all(LONG in sentence for sentence in sentences(compared))
    assert LONG in to_html(compared)


def test_markdown_has_the_same_answers() -> None:
    compared = one_machine()
    markdown = to_markdown(compared).replace("\\", "")
    for example in first_answers(compared, compared.decisions[0]):
        assert f"- **{example.question}**" in markdown
        assert f"  - expected (✓ cpu-fp32, fine-tuned): {example.expected}" in markdown
        assert f"  - ✗ cpu-int4: {example.groups[0].output}" in markdown
