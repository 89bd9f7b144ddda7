"""The page as text: what a browser would see without running anything."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import itertools
import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from olivepress.compare import to_html, to_json, write_report_page
from olivepress.compare.document import Document, Example, Row
from olivepress.compare.lookup import lookup_in
from olivepress.compare.render.page import MAX_BYTES, multiline
from olivepress.compare.summary import with_summaries
from olivepress.measure.importers import import_results

from .document_factory import FIRST, hostile_document, make_document
from .hostile import HOSTILE

DATA = re.compile(r'<script type="application/json" id="olivepress-data">(.*?)</script>', re.DOTALL)


class Tags(html.parser.HTMLParser):
    """Collects what a browser would see: tags with their attributes, and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return to_html(make_document())


def test_only_its_own_script_may_run_and_nothing_is_loaded(page: str) -> None:
    tags = Tags(page).seen
    (policy,) = [a["content"] or "" for t, a in tags if t == "meta" and "http-equiv" in a]
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    sha = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ") and f"script-src 'sha256-{sha}'" in policy
    assert "eval" not in policy and "innerHTML" not in script and "eval(" not in script
    assert not [a for _, a in tags if "src" in a] and not [t for t, _ in tags if t in ("link", "iframe", "a:xlink")]
    assert all((a.get("href") or "").startswith("#") for _, a in tags if "href" in a)
    assert "url(" not in page and "@import" not in page
    rest = page.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("http-equiv", "")
    assert "http" not in rest and len(page.encode()) < MAX_BYTES


def test_hostile_texts_stay_texts() -> None:
    document = hostile_document(HOSTILE)
    page = to_html(document)
    tags = Tags(page).seen
    assert [t for t, _ in tags if t == "script"] == ["script", "script"]
    assert not [t for t, _ in tags if t in ("img", "foreignobject", "iframe", "a:x")]
    assert not [name for _, a in tags for name in a if name.startswith("on")]
    (block,) = DATA.findall(page)
    assert "<" not in block and json.loads(block) == json.loads(to_json(document))
    assert "\x1b" not in page and "\u202e" not in page


def test_the_json_is_that_of_the_file(page: str) -> None:
    (block,) = DATA.findall(page)
    assert json.loads(block) == json.loads(to_json(make_document()))


def test_headings_landmarks_and_tables_are_in_order(page: str) -> None:
    tags = Tags(page).seen
    levels = [int(t[1]) for t, _ in tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    names = [t for t, _ in tags]
    assert names.count("main") == 1 and names.count("nav") == 1 and names.count("caption") == names.count("table")
    assert all("scope" in a for t, a in tags if t == "th")
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    for target in {(a["href"] or "")[1:] for _, a in tags if "href" in a}:
        assert target in ids, target


def test_it_reads_without_its_script(page: str) -> None:
    tags = Tags(page)
    seen = " ".join(" ".join(tags.texts).split())
    for text in ("ship export-cpu-int4", "nothing fits the budget", "1403 tok/s", "96.0 %", "lamps-test-0000", "Holm"):
        assert text in seen, text
    assert seen.count("of 5 right") == 50 and "300 more did not fit" in seen
    assert all("hidden" in a for _, a in tags.seen if "js-only" in (a.get("class") or ""))


def test_labels_stand_once_at_the_top(page: str) -> None:
    (top,) = re.findall(r'<ul class="cautions".*?</ul>', page, re.DOTALL)
    assert re.findall(r"<li>(synthetic data|emulated device)", top) == ["emulated device", "synthetic data"]
    assert page.index(top) < page.index("<dl") and 'class="label"' not in page
    for svg in re.findall(r"<desc.*?</desc>", page, re.DOTALL):  # a drawing may be read or copied on its own
        assert "synthetic data" in svg or " at step " in svg


def test_the_checklist_names_what_is_missing(page: str) -> None:
    (section,) = re.findall(r'<section id="checklist".*?</section>', page, re.DOTALL)
    assert "<bdi>tiny/finetune.1</bdi>: 1 of 2 recorded." in section
    assert '<th scope="row">seeds</th><td>finetune.seed 0</td></tr>' in section
    assert '<th scope="row">commit</th><td><b>missing</b>: keep the project in git</td></tr>' in section
    assert "no fine-tune of this recipe is recorded here" in to_html(make_document(checklists={}))


def test_what_was_not_measured_is_said_and_linked(page: str) -> None:
    assert 'id="note-1"' in page and "the PyTorch parent is measured for accuracy only" in page
    assert re.search(r'data-metric="kl_divergence" data-value="">–<sup><a href="#note-2"', page)


def test_without_vl_convert_the_page_says_how_to_get_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    page = to_html(make_document())
    assert "<svg" not in page and "pip install &#39;olivepress[report]&#39;" in page


def test_examples_that_do_not_fit_are_counted() -> None:
    document = make_document()
    long = tuple(
        Example(id=f"e{number}", expected="x" * 5000, label=None, answers=document.examples[number % 300].answers)
        for number in range(1200)
    )
    page = to_html(replace(document, examples=long))
    assert len(page.encode()) <= MAX_BYTES
    data = json.loads(DATA.findall(page)[0])
    assert 0 < len(data["examples"]) < 1200 and len(data["examples"]) + data["examples_left_out"] == 1500


def test_artifacts_that_cannot_be_told_apart_stand_beside_each_other() -> None:
    document = make_document()
    first = document.decisions[0]
    both = tuple(candidate.name for candidate in first.candidates)
    undecided = replace(first, chosen=both, headline="not distinguishable", outcome="not_distinguishable")
    summed = with_summaries((undecided,), document.rows, lookup_in(document.verdicts), {})
    page = to_html(replace(document, decisions=summed))
    (card,) = re.findall(r"<article class=.card chosen.*?</article>", page, re.DOTALL)
    assert "not distinguishable" in card and "1403 tok/s" in card and "812 tok/s" in card
    assert card.count('<p class="of">') == 2


def test_an_empty_document_is_a_page() -> None:
    page = to_html(Document(title="t", columns=(), rows=(), decisions=(), verdicts=(), remarks=(), footnotes=()))
    for text in ("No decision", "Nothing was compared", "No examples", "Everything asked for was measured"):
        assert text in page


def test_numbers_that_are_not_finite_are_refused() -> None:
    document = make_document()
    broken = replace(document.verdicts[0], p_value=float("nan"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_html(replace(document, verdicts=(broken,)))


def test_lines_of_an_answer_stay_lines() -> None:
    assert multiline("a\r\n\tb\x1b\u202e") == "a\n    b\ufffd\ufffd"


def test_the_files(tmp_path: Path) -> None:
    made = write_report_page(make_document(), tmp_path / "page")
    found = sorted(p.name for p in (tmp_path / "page").iterdir())
    assert found == ["plots", "report.csv", "report.html", "report.json", "report.md"]
    assert made["html"].read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("name", ["llama_bench", "optimum_benchmark", "mlperf_client", "olive_metrics"])
def test_imported_reports_have_a_page(name: str) -> None:
    """They state no memory and no cores: null is shown, nothing is made up."""
    file = Path(__file__).parent.parent / "measure" / "importers" / f"{name}.json"
    found = import_results(file, recipe="imported", job=name, now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    rows = tuple(
        Row(
            name=f"{name} {number}",
            short=f"{name} {number}",
            role="exported",
            machine=report.machine.id,
            labels=(),
            report=report,
        )
        for number, report in enumerate(found)
    )
    page = to_html(make_document(rows=rows, decisions=(), verdicts=(), examples=(), training={}))
    assert "<table" in page and str(found[0].machine.cpu) in page and FIRST not in page
