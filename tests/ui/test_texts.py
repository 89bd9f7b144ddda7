"""Texts of files that a page may show: their end, without what is nobody's business."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from olivepress.ui import texts
from olivepress.ui.texts import public, public_lines, tail_of

SECRETS = (
    "hf_abcDEF123456789012345678901234567",
    "sk-proj-0123456789abcdefghij",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "AKIAIOSFODNN7EXAMPLE",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_tokens_are_hidden(secret: str) -> None:
    assert public(f"login with {secret} failed") == "login with [hidden] failed"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [hidden]"),
        ("https://me:pass@host/x", "https://[hidden]@host/x"),
        ("password = hunter22, retry", "password = [hidden], retry"),
        ('{"api_key": "abc123"}', '{"api_key": "[hidden]"}'),
        ("HF_TOKEN=abc123", "HF_TOKEN=[hidden]"),
        ("pad_token: <pad>, tokens: 512, token_type_ids", "pad_token: <pad>, tokens: 512, token_type_ids"),
        ("/home/anna/models/x", "~/models/x"),
        ("File /Users/anna/x.py", "File ~/x.py"),
        (r"C:\Users\anna\x", r"~\x"),
    ],
)
def test_what_is_hidden_and_what_is_not(text: str, shown: str) -> None:
    assert public(text) == shown


def test_values_of_secret_variables_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_REGISTRY_PASSWORD", "correct horse")
    texts._secret_values.cache_clear()
    assert public("sent correct horse to it") == "sent [hidden] to it"
    monkeypatch.undo()
    texts._secret_values.cache_clear()


def test_own_folders_are_short(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here.parent / "anna"))
    root = Path.cwd()
    assert public(f"{root}/runs/a and {root.parent}/anna/x") == "./runs/a and ~/x"
    assert public(f"{root}-other/x").endswith("project-other/x")  # another folder that begins alike


def test_control_characters_do_not_reach_the_page() -> None:
    assert public("a\x1b[31mb\u202ec\nd") == "a\ufffd[31mb\ufffdc\ufffdd"
    assert public_lines("a\tb\x00\r\nc" + "x" * 9000) == "a   b\ufffd\n" + "c" + "x" * 1999


def test_the_end_of_a_log_begins_with_a_whole_line() -> None:
    path = Path("a.log")
    path.write_text("".join(f"line {number}\n" for number in range(100_000)))
    tail = tail_of(path, 1000)
    lines = tail.text.splitlines()
    assert lines[-1] == "line 99999" and all(line.startswith("line ") for line in lines)
    assert tail.size == path.stat().st_size and 900 < tail.size - tail.left_out <= 1000


def test_one_endless_line() -> None:
    path = Path("a.log")
    path.write_text("x" * 5000)
    assert tail_of(path, 1000).text == "x" * 1000 and tail_of(path, 1000).left_out == 4000


def test_a_progress_bar_is_its_last_state() -> None:
    path = Path("a.log")
    path.write_bytes(b"\x1b[32mbegin\x1b[0m\r\n 1 %\r 50 %\r100 %\nend \xff\n\x1b]0;title\x07now")
    assert tail_of(path).text == "begin\n100 %\nend \ufffd\nnow"


def test_what_is_not_shown(tmp_path: Path) -> None:
    Path("binary").write_bytes(b"\x7fELF\0\0")
    os.mkfifo("pipe")
    reasons = [tail_of(Path(name)).reason for name in ("binary", "pipe", "missing", ".", "/dev/zero")]
    expected = ["is a binary file", "cannot be read", "is not there", "cannot be read", "cannot be read"]
    assert reasons == expected and tail_of(Path("binary")).text == ""
