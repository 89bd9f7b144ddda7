"""Inputs that are almost right: a seed with its bytes, its JSON values or its zip members changed."""

from __future__ import annotations

import io
import json
import random
import zipfile
from typing import Any

__all__ = ["mutate"]

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 1e308, -1e-308, float("nan"), float("inf"), "", "a", "\0",
    "\ud800", "../x", "/etc/passwd", "x" * 5000, [], {}, [[]], [None], {"a": 1}, [1] * 100, "2026-01-01", "yesterday",
)  # fmt: skip
_TOKENS = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\n", b"\0", b"\xff", b"&a ", b"*a", b"<<: ", b"- ", b"? ", b"!!int ",
    b"{%", b"%}", b"{{", b"}}", b"{% for i in range(99999) %}", b"{% endfor %}", b"'x' * 999999999", b"|", b"~", b"**",
    b"|join", b".replace(", b".format(", b"recursive", b"9" * 5000, b"[" * 2000, b"PK\x03\x04", b"1e999", b"NaN",
)  # fmt: skip


def mutate(seed: bytes, random_: random.Random) -> bytes:
    """Some changes to one seed, by its own structure where it has one."""
    data = seed
    for _ in range(random_.choice((1, 1, 2, 3, 8))):
        kind = random_.random()
        if kind < 0.45:
            data = _json(data, random_) or _zip(data, random_) or _bytes(data, random_)
        else:
            data = _bytes(data, random_)
    return data[:200_000]


def _bytes(data: bytes, random_: random.Random) -> bytes:
    at = random_.randrange(len(data) + 1)
    to = min(len(data), at + random_.choice((1, 2, 4, 8, 64, 1000)))
    kind = random_.randrange(7)
    if kind == 0:
        return data[:at] + random_.choice(_TOKENS) + data[at:]
    if kind == 1:
        return data[:at] + data[to:]
    if kind == 2:
        return data[:at] + data[at:to] * random_.choice((2, 3, 50)) + data[to:]
    if kind == 3:
        return data[:at]
    if kind == 4 and at < len(data):
        return data[:at] + bytes((data[at] ^ (1 << random_.randrange(8)),)) + data[at + 1 :]
    if kind == 5:
        return data[:at] + random_.randbytes(random_.choice((1, 4, 8))) + data[to:]
    other = random_.randrange(len(data) + 1)
    return data[:at] + data[other : other + 64] + data[at:]


def _json(data: bytes, random_: random.Random) -> bytes | None:
    """One value of a JSON text (or of one of its lines) exchanged, taken out, doubled or nested."""
    lines = data.split(b"\n") if b"\n" in data.strip() else [data]
    number = random_.randrange(len(lines))
    try:
        value = json.loads(lines[number])
    except (ValueError, RecursionError):
        return None
    lines[number] = json.dumps(_changed(value, random_)).encode()
    return b"\n".join(lines)


def _changed(value: Any, random_: random.Random) -> Any:
    if isinstance(value, dict | list) and value and random_.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = random_.choice(keys)
        if random_.random() < 0.1:
            del value[key]
        elif random_.random() < 0.1 and isinstance(value, dict):
            value[random_.choice(("", "x", "__proto__", "a.b", "\ud800"))] = value.pop(key)
        else:
            value[key] = _changed(value[key], random_)
        return value
    if random_.random() < 0.1:
        return [value] * random_.choice((2, 20))
    return random_.choice(_VALUES)


def _zip(data: bytes, random_: random.Random) -> bytes | None:
    """One member of a zip file renamed, changed, deflated or written twice."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
        name, content = members.pop(random_.randrange(len(members)))
    except Exception:
        return None
    kind = random_.randrange(4)
    if kind == 0:
        name = random_.choice(("../x", "/x", "a\\b", "con", "x" * 300, "artifact", name.upper(), "a\0b"))
    elif kind == 1:
        content = mutate(content, random_)
    elif kind == 2:
        members.append((name, content))
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if random_.random() < 0.2 else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for each, text in [*members, (name, content)]:
            archive.writestr(each, text)
    return buffer.getvalue()
