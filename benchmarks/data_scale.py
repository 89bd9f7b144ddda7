"""What preparing data costs: rows a second of each step, its growth, its memory, and the same steps written plainly.

    python benchmarks/data_scale.py --rows 10000 100000 1000000 --plain 10000 100000

Synthetic prompt/completion rows (3 % exact and 5 % near duplicates, 1 % mojibake), each size in a process of its own;
the order of the two ways alternates and each is run ``--repeat`` times, the median counts. ``plain`` is what one writes
with ``datasets.map`` and MinHash as text-dedup does it (tokens hashed one by one, numpy permutations row by row, hash
tables and union-find in Python), without checks of other kinds: unlike ours it keeps no audit, no lineage, and does not
verify a candidate. Writes benchmarks/data_scale.json and .md.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from olivepress.core.files import write_text
from olivepress.core.process import peak_memory_bytes
from olivepress.data.prepare.policy import Policy
from olivepress.data.prepare.prepare import prepare_rows
from olivepress.report.machine import fingerprint

HERE = Path(__file__).parent
SYLLABLES = ["ka", "ro", "mi", "tel", "van", "su", "dor", "pe", "lin", "gra", "fo", "bu", "sha", "ne", "wil", "ter"]
VOCABULARY = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in ("", "n", "st", "el", "or", "in", "us", "ed")]
WORDS, LETTERS, SHORT, PERMUTATIONS, THRESHOLD, OVERLAP = 5, 5, 32, 128, 0.8, 13
Row = dict[str, str]


def write_rows(path: Path, count: int) -> None:
    """``count`` rows as JSON lines; words by Zipf's law, prompts of 8 to 60 words."""
    rng = random.Random(0)
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(VOCABULARY))))
    recent: list[Row] = []
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            chance = rng.random()
            if recent and chance < 0.08:
                row = dict(rng.choice(recent))
                if chance >= 0.03:
                    first, rest = row["prompt"].split(" ", 1)
                    row = {"prompt": f"{first}s {rest}!", "completion": f"other {number}"}
            else:
                prompt = " ".join(rng.choices(VOCABULARY, cum_weights=weights, k=rng.choice((8, 12, 12, 20, 60))))
                answer = " ".join(rng.choices(VOCABULARY, cum_weights=weights, k=10))
                row = {"prompt": prompt + "?", "completion": ("cafÃ© " if chance > 0.99 else "") + answer + "."}
                recent = [*recent[-2000:], row] if len(recent) < 4000 else [*recent[2000:], row]
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def ours(path: Path, *, languages: bool) -> dict[str, Any]:
    """Prepare as the command line does."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        made = prepare_rows([str(path)], Policy(languages=languages), Path(folder))
        seconds = time.perf_counter() - started
    account = made.account
    return {
        "seconds": seconds,
        "steps": made.seconds,
        "kept": sum(account.kept.values()),
        "near": made.near,
        "read": sum(account.read.values()),
    }


def plain(path: Path, *, languages: bool) -> dict[str, Any]:
    """The same steps: clean, exact and near duplicates, grouped split, overlap, write."""
    import datasets

    datasets.disable_progress_bars()
    datasets.disable_caching()
    steps: dict[str, float] = {}
    started = last = time.perf_counter()

    def done(step: str) -> None:
        nonlocal last
        now = time.perf_counter()
        steps[step], last = round(now - last, 3), now

    with tempfile.TemporaryDirectory() as folder:
        held = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=folder)
        held = held.map(plain_clean).filter(lambda row: row["keep"])
        done("read and clean")
        seen: set[str] = set()
        held = held.map(lambda row: {"hash": plain_hash(row)}).filter(
            lambda row: not (row["hash"] in seen or seen.add(row["hash"]))
        )
        held = held.map(plain_signature, with_indices=True, new_fingerprint="signatures")
        parent = plain_groups(held["signature"])
        done("duplicates")
        split = plain_split(parent)
        held = held.add_column("split", split)
        done("split")
        grams = {gram for row in held.filter(lambda row: row["split"] == "test") for gram in plain_grams(row["prompt"])}
        held = held.filter(lambda row: row["split"] == "test" or not grams.intersection(plain_grams(row["prompt"])))
        done("overlaps")
        held = held.remove_columns(["keep", "hash", "signature"])
        for name in ("train", "validation", "test"):
            held.filter(lambda row, name=name: row["split"] == name).to_json(str(Path(folder, f"{name}.jsonl")))
        done("write")
    near = sum(place != root for place, root in enumerate(parent))
    return {"seconds": time.perf_counter() - started, "steps": steps, "kept": len(held), "near": near, "read": None}


def plain_clean(row: Row) -> dict[str, Any]:
    import ftfy

    cleaned = {name: ftfy.fix_text(row[name], uncurl_quotes=False).strip() for name in ("prompt", "completion")}
    prompt, answer = cleaned["prompt"], cleaned["completion"]
    echo = answer.casefold().startswith(prompt.casefold())
    personal = bool(re.search(r"[\w.+-]+@[\w-]+\.\w+|\+?\d[\d -]{8,}\d", f"{prompt} {answer}"))
    return {**cleaned, "keep": bool(prompt and answer) and not echo, "personal": personal}


def plain_hash(row: Row) -> str:
    text = " ".join(f"{row['prompt']}\0{row['completion']}".split()).casefold()
    return hashlib.sha256(text.encode()).hexdigest()


def plain_signature(row: Row, _index: int) -> dict[str, list[bytes]]:
    import numpy as np
    import xxhash

    a, b, bands = plain_permutations()
    words = re.findall(r"\w+", row["prompt"].lower())
    if len(words) < SHORT:
        text = " ".join(words)
        tokens = {text[i : i + LETTERS] for i in range(max(1, len(text) - LETTERS + 1))}
    else:
        tokens = {" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))}
    hashes = np.array([xxhash.xxh3_64_intdigest(t.encode()) & 0xFFFFFFFF for t in tokens], np.uint64)
    values = ((hashes[:, None] * a + b) % np.uint64((1 << 61) - 1) & np.uint64(0xFFFFFFFF)).min(axis=0)
    return {"signature": [values[start:end].byteswap().tobytes() for start, end in bands]}


_PERMUTATIONS: list[Any] = []


def plain_permutations() -> Any:
    if not _PERMUTATIONS:
        import numpy as np
        from datasketch import MinHashLSH

        random_state = np.random.RandomState(1)
        a = random_state.randint(1, (1 << 61) - 1, PERMUTATIONS, dtype=np.uint64)
        b = random_state.randint(0, (1 << 61) - 1, PERMUTATIONS, dtype=np.uint64)
        lsh = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
        _PERMUTATIONS.extend([a, b, [(i * lsh.r, (i + 1) * lsh.r) for i in range(lsh.b)]])
    return _PERMUTATIONS


def plain_groups(signatures: Any) -> list[int]:
    parent = list(range(len(signatures)))

    def find(x: int) -> int:
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    tables: list[dict[bytes, list[int]]] = [defaultdict(list) for _ in plain_permutations()[2]]
    for index, signature in enumerate(signatures):
        for band, table in zip(signature, tables, strict=True):
            table[band].append(index)
    for table in tables:
        for members in table.values():
            for member in members[1:]:
                x, y = find(members[0]), find(member)
                parent[max(x, y)] = min(x, y)
    return [find(x) for x in range(len(parent))]


def plain_split(parent: list[int]) -> list[str]:
    rng, chosen = random.Random(0), dict[int, str]()
    return [chosen.setdefault(r, rng.choices(("train", "validation", "test"), (8, 1, 1))[0]) for r in parent]


def plain_grams(text: str) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[i : i + OVERLAP]) for i in range(len(words) - OVERLAP + 1)}


def measure(way: str, path: Path, *, languages: bool = False) -> dict[str, Any]:
    """One way over one file, in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--file", str(path), *(["--languages"] if languages else [])]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--plain", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--way")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--languages", action="store_true")
    asked = parser.parse_args()
    if asked.way:
        found = {"ours": ours, "plain": plain}[asked.way](asked.file, languages=asked.languages)
        print(json.dumps({**found, "peak_rss_bytes": peak_memory_bytes()}))
        return
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for rows in asked.rows:
            path = Path(folder, f"{rows}.jsonl")
            write_rows(path, rows)
            results += measured(path, rows, asked.repeat if rows <= 100_000 else 1, plain=rows in asked.plain)
            path.unlink()
    machine = fingerprint()
    record = {"machine": machine.model_dump(mode="json", include={"cpu", "os"}), "results": results}
    write_text(HERE / "data_scale.json", json.dumps(record, indent=2) + "\n")
    write_text(HERE / "data_scale.md", page(record))
    print(page(record))


