"""Which schedulers are accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.core.errors import SetupError, UsageError
from olivepress.run.executors.address import check_address, is_loopback, security_of

TLS = Path("certificates")


@pytest.mark.parametrize(
    ("given", "tls", "expected"),
    [
        ("127.0.0.1:8786", None, "tcp://127.0.0.1:8786"),
        ("tcp://localhost:1", None, "tcp://localhost:1"),
        ("tcp://[::1]:8786", None, "tcp://[::1]:8786"),
        ("tls://10.0.0.5:8786", TLS, "tls://10.0.0.5:8786"),
        ("build-1.lab:8786", TLS, "tls://build-1.lab:8786"),
    ],
)
def test_accepted(given: str, tls: Path | None, expected: str) -> None:
    assert check_address(given, tls=tls) == expected


@pytest.mark.parametrize(
    "host", ["10.0.0.5", "build-1.lab", "0.0.0.0", "127.0.0.1.example.com", "localhost.example.com", "[fe80::1]"]
)
def test_another_host_without_tls_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="without TLS") as error:
        check_address(f"tcp://{host}:8786", tls=None)
    assert f"tls://{host}:8786" in str(error.value.next_step)
    with pytest.raises(UsageError, match="without TLS"):
        check_address(f"{host}:8786", tls=None)
    assert check_address(f"tcp://{host}:8786", tls=None, insecure=True) == f"tcp://{host}:8786"


@pytest.mark.parametrize(
    ("given", "tls", "text"),
    [
        ("tls://10.0.0.5:8786", None, "needs certificates"),
        ("tcp://127.0.0.1:8786", TLS, "expected tls://"),
        ("inproc://here", None, "expected tls://HOST:PORT"),
        ("ws://127.0.0.1:8786", None, "expected tls://HOST:PORT"),
        ("127.0.0.1", None, "expected tls://HOST:PORT"),
        ("127.0.0.1:99999", None, "expected tls://HOST:PORT"),
        ("tcp://user@127.0.0.1:8786", None, "expected tls://HOST:PORT"),
        ("tcp://127.0.0.1:8786/x", None, "expected tls://HOST:PORT"),
    ],
)
def test_anything_else_is_refused(given: str, tls: Path | None, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        check_address(given, tls=tls)


def test_names_are_not_looked_up() -> None:
    assert is_loopback("127.8.9.1") and is_loopback("localhost") and is_loopback("[::1]")
    assert not is_loopback("localhost.localdomain") and not is_loopback("2130706433")


def test_a_folder_without_a_file_is_named(tmp_path: Path) -> None:
    assert security_of(None) is None
    (tmp_path / "ca.pem").write_text("")
    with pytest.raises(SetupError, match=r"cert\.pem"):
        security_of(tmp_path)
