"""Checks the layout of the package: ``check_layout.py`` prints its figures, and exits with 1 when a limit is exceeded.

import-linter holds the order of the rooms; this script counts what it cannot: import cycles through lazy imports,
modules at one level, long modules and functions, conditional expressions inside others.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path("src", "olivepress")
MODULE_LINES, FUNCTION_LINES, MODULES_AT_ONE_LEVEL = 350, 60, 25
ENTRY_POINTS = ("__init__.py", "__main__.py")

Trees = Mapping[str, tuple[Path, ast.Module]]


def modules(root: Path) -> Trees:
    """Dotted name → file and syntax tree of every module below ``root``."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = (root.name, *path.relative_to(root).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = (path, ast.parse(path.read_text(encoding="utf-8")))
    return found


def imports(trees: Trees) -> dict[str, set[str]]:
    """Module → the modules of the package that it imports, inside functions too."""
    edges: dict[str, set[str]] = {name: set() for name in trees}
    for name, (_, tree) in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    target = f"{node.module}.{alias.name}"
                    edges[name].add(target if target in trees else node.module)
            elif isinstance(node, ast.Import):
                edges[name] |= {alias.name for alias in node.names}
    return {name: {target for target in targets if target in trees} - {name} for name, targets in edges.items()}


def problems(root: Path, trees: Trees) -> Iterator[str]:
    """One line for each limit that is exceeded."""
    for path in root.glob("*.py"):
        if path.name not in ENTRY_POINTS:
            yield f"{path}: a module beside the packages; move it into one of them"
    for directory in {path.parent for path, _ in trees.values()}:
        count = sum(path.name != "__init__.py" for path in directory.glob("*.py"))
        if count > MODULES_AT_ONE_LEVEL:
            yield f"{directory}: {count} modules at one level, at most {MODULES_AT_ONE_LEVEL}"
    for path, tree in trees.values():
        yield from _long_parts(path, tree)
    try:
        TopologicalSorter(imports(trees)).prepare()
    except CycleError as error:
        yield f"import cycle: {' → '.join(error.args[1])}"


def _long_parts(path: Path, tree: ast.Module) -> Iterator[str]:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if lines > MODULE_LINES:
        yield f"{path}: {lines} lines, at most {MODULE_LINES}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}"
        elif isinstance(node, ast.IfExp) and _contains_another(node):
            yield f"{path}:{node.lineno}: a conditional expression inside another"


def _contains_another(node: ast.IfExp) -> bool:
    return any(isinstance(other, ast.IfExp) for other in ast.walk(node) if other is not node)


def main() -> int:
    trees = modules(SOURCE)
    found = sorted(problems(SOURCE, trees))
    print("\n".join(found) or f"layout: {len(trees)} modules, no problems found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
