"""The benchmark of fine-tuning methods: its cells and its table, without a training."""

from __future__ import annotations

from typing import Any

import methods
import pytest

ROWS = [f"test-{number}" for number in range(10)]


def outcomes(right: int) -> dict[str, bool]:
    return {row: number < right for number, row in enumerate(ROWS)}


def cell(method: str, seed: int | None, right: int, **taken: Any) -> dict[str, Any]:
    return {"method": method, "seed": seed, "key": "k", "right": methods.packed(outcomes(right), ROWS), **taken}


@pytest.mark.parametrize("right", [0, 1, 9, 10])
def test_the_rows_of_a_cell_are_read_as_they_were_packed(right: int) -> None:
    assert methods.right_rows(cell("lora", 0, right), ROWS) == outcomes(right)


def test_a_wrong_first_row_keeps_its_place() -> None:
    only_last = {row: row == ROWS[-1] for row in ROWS}
    assert methods.right_rows({"right": methods.packed(only_last, ROWS)}, ROWS) == only_last


def test_the_table_compares_the_same_seeds_and_names_what_is_missing() -> None:
    shipped = {"step": 400, "steps": 600, "total": 1600, "metric": "loss", "value": 0.1, "keep": "best"}
    took = {"seconds": 7200, "threads": 2, "peak_memory_bytes": 4_800_000_000, "shipped": shipped}
    cells = [
        cell("lora", 0, 7, **took), cell("base", None, 1), cell("few-shot", None, 2), cell("full", 0, 9, **took),
        cell("full", 1, 3, **took),
    ]  # fmt: skip
    records = {one["method"]: one for one in methods.summary(cells, ROWS)}
    assert list(records) == ["base", "few-shot", "lora", "full"]
    assert records["full"]["to_lora"]["difference"] == pytest.approx(0.2)  # seed 1 has no LoRA to compare with
    assert records["full"]["to_lora"]["n"] == len(ROWS)
    assert records["base"]["to_lora"] is None
    measured = {(one["method"], one["seed"]) for one in cells}
    text = methods.markdown({"rows": len(ROWS), "methods": list(records.values()), "measured": measured})
    assert "| LoRA, r 16 | 0 | 70.0 % (39.7 to 89.2) | step 400 of 600 | 2.0 x 2 | 4.8 GB | – |" in text
    assert "Not measured yet: LoRA, r 16, seed 1; LoRA, r 16, seed 2; DoRA" in text


def test_another_setting_is_another_cell() -> None:
    assert methods.cell_key("lora", 0) != methods.cell_key("lora", 1)
    assert methods.cell_key("lora", 0) != methods.cell_key("full", 0)
