"""Generated sections of a page: each stands between two markers, the rest is written by hand or by another script."""

from __future__ import annotations

from pathlib import Path

__all__ = ["README", "replaced", "section_of", "write_section"]

README = Path(__file__).parent / "README.md"


def replaced(text: str, name: str, section: str) -> str:
    """``text`` with what stands between the markers of ``name`` replaced; markers are added at the end if absent."""
    begin, end = markers(name)
    body = f"{begin}\n\n{section.strip()}\n\n{end}"
    if begin not in text:
        return f"{text.rstrip()}\n\n{body}\n".lstrip()
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + body + after


def section_of(text: str, name: str) -> str:
    """What stands between the markers of ``name``; empty without them."""
    begin, end = markers(name)
    return text.partition(begin)[2].partition(end)[0].strip()


def markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: generated -->", f"<!-- {name}: end -->"


def write_section(name: str, section: str, page: Path = README) -> None:
    """Write the section into the page."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    page.write_text(replaced(text, name, section), encoding="utf-8")
