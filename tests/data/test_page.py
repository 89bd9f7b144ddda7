"""The audit page: complete without a network, and no text of a file can become part of it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from olivepress.data.build import prepare_files
from olivepress.data.page import audit_page, write_audit_page
from olivepress.data.policy import Policy
from olivepress.data.store.dataset import write_dataset
from tests.data.planted import clean_rows, write_jsonl

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202e"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_tells_the_account_and_takes_no_markup(tmp_path: Path) -> None:
    rows = [{"text": r["prompt"], "label": HOSTILE if n % 3 else "plain"} for n, r in enumerate(clean_rows(90))]
    rows += [{"text": rows[0]["text"], "label": rows[0]["label"]}, {"text": "", "label": "x"}]
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    origin = {"origin": HOSTILE, "licence": "CC BY 4.0"}
    dataset = prepare_files([str(source)], Policy(), name="mine", origin=origin)
    page = audit_page(dataset)
    assert "92 rows in from 1 file = 90 kept + 2 dropped." in page
    assert "duplicate: same prompt and answer" in page and "rows.jsonl:91" in page and "CC BY 4.0" in page
    assert "do not fine-tune: few-shot or retrieval will work better" in page
    tags = Tags()
    tags.feed(page)
    names = {name for name, _ in tags.found}
    assert "script" not in names and "img" not in names and "svg" in names
    outside = [v for _, a in tags.found for k, v in a.items() if k in ("src", "href") and v and not v.startswith("#")]
    assert outside == [] and not any(key.startswith("on") for _, a in tags.found for key in a)
    assert "\u202e" not in page
    directory = write_dataset(dataset, tmp_path)
    assert write_audit_page(dataset, directory) == directory / "audit.html"
    assert (directory / "audit.html").read_text(encoding="utf-8") == page
