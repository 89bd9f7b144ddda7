"""Data files: cut, garbled, of another kind, or ambiguous."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

from tests.wrong_inputs.case import Case
from tests.wrong_inputs.recipes import TABLE

ROWS = [{"prompt": f"question {n} about {n * 7}", "completion": f"answer {n}"} for n in range(40)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def _chat(messages: object) -> str:
    return "".join(json.dumps({"messages": messages}) + "\n" for _ in range(30))


FILES: dict[str, bytes | str] = {
    "empty.csv": "",
    "head.csv": "text,category\n",
    "binary.csv": bytes(range(256)) * 40,
    "blank.csv": "\n" * 50,
    "one_row.csv": "text,category\nhello,a\n",
    "two_rows.csv": "text,category\nhello,a\nbye,b\n",
    "no_head.csv": "".join(f"some words {n},other words {n},third {n}\n" for n in range(40)),
    "same_heads.csv": "text,text\n" + "".join(f"a{n},b{n}\n" for n in range(40)),
    "three.csv": "a,b,c\n" + "".join(f"x{n},y{n},z{n}\n" for n in range(40)),
    "ids.csv": "id,number\n" + "".join(f"{n},{n * 3}\n" for n in range(40)),
    "ambiguous.csv": "prompt,response,answer\n" + "".join(f"q{n},r{n},s{n}\n" for n in range(40)),
    "empty_answers.csv": "prompt,completion\n" + "".join(f"q{n},\n" for n in range(40)),
    "empty_questions.csv": "prompt,completion\n" + "".join(f",a{n}\n" for n in range(40)),
    "all_alike.csv": "text,category\n" + "the same words,a\n" * 60,
    "ragged.csv": "text,category\n" + "".join("a,b,c,d\n" if n % 2 else "a\n" for n in range(40)),
    "quote.csv": 'text,category\n"never closed,a\n' + "x,y\n" * 40,
    "page.csv": "<html><body>404</body></html>",
    "empty.json": "",
    "null.json": "null",
    "number.json": "3",
    "text.json": '"hello"',
    "cut.json": '[{"prompt": "a"',
    "of_lists.json": "[[1, 2], [3]]",
    "of_numbers.json": "[1, 2, 3]",
    "of_text.json": '["a", "b"]',
    "object.json": '{"a": 1}',
    "deep.json": "[" * 200_000,
    "deep_object.json": '{"a":' * 200_000,
    "two_lists.json": '{"x": [{"a": 1}], "y": [{"b": 2}]}',
    "nan.json": '[{"prompt": NaN, "completion": NaN}]',
    "twice.json": "[]" * 3,
    "empty_list.json": "[]",
    "empty_objects.json": "[{}, {}, {}]",
    "big_number.json": '[{"prompt": ' + "9" * 6000 + "}]",
    "surrogates.json": '[{"prompt": "\\ud800", "completion": "\\udfff"}]',
    "cut.jsonl": LINES[:30],
    "lists.jsonl": "[1]\n[2]\n",
    "garbage.jsonl": "hello\nworld\n",
    "empty.jsonl": "",
    "blank.jsonl": "\n\n\n",
    "utf16.jsonl": LINES.encode("utf-16"),
    "nul.jsonl": b"\0" * 1000,
    "roles.jsonl": _chat([{"role": "boss", "content": "a"}, {"role": "assistant", "content": "b"}]),
    "no_answer.jsonl": _chat([{"role": "user", "content": "a"}]),
    "no_question.jsonl": _chat([{"role": "assistant", "content": "a"}]),
    "no_messages.jsonl": _chat([]),
    "messages_text.jsonl": _chat("hello"),
    "messages_null.jsonl": _chat(None),
    "no_content.jsonl": _chat([{"role": "user"}, {"role": "assistant"}]),
    "content_number.jsonl": _chat([{"role": "user", "content": 3}, {"role": "assistant", "content": 4}]),
    "pictures.jsonl": _chat(
        [
            {"role": "user", "content": [{"type": "image_url", "image_url": "x"}]},
            {"role": "assistant", "content": "b"},
        ]
    ),
    "bad_calls.jsonl": _chat(
        [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": None, "tool_calls": [{"function": {}}]},
        ]
    ),
    "bad_arguments.jsonl": _chat(
        [
            {"role": "user", "content": "a"},
            {
                "role": "assistant",
                "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{not json"}}],
            },
        ]
    ),
    "sharegpt.jsonl": "".join(json.dumps({"conversations": [{"from": "x", "value": "y"}]}) + "\n" for _ in range(30)),
    "garbage.parquet": b"PAR1" + b"x" * 100,
    "empty.parquet": b"",
    "text.parquet": "hello",
    "cut.parquet": b"PAR1",
    "pickle.pkl": b"\x80\x04K\x01.",
    "archive.zip": b"PK\x03\x04" + b"\0" * 50,
    "picture.png": b"\x89PNG\r\n\x1a\n",
    "notes.txt": "just some words",
    "notes.md": "# words",
    "cut.csv.gz": gzip.compress(TABLE.encode())[:40],
    "garbage.csv.gz": b"\x1f\x8b" + b"x" * 40,
    "text.csv.gz": "hello",
    "empty.csv.gz": b"",
    "code.py": "print(1)\n",
    "garbage.xlsx": b"PK\x03\x04" + b"x" * 100,
    "text.xlsx": "hello",
    "empty.xlsx": b"",
    "garbage.xls": b"\xd0\xcf\x11\xe0" * 9,
    "garbage.sqlite": b"SQLite format 3\0" + b"x" * 100,
    "text.db": "hello",
    "empty.db": b"",
    "garbage.jsonl.zst": b"(\xb5/\xfdxx",
    "text.jsonl.xz": "hello",
    "weights.safetensors": b"\0" * 100,
    "no_suffix": TABLE,
    "arrow.arrow": b"ARROW1" + b"x" * 50,
}


def cases() -> Iterator[Case]:
    for name, content in FILES.items():
        yield Case(name=f"data, {name}", arguments=("data", "check", "--quiet", name), files={name: content})
    yield Case(
        name="data, classes that nobody trained",
        arguments=("plan", "tiny-phi", "--data", "folder"),
        files={"folder/test.csv": TABLE},
    )
    yield Case(
        name="data, a folder of nothing", arguments=("data", "check", "folder"), files={"folder/": "", "x.csv": TABLE}
    )
    yield Case(
        name="data, a folder of notes only",
        arguments=("data", "check", "folder"),
        files={"folder/README.md": "# data", "folder/LICENSE": "free"},
    )


def right() -> Case:
    return Case(name="data, right", arguments=("data", "check", "--quiet", "rows.jsonl"), files={"rows.jsonl": LINES})
