"""The benchmark of fine-tuning methods: its cells and its table, without a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gain_retained
import methods
import pytest
from sections import write_section

ROWS = [f"test-{number}" for number in range(10)]
VERSIONS = {"torch": "2.13.0", "transformers": "4.57.6", "peft": "0.21.2", "olive-ai": "0.13.0"}
SHIPPED = {"step": 400, "steps": 600, "total": 1600, "metric": "loss", "value": 0.1, "keep": "best"}
TOOK = {
    "seconds": 7200, "threads": 2, "peak_memory_bytes": 4_800_000_000, "shipped": SHIPPED, "machine": "x86_64-intel-2c",
}  # fmt: skip


def outcomes(right: int) -> dict[str, bool]:
    return {row: number < right for number, row in enumerate(ROWS)}


def cell(method: str, seed: int | None, right: int, **taken: Any) -> dict[str, Any]:
    answered = {"key": "k", "device": "cpu", "versions": VERSIONS, "right": methods.packed(outcomes(right), ROWS)}
    return {"method": method, "seed": seed, **answered, **taken}


@pytest.mark.parametrize("right", [0, 1, 9, 10])
def test_the_rows_of_a_cell_are_read_as_they_were_packed(right: int) -> None:
    assert methods.right_rows(cell("lora", 0, right), ROWS) == outcomes(right)


def test_a_wrong_first_row_keeps_its_place() -> None:
    only_last = {row: row == ROWS[-1] for row in ROWS}
    assert methods.right_rows({"right": methods.packed(only_last, ROWS)}, ROWS) == only_last


def test_the_table_compares_the_same_seeds_and_names_what_is_missing() -> None:
    cells = [
        cell("lora", 0, 7, **TOOK), cell("base", None, 1), cell("few-shot", None, 2), cell("full", 0, 9, **TOOK),
        cell("full", 1, 3, **TOOK),
    ]  # fmt: skip
    records = {one["method"]: one for one in methods.summary(cells, ROWS)}
    assert list(records) == ["base", "few-shot", "lora", "full"]
    assert records["full"]["to_lora"]["difference"] == pytest.approx(0.2)  # seed 1 has no LoRA to compare with
    assert records["full"]["to_lora"]["n"] == len(ROWS)
    assert records["base"]["to_lora"] is None
    text = page(cells)
    assert "| LoRA, r 16 | 0 | CPU | 70.0 % (39.7 to 89.2) | step 400 of 600 | 2.0 x 2 | 4.8 GB | – |" in text
    assert "Not measured yet: LoRA, r 16, seed 1; LoRA, r 16, seed 2; DoRA" in text
    assert "Packages: x86_64-intel: torch 2.13.0, transformers 4.57.6, peft 0.21.2, olive-ai 0.13.0." in text


def page(cells: list[dict[str, Any]]) -> str:
    measured = {(one["method"], one["seed"]) for one in cells}
    return methods.markdown({"rows": len(ROWS), "methods": methods.summary(cells, ROWS), "measured": measured})


def test_devices_are_not_compared_with_each_other() -> None:
    on_gpu = TOOK | {"device": "cuda", "accelerator": "NVIDIA H200", "seconds": None, "not_timed": "nine at a time"}
    cells = [cell("lora", 0, 7, **TOOK), cell("lora", 0, 6, **on_gpu), cell("full", 0, 9, **on_gpu)]
    records = {(one["method"], one["cells"][0]["device"]): one for one in methods.summary(cells, ROWS)}
    assert records["full", "cuda"]["to_lora"]["difference"] == pytest.approx(0.3)
    text = page(cells)
    assert "| full fine-tuning | 0 | NVIDIA H200 | 90.0 % (59.6 to 98.2) | step 400 of 600 | – | 4.8 GB | +30.0" in text
    assert "Not timed: nine at a time." in text


def test_both_benchmarks_write_one_page(tmp_path: Path) -> None:
    file = tmp_path / "gain_retained.md"
    gain_retained.write_page("# Gain\n", file)
    write_section(gain_retained.METHODS_SECTION, "## Ways", file)
    gain_retained.write_page("# Gain again\n", file)
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# Gain again\n") and "\n## Ways\n" in text


def test_another_setting_is_another_cell() -> None:
    assert methods.cell_key("lora", 0) != methods.cell_key("lora", 1)
    assert methods.cell_key("lora", 0) != methods.cell_key("full", 0)
    assert methods.cell_key("lora", 0, "cpu") != methods.cell_key("lora", 0, "cuda")
