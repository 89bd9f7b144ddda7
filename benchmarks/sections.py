"""Generated sections of benchmarks/README.md: each stands between two markers, the rest is written by hand."""

from __future__ import annotations

from pathlib import Path

__all__ = ["README", "replaced", "write_section"]

README = Path(__file__).parent / "README.md"


def replaced(text: str, name: str, section: str) -> str:
    """``text`` with what stands between the markers of ``name`` replaced; markers are added at the end if absent."""
    begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    body = f"{begin}\n\n{section.strip()}\n\n{end}"
    if begin not in text:
        return f"{text.rstrip()}\n\n{body}\n".lstrip()
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + body + after


def write_section(name: str, section: str) -> None:
    """Write the section into benchmarks/README.md."""
    text = README.read_text(encoding="utf-8") if README.is_file() else ""
    README.write_text(replaced(text, name, section), encoding="utf-8")
