"""Hooks of MkDocs: the repository's pages outside docs/ join the site, and the built site loads nothing from elsewhere.

Links between pages are written as they work in the repository (``../benchmarks/adapters.md``); they are rewritten here.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/**/*.md", "benchmarks/*.png")
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc\s*=\s*["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b(?![^>]*\brel=["']?canonical)[^>]*?\bhref\s*=\s*["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<object\b[^>]*?\bdata\s*=\s*["']?(?:https?:)?//[^"'\s>]+"""
    r"""|class=["']?mermaid""",  # Material would load its diagrams' script from a CDN
    re.IGNORECASE,
)
_LOADED_BY_STYLE = re.compile(r"""@import\s+[^;]*//[^;]+|url\(\s*["']?(?:https?:)?//[^)]+""", re.IGNORECASE)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages and pictures that are next to docs/ in the repository."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    for path in sorted((ROOT / "docs").glob("*.ipynb")):
        files.append(File.generated(config, path.with_suffix(".md").name, content=notebook_page(path)))
    return files


def notebook_page(path: Path) -> str:
    """A notebook as Markdown: its texts, and its code in fences. Links to notebooks lead to these pages."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
    parts.insert(1, f'<a href="{path.name}" download>Download this page as a notebook</a>')
    return "\n\n".join(parts) + "\n"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite links that leave docs/, or come from outside of it, to where the pages stand in the site."""
    source = page.file.src_uri
    path = page.file.abs_src_path  # None of what a notebook became
    folder = Path(path).relative_to(ROOT).parent.as_posix() if path else "docs"

    def rewritten(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1])).replace(".ipynb", ".md")
        return posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(source) or ".")

    return _LINK.sub(rewritten, markdown)


def on_post_build(config: Any) -> None:
    """Raise PluginError when a page or a style sheet would load something from another host."""
    site = Path(config.site_dir)
    pages, styles = sorted(site.rglob("*.html")), sorted(site.rglob("*.css"))
    if not pages or not styles:
        raise PluginError(f"{site} holds no pages or no style sheets")
    for path, pattern in [*((path, _LOADED) for path in pages), *((path, _LOADED_BY_STYLE) for path in styles)]:
        loaded = pattern.search(path.read_text(encoding="utf-8"))
        if loaded:
            raise PluginError(f"{path} loads something from elsewhere: {loaded[0][:200]}")
