"""``olivepress adapters list``."""

from __future__ import annotations

import json

from olivepress.cli.options import JsonOption, PackageArgument

__all__ = ["list_"]


def list_(package: PackageArgument, as_json: JsonOption = False) -> None:
    """Show the base of a package and its adapters."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from olivepress.adapters import read_package
    from olivepress.runtimes.artifact_safety import check_artifact

    contents = read_package(package)
    check_artifact(package)
    if as_json:
        print(json.dumps(contents.model_dump(mode="json"), indent=2))
        return
    random = ", random weights" if contents.random_weights else ""
    print(f"{package}: base {contents.base_model}{random}, {contents.target}, {len(contents.inputs)} LoRA inputs")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for title in ("adapter", "rank", "alpha", "modules", "size", "data", "task"):
        table.add_column(title, no_wrap=title == "adapter")
    for name, adapter in contents.adapters.items():
        ranks, size = "/".join(map(str, adapter.ranks)), f"{adapter.bytes / 1e6:.2f} MB"
        origin, data = adapter.origin, "elsewhere"
        if origin.dataset:
            data = f"{origin.dataset} {(origin.dataset_version or '')[:12]}"
        modules = ", ".join(adapter.target_modules)
        table.add_row(name, ranks, f"{adapter.alpha:g}", modules, size, data, origin.task or "")
    Console(highlight=False, markup=False).print(table)
