"""The documentation says what is there: its links, its commands, its make targets; the README is short."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.main import get_command

from olivepress.cli.main import app
from olivepress.recipe.schema import Recipe
from tests.conftest import ROOT

GENERATED = {"docs/reference.md", "docs/targets.md"}
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/README.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
)
WRITTEN = [path for path in PAGES if path.relative_to(ROOT).as_posix() not in GENERATED]
_LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)")
_FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_MAKE = re.compile(r"(?<!abtest )\bmake ([a-z][a-z-]*)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands(text: str) -> list[str]:
    """Every line that begins with ``olivepress``, in fenced blocks and in code spans."""
    blocks = _FENCE.findall(text)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    lines += _SPAN.findall(_FENCE.sub("", text))
    parts = [part.strip() for line in lines for part in re.split(r"\||&&", line.split(" #")[0])]
    return [part for part in parts if part.startswith("olivepress ")]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_command_exists(page: Path) -> None:
    for command in commands(page.read_text(encoding="utf-8")):
        check_command(command)


def check_command(command: str) -> None:
    """Each verb and each option of a command line is one of olivepress."""
    node: Any = get_command(app)
    words = shlex.split(command)[1:]
    while words and hasattr(node, "commands") and not words[0].startswith("-"):
        assert words[0] in node.commands, f"{command}: no command {words[0]}"
        node = node.commands[words.pop(0)]
    known = {option for parameter in node.params for option in parameter.opts} | {"--help", "--debug", "--version"}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known]
    assert not unknown, f"{command}: no option {unknown}"


def test_commands_are_looked_for() -> None:
    found = [command for page in WRITTEN for command in commands(page.read_text(encoding="utf-8"))]
    assert len(found) > 60 and "olivepress data check - --type csv" in found
    with pytest.raises(AssertionError, match="no option"):
        check_command("olivepress tune export --no-such-option")
    with pytest.raises(AssertionError, match="no command"):
        check_command("olivepress data nothing")


def test_every_recipe_is_valid() -> None:
    blocks = [yaml.safe_load(block) for page in WRITTEN for block in _YAML.findall(page.read_text(encoding="utf-8"))]
    recipes = [block for block in blocks if {"name", "model"} <= set(block)]
    assert len(recipes) >= 4
    for recipe in recipes:
        Recipe.model_validate_json(json.dumps(recipe))


def test_the_target_that_the_docs_add_is_rendered(
    project: Path, olivepress: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (block,) = _YAML.findall((ROOT / "docs/extending/target.md").read_text(encoding="utf-8"))
    (project / "recipes/targets").mkdir()
    (project / "recipes/targets/edge.yaml").write_text(block, encoding="utf-8")
    recipe = (project / "recipes/tiny-phi.yaml").read_text(encoding="utf-8")
    recipe = recipe.replace("name: tiny-phi", "name: mine").replace("[cpu-fp32, cpu-int4, cuda-int4]", "[edge]")
    (project / "recipes/mine.yaml").write_text(recipe, encoding="utf-8")
    done = olivepress("render", "recipes/mine.yaml")
    assert done.returncode == 0, done.stderr
    assert (project / "olive_configs/mine/export-edge-int4.yaml").is_file(), done.stdout


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    code = [*_FENCE.findall(text), *_SPAN.findall(_FENCE.sub("", text))]
    named = {target for piece in code for target in _MAKE.findall(piece)}
    assert named <= targets


def test_every_room_is_described() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Rooms")[2].partition("\n## ")[0]
    rooms = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    packages = {path.parent.name for path in (ROOT / "src/olivepress").glob("*/__init__.py")}
    assert len(rooms) == len(set(rooms)) and set(rooms) == packages


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(pages_of(yaml.safe_load(navigation)["nav"]))
    assert {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")} <= listed


def pages_of(navigation: Any) -> list[str]:
    if isinstance(navigation, str):
        return [navigation]
    children = navigation.values() if isinstance(navigation, dict) else navigation
    return [page for child in children for page in pages_of(child)]


def test_ci_calls_make_targets() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    steps = yaml.safe_load(workflow)["jobs"]["test"]["steps"]
    called = [step["run"] for step in steps if "run" in step]
    assert called and all(call.removeprefix("make ") in targets for call in called)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("index.html", '<script src="https://cdn.example/x.js"></script>'),
        ("index.html", "<link rel=stylesheet href=//fonts.example/css>"),
        ("site.css", "@import url(https://fonts.example/css);"),
        ("index.html", '<pre class="mermaid">'),
    ],
)
def test_a_site_that_loads_from_elsewhere_is_refused(tmp_path: Path, file: str, text: str) -> None:
    pytest.importorskip("mkdocs")
    check = runpy.run_path(str(ROOT / "scripts/docs_site.py"))["on_post_build"]
    (tmp_path / "index.html").write_text('<a href="https://example.org">a link</a><link rel="icon" href="a.png">')
    (tmp_path / "site.css").write_text("body { background: url(a.png) }")
    check(config=SimpleNamespace(site_dir=str(tmp_path)))
    (tmp_path / file).write_text(text)
    with pytest.raises(Exception, match="loads something from elsewhere"):
        check(config=SimpleNamespace(site_dir=str(tmp_path)))


@pytest.mark.parametrize(
    ("page", "link", "rewritten"),
    [
        ("docs/adapters.md", "../benchmarks/adapters.md", "benchmarks/adapters.md"),
        ("docs/extending/target.md", "../../SECURITY.md", "../SECURITY.md"),
        ("docs/extending/target.md", "../reference.md#targets", "../reference.md#targets"),
        ("CONTRIBUTING.md", "docs/architecture.md#rooms", "architecture.md#rooms"),
        ("benchmarks/README.md", "../docs/gain_retained.md", "../gain_retained.md"),
        ("docs/index.md", "https://example.org/docs/a.md", "https://example.org/docs/a.md"),
    ],
)
def test_links_are_those_of_the_repository(page: str, link: str, rewritten: str) -> None:
    pytest.importorskip("mkdocs")
    rewrite = runpy.run_path(str(ROOT / "scripts/docs_site.py"))["on_page_markdown"]
    file = SimpleNamespace(src_uri=page.removeprefix("docs/"), abs_src_path=str(ROOT / page))
    assert rewrite(f"[a]({link})", SimpleNamespace(file=file)) == f"[a]({rewritten})"
