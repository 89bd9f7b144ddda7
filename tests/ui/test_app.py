"""The pages as a client gets them: who is answered, what is shown, and what cannot be read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from olivepress.charts.style import style_sheet
from olivepress.core.artifact import Check
from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import recipe_runs, training_dir
from olivepress.core.process import exclusive
from olivepress.data.build import build_dataset
from olivepress.data.store.dataset import write_dataset
from olivepress.recipe.schema import Data
from olivepress.ui.guard import POLICY
from tests.compare.hostile import HOSTILE
from tests.conftest import ROOT
from tests.pipeline.test_stored_comparison import RECIPE_TEXT
from tests.ui.project import ESTIMATED, RECIPE, event, write_artifact, write_log, write_measured

Ask = Callable[..., Any]
JOB = "/runs/lamps/jobs/export-cpu-int4"
PAGES = ("/", "/reports", "/data", "/runs/lamps", "/runs/lamps/comparison", JOB, f"{JOB}/log")


class Parsed(HTMLParser):
    """The elements of a page, and whatever in it could run or load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.active: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            local = value is not None and re.match(r"(/|#)(?!/)", value)
            if name.startswith("on") or name == "style" or (name in ("src", "href", "action") and not local):
                self.active.append(f"{tag} {name}={value}")


@pytest.fixture
def finished() -> None:
    event("started", "export-cpu-int4", estimated=ESTIMATED)
    event("finished", "export-cpu-int4")
    write_artifact("export-cpu-int4")
    write_log("export-cpu-int4", "first line\nlast line\n")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_ours_alone(ask: Ask, finished: None, path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY and "unsafe" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    parsed = Parsed(answer.text)
    assert parsed.active == [] and parsed.tags.count("script") == 1 and parsed.tags.count("h1") <= 1


@pytest.mark.parametrize("path", PAGES)
def test_a_project_without_anything(ask: Ask, path: str) -> None:
    status = 200 if path in ("/", "/reports", "/data") else 404
    assert ask(path).status_code == status


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:9000", "[::1]:8000"], ids=lambda host: host
)
def test_hosts_of_this_machine(ask: Ask, host: str) -> None:
    assert ask("/", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "0.0.0.0", "192.168.1.2:8000",
     "localhost:8000@evil", "127.0.0.1:", "", "127.0.0.2"],
)  # fmt: skip
def test_other_hosts_are_refused(ask: Ask, finished: None, host: str) -> None:
    answer = ask("/", host=host)
    assert answer.status_code == 403 and "lamps" not in answer.text
    assert "127.0.0.1 and localhost" in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"])
@pytest.mark.parametrize("path", ["/", JOB])
def test_nothing_but_get(ask: Ask, finished: None, method: str, path: str) -> None:
    answer = ask(path, method=method)
    assert answer.status_code == 405 and answer.headers["allow"] == "GET"


def test_another_site_cannot_read(ask: Ask) -> None:
    assert ask("/", sec_fetch_site="cross-site", sec_fetch_mode="no-cors").status_code == 403
    assert ask("/static/ui.css", sec_fetch_site="same-site", sec_fetch_mode="cors").status_code == 403
    assert ask("/", sec_fetch_site="same-origin", sec_fetch_mode="cors").status_code == 200
    assert ask("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate").status_code == 200  # somebody's link


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/static/app.py", "/static/../app.py"])
def test_there_is_no_other_page(ask: Ask, path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 404 and answer.headers["content-security-policy"] == POLICY


OUTSIDE = (
    "/runs/%2e%2e", "/runs/..%2f..%2fetc", "/runs/lamps/jobs/%2e%2e%2f%2e%2e",
    "/runs/lamps/jobs/logs", f"{JOB}/files/../../secret.txt", f"{JOB}/files/%2e%2e/%2e%2e/secret.txt",
    f"{JOB}/files//etc/passwd", f"{JOB}/files/%2fetc%2fpasswd", f"{JOB}/files/link.json",
    f"{JOB}/files/not-listed.json", f"{JOB}/files/model.onnx", f"{JOB}/files/.hidden.json", "/data/%2e%2e",
    "/data/lamps", "/runs/.lock", "/runs/lamps%00", "/runs/" + "a" * 3000, "/runs/link", "/runs/con",
    "/runs/a%5c..%5cb",
)  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path[:50])
def test_nothing_outside_is_readable(ask: Ask, finished: None, here: Path, path: str) -> None:
    (here.parent / "secret.txt").write_text("SECRET")
    (here.parent / "secret.json").write_text('"SECRET"')
    (here / "runs/secret.txt").write_text("SECRET")
    folder = here / "runs/lamps/export-cpu-int4"
    (folder / "not-listed.json").write_text('"SECRET"')
    (folder / "link.json").symlink_to(here.parent / "secret.json")
    (folder / ".hidden.json").write_text('"SECRET"')
    (here / "runs/link").symlink_to(here.parent)
    (here / "datasets").mkdir()
    answer = ask(path)
    assert answer.status_code == 404 and "<!doctype html>" in answer.text and "SECRET" not in answer.text