def measured(path: Path, rows: int, repeat: int, *, plain: bool) -> list[dict[str, Any]]:
    """The median run of each way; the largest size also tells languages, as the command line does."""
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number in range(repeat):
        ways = ["ours", "plain"] if plain else ["ours"]
        for way in ways if number % 2 == 0 else ways[::-1]:
            found = measure(way, path, languages=way == "ours" and not plain)
            print(f"{rows} rows, {way}: {found['seconds']:.1f} s", file=sys.stderr)
            runs[way].append(found)
    chosen = []
    for way, held in runs.items():
        middle = statistics.median_low(found["seconds"] for found in held)
        one = next(found for found in held if found["seconds"] == middle)
        chosen.append({"way": way, "rows": rows, "bytes": path.stat().st_size, "runs": len(held), **one})
    return chosen


def page(record: dict[str, Any]) -> str:
    by = {(one["way"], one["rows"]): one for one in record["results"]}
    lines = [
        "# What preparing data costs",
        "",
        "Synthetic prompt/completion rows, one process, on "
        f"{record['machine']['cpu']}. Made by `python benchmarks/data_scale.py`, which says what `plain` is.",
        "",
        "| rows | way | runs | total | rows/s | peak memory | kept | near duplicates |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for (way, rows), one in by.items():
        lines.append(
            f"| {rows:,} | {way} | {one['runs']} | {one['seconds']:.1f} s | {rows / one['seconds']:,.0f} "
            f"| {one['peak_rss_bytes'] / 1e9:.2f} GB | {one['kept']:,} | {one['near']:,} |"
        )
    lines += ["", "Rows a second of each step:", ""]
    steps = list(dict.fromkeys(step for one in record["results"] for step in one["steps"]))
    lines += ["| rows | way | " + " | ".join(steps) + " |", "|---:|---|" + "---:|" * len(steps)]
    for (way, rows), one in by.items():
        cells = [f"{rows / max(one['steps'][s], 1e-3):,.0f}" if s in one["steps"] else "–" for s in steps]
        lines.append(f"| {rows:,} | {way} | " + " | ".join(cells) + " |")
    lines.append("")
    for rows in sorted({rows for way, rows in by if way == "plain"}):
        ratio = by["plain", rows]["seconds"] / by["ours", rows]["seconds"]
        lines.append(f"{rows:,} rows: ours takes 1/{ratio:.1f} of the time of the plain way.  ")
    mine = sorted(rows for way, rows in by if way == "ours")
    for few, many in itertools.pairwise(mine):
        times = by["ours", many]["seconds"] / by["ours", few]["seconds"]
        memory = by["ours", many]["peak_rss_bytes"] / by["ours", few]["peak_rss_bytes"]
        grown = f"{times:.1f} times the time, {memory:.1f} times the memory"
        lines.append(f"{few:,} → {many:,} rows ({many / few:g} times): {grown}.  ")
    lines += ["", "The largest size includes telling languages (a sample of 2,000, with lingua's models in memory)."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
