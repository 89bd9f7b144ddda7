"""The check of the package's layout finds what it is there to find, and nothing in the package as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import check_layout
from tests.conftest import ROOT


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


CYCLE = {"a/x.py": "def f():\n    from p.a import y\n", "a/y.py": "import p.a.x\n"}
NESTED = "a = 1 if b else (2 if c else 3)\n"
LONG = "def long():\n" + "    pass\n" * 61
CASES = {
    "a cycle through a lazy import": (CYCLE, "import cycle: p.a."),
    "a flat module": ({"flat.py": ""}, "flat.py: a module beside the packages"),
    "a long function": ({"a/x.py": LONG}, "x.py:1: long has 62 lines, at most 60"),
    "a long module": ({"a/x.py": "pass\n" * 351}, "x.py: 351 lines, at most 350"),
    "a nested conditional": ({"a/x.py": NESTED}, "x.py:1: a conditional expression inside another"),
    "many modules": ({f"a/m{number}.py": "" for number in range(26)}, "26 modules at one level, at most 25"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_it_finds(case: str, tmp_path: Path) -> None:
    files, expected = CASES[case]
    root = tmp_path / "p"
    write(root, {"__init__.py": "", "__main__.py": "", "a/__init__.py": "", **files})
    (problem,) = check_layout.problems(root, check_layout.modules(root))
    assert expected in problem


def test_the_package_is_in_order() -> None:
    root = ROOT / "src" / "olivepress"
    trees = check_layout.modules(root)
    assert len(trees) > 300
    assert list(check_layout.problems(root, trees)) == []