def test_links_of_a_listed_file_and_of_a_log_are_not_followed(ask: Ask, finished: None, here: Path) -> None:
    (here.parent / "secret.json").write_text('{"model": {}}\n')  # of the same size as the file that it replaces
    file = here / "runs/lamps/export-cpu-int4/genai_config.json"
    file.unlink()
    file.symlink_to(here.parent / "secret.json")
    assert ask(f"{JOB}/files/genai_config.json").status_code == 404
    assert "outside of the project" in ask(JOB).text
    log = here / "runs/lamps/logs/export-cpu-int4.log"
    log.unlink()
    log.symlink_to(here.parent / "secret.json")
    assert "The log is not there" in ask(f"{JOB}/log").text and "model" not in ask(f"{JOB}/log").text


def test_files_are_those_of_the_manifest(ask: Ask, here: Path) -> None:
    files = {"config.json": '{"a": "<b>"}\n', "large.json": "1" * 300_000, "model.onnx": "x", "notes.txt": "a\0b"}
    write_artifact("export-cpu-int4", files=files | {"sub/map.json": "{}"})
    (here / "runs/lamps/export-cpu-int4/model.onnx").write_text("changed")
    page = ask(JOB).text
    assert f'{JOB}/files/sub/map.json">' in page and f"{JOB}/files/large.json" not in page
    assert f"{JOB}/files/model.onnx" not in page and "changed since" in page
    assert "{&#34;a&#34;: &#34;&lt;b&gt;&#34;}" in ask(f"{JOB}/files/config.json").text
    assert ask(f"{JOB}/files/sub/map.json").status_code == 200
    assert "is larger than 256 kB" in ask(f"{JOB}/files/large.json").text
    assert "is a binary file" in ask(f"{JOB}/files/notes.txt").text
    assert ask(f"{JOB}/files/manifest.json").status_code == 200


def test_a_job_shows_checks_resources_and_estimates(ask: Ask, finished: None) -> None:
    page = ask(JOB).text
    for text in (
        "kl_divergence",
        "0.0125",
        "nats a token",
        "n=40",
        "81 s",
        "2.0 min",
        "672.1 MB",
        "900.0 MB",
        "last line",
    ):
        assert text in page
    overview = ask("/").text
    assert "1 of 1 jobs finished" in overview and "2.0 min" in ask("/runs/lamps").text


def test_a_run_that_goes_on(ask: Ask) -> None:
    event("started", "finetune", estimated=ESTIMATED)
    record = training_dir(RECIPE, "finetune-0").with_name("finetune-0.jsonl")
    with exclusive(recipe_runs(RECIPE)):
        assert "reports no progress" in ask("/runs/lamps/jobs/finetune").text
        for done in (1, 2, 3):
            append_json_line(record, {"done": done, "total": 40, "loss": 4.0 / done, "seconds": done * 2.0})
            for path in ("/", "/runs/lamps", "/runs/lamps/jobs/finetune"):
                assert f"step {done} of 40 · loss {4.0 / done:.3f}" in ask(path).text
        with record.open("a") as file:
            file.write('{"done": 4, "tot')
        page = ask("/runs/lamps/jobs/finetune").text
        assert "step 3 of 40" in page and "74 s left" in page and page.count("<svg") == 2  # of the loss
    assert "step 3 of 40" not in ask("/").text and "stopped" in ask("/runs/lamps").text  # killed
    write_log("finetune", "step\n" * 6_000)
    page = ask("/runs/lamps/jobs/finetune").text
    assert page.count("<svg") == 2 and ">None<" not in page and "The end of 30 kB" in page


