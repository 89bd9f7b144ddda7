"""The record as Markdown. A number that was not measured is a dash with its reason below the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["figure", "markdown"]

Figure = Mapping[str, Any]
HEAD = (
    "| | decode tok/s | prefill tok/s | KL nats/token | top-1 | on disk | peak memory | read a token | of bandwidth |"
)
RULE = "|---|---:|---:|---:|---:|---:|---:|---:|---:|"


def figure(found: Figure, digits: int = 3, unit: float = 1.0, reasons: list[str] | None = None) -> str:
    """``value (low to high)`` with ``digits`` significant digits; a dash and a number into ``reasons`` without one."""
    if found.get("value") is None:
        return _footnote(str(found.get("reason", "not measured")), reasons if reasons is not None else [])
    text = _number(found["value"] * unit, digits)
    if found.get("ci_low") is None:
        return text
    return f"{text} ({_number(found['ci_low'] * unit, digits)} to {_number(found['ci_high'] * unit, digits)})"


def _number(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.{digits - 1}e}"
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e" in text else text


def _footnote(reason: str, reasons: list[str]) -> str:
    if reason not in reasons:
        reasons.append(reason)
    return f"– [{reasons.index(reason) + 1}]"


def markdown(record: Mapping[str, Any]) -> str:
    reasons: list[str] = []
    lines = [*_head(record), "", HEAD, RULE]
    lines += [_row(one, reasons) for one in record["subjects"].values() if one["role"] != "attempt"]
    lines += ["", "### Goals", "", *_goals(record["goals"], reasons)]
    attempts = [one for one in record["subjects"].values() if one["role"] == "attempt"]
    if attempts:
        lines += ["", "### What else was tried", "", "Measured in the same rounds.", "", HEAD, RULE]
        lines += [_row(one, reasons) for one in attempts]
    lines += _kernels(record)
    if reasons:
        lines += ["", *(f"[{number}] {reason}  " for number, reason in enumerate(reasons, start=1))]
    return "\n".join(lines) + "\n"


def _head(record: Mapping[str, Any]) -> list[str]:
    machine, speed, trained = record["machine"], record["speed_model"], record["trained_model"]
    ceiling, texts = record["ceiling"], trained["texts"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return [
        "## Against other runtimes",
        "",
        f"`make peers`, {record['date']}, on {machine['id']}, {record['threads']} threads; {versions}.",
        "",
        f"Speed: prompt of {record['prompt_tokens']} tokens, {record['generated_tokens']} generated, on a Llama shape "
        f"of {speed['parameters'] / 1e6:.0f} M parameters with **random weights** (speed and size do not depend on "
        f"them). {record['rounds']} interleaved rounds, the order rotated, a fresh process for each figure; median "
        f"over rounds and its 95 % bootstrap interval. {record['disturbed']} measurements during which other processes "
        f"took more than 5 % of the machine were made again, {record['noisy']} kept all the same.",
        "",
        f"Fidelity: against the PyTorch float32 parent, on {trained['name']} (trained weights), {texts} whole texts of "
        f"{trained['source']}, {trained['tokens']} tokens; intervals resample texts. Made in the same way. What "
        "calibrates (GPTQ) saw other rows of the same source, which favours it over those that do not calibrate.",
        "",
        f"llama.cpp is the build in its PyPI wheel, which uses {', '.join(record['llama_cpp_features'])}: built for "
        "this very processor it can be faster. OpenVINO, ONNX Runtime and PyTorch choose their kernels when they run.",
        "",
        f"{_bandwidth(ceiling)} Bytes read for a token are those of the weights, without the KV cache.",
    ]


def _bandwidth(ceiling: Mapping[str, Any] | None) -> str:
    if ceiling is None:
        return "Speed was not measured in this run: fidelity and sizes only."
    rate = ceiling["read_bytes_per_s"] / 1e9
    return f"Read bandwidth of {ceiling['threads']} threads, measured between the rounds: {rate:.1f} GB/s (best pass)."


def _row(one: Mapping[str, Any], reasons: list[str]) -> str:
    read = one["read_bytes"]
    cells = [
        one["title"],
        figure(one["decode_tps"], 4, reasons=reasons),
        figure(one["prefill_tps"], 4, reasons=reasons),
        figure(one["kl_divergence"], 2, reasons=reasons),
        figure(one["top1_agreement"], 3, reasons=reasons),
        figure(one["size_on_disk_bytes"], 3, 1e-6, reasons) + (" MB" if one["size_on_disk_bytes"].get("value") else ""),
        figure(_plain(one["peak_memory_bytes"]), 3, 1e-6, reasons)
        + (" MB" if one["peak_memory_bytes"].get("value") else ""),
        f"{read / 1e6:,.0f} MB" if isinstance(read, int) else _footnote(str(read), reasons),
        figure(_plain(one["bandwidth_share"]), 2, 100, reasons) + (" %" if one["bandwidth_share"].get("value") else ""),
    ]
    return f"| {' | '.join(cells)} |"


def _plain(found: Figure) -> Figure:
    """Without its interval: the table would be too wide; the JSON has it."""
    return {key: value for key, value in found.items() if not key.startswith("ci_")}


def _goals(goals: list[Mapping[str, Any]], reasons: list[str]) -> list[str]:
    lines = ["| goal | subject | KL no worse than the peer's | at least | measured | |", "|---|---|---|---:|---:|---|"]
    for row in goals:
        ratio = figure(row["ratio"], 3, reasons=reasons)
        least = f"{row['at_least']:g}"
        lines.append(
            f"| {row['goal']} | {row['subject']} | {row['kl_no_worse'] or '–'} | {least} | {ratio} | {row['verdict']} |"
        )
    return lines


def _kernels(record: Mapping[str, Any]) -> list[str]:
    found = record.get("kernels")
    if not found:
        return []
    lines = [
        "",
        "### Where the time goes",
        "",
        f"ONNX Runtime's profile of *{found['subject']}* (profiling slows it: shares).",
        "",
    ]
    for phase in ("decode", "prefill"):
        shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in found[phase]["share"].items())
        lines += [f"- {phase}: {shares}"]
    return lines
