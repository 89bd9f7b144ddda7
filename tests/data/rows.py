"""Rows as a prepared dataset has them."""

from __future__ import annotations


def row(number: int, question: str, answer: str) -> dict[str, object]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": f"r{number}", "messages": messages, "label": None}