def test_a_hostile_project(ask: Ask, here: Path) -> None:
    event("started", "export-cpu-int4")
    event("failed", "export-cpu-int4", reason=HOSTILE)
    write_log("export-cpu-int4", HOSTILE + "\n" + HOSTILE)
    check = Check(name=HOSTILE, passed=False, value=1.0, detail=HOSTILE)
    changes = {"base_model": HOSTILE, "versions": {HOSTILE: HOSTILE}, "checks": (check,), "family": HOSTILE}
    write_artifact("merge", target=HOSTILE, execution_provider=HOSTILE, **changes)
    write_measured("export-cpu-int4", precision=HOSTILE, execution_provider=HOSTILE)
    (here / "benchmarks/results/box/lamps").mkdir(parents=True)
    (here / "benchmarks/results/box/lamps/x.json").write_text(json.dumps({"schema_version": HOSTILE}))
    seen = 0
    for path in ("/", "/reports", "/runs/lamps", JOB, f"{JOB}/log", "/runs/lamps/jobs/merge", "/runs/lamps/comparison"):
        answer = ask(path)
        parsed = Parsed(answer.text)
        assert answer.status_code == 200 and parsed.active == []
        assert parsed.tags.count("script") == 1 and "img" not in parsed.tags
        assert "\x1b" not in answer.text and "\u202e" not in answer.text
        seen += "&lt;script&gt;" in answer.text
    assert seen >= 5


def test_a_broken_project_is_still_shown(ask: Ask, here: Path) -> None:
    folder = here / "runs/lamps"
    (folder / "merge").mkdir(parents=True)
    (folder / "merge/manifest.json").write_bytes(b"\xff" * 100)
    (folder / "finetune").mkdir()
    os.mkfifo(folder / "finetune/manifest.json")
    (folder / "journal.jsonl").write_bytes(b'{"event": "started", "job": "merge", "key": ""}\n' + b"[" * 10_000)
    (here / "benchmarks/results/box/lamps").mkdir(parents=True)
    (here / "benchmarks/results/box/lamps/merge.json").write_text('{"schema_version": 2,')
    assert "unreadable" in ask("/runs/lamps").text
    assert "not complete JSON" in ask("/reports").text
    comparison = ask("/runs/lamps/comparison")
    assert comparison.status_code == 200 and "no device report to compare" in comparison.text
    assert ask("/runs/lamps/comparison/page").status_code == 500


def test_the_comparison_is_written_anew_when_the_recipe_changes(ask: Ask, here: Path) -> None:
    write_measured("export-cpu-int4")
    assert "the limits of its budget are not applied" in ask("/runs/lamps/comparison").text
    before = ask("/runs/lamps/comparison/page").text
    assert ask("/runs/lamps/comparison/page").text == before
    (here / "recipes").mkdir()
    (here / "recipes/lamps.yaml").write_text(RECIPE_TEXT)
    assert "are not applied" not in ask("/runs/lamps/comparison").text
    assert ask("/runs/lamps/comparison/page").text != before
    policy = ask("/runs/lamps/comparison/page").headers["content-security-policy"]
    assert "default-src 'none'" in policy and policy.endswith("frame-ancestors 'self'; sandbox allow-scripts")


def test_the_audit_of_a_dataset(ask: Ask, here: Path) -> None:
    directory = write_dataset(build_dataset(Data(demo="phrase-tone", max_train_rows=16, max_test_rows=6)))
    assert f"/data/{directory.name}" in ask("/data").text
    page = ask(f"/data/{directory.name}/page")
    assert "Every row accounted for" in page.text
    assert page.headers["content-security-policy"].endswith("frame-ancestors 'self'; sandbox")
    with (directory / "train.jsonl").open("a") as file:
        file.write("{}")
    answer = ask(f"/data/{directory.name}")
    assert answer.status_code == 200 and "they were changed" in answer.text and "<iframe" not in answer.text


def test_own_paths_and_tokens_are_not_shown(ask: Ask, finished: None, here: Path) -> None:
    write_log("export-cpu-int4", f"File {here}/runs/x.py\nFile /home/anna/x.py\ntoken hf_0123456789abcdef\n")
    page = ask(f"{JOB}/log").text
    assert "File ./runs/x.py\nFile ~/x.py\ntoken [hidden]" in page and str(here) not in page


def test_every_color_is_one_of_the_style_sheet() -> None:
    css = (ROOT / "src/olivepress/ui/ui.css").read_text(encoding="utf-8")
    used = set(re.findall(r"var\((--[\w-]+)\)", css))  # those with a value of their own beside them may be missing
    defined = set(re.findall(r"(--[\w-]+):", style_sheet()))
    assert len(used) > 8 and used <= defined
