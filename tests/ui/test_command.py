"""``olivepress ui`` as somebody types it: its address, its end, and its errors."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

COMMAND = [sys.executable, "-c", "from olivepress.cli.main import main; main()", "ui"]


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and what it printed first."""
    process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def exchange(port: int, request: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode()


def test_it_serves_until_ctrl_c() -> None:
    with served("--json") as (process, line):
        address = json.loads(line)
        port = address["port"]
        assert address["url"] == f"http://127.0.0.1:{port}/"
        end = f"\nHost: 127.0.0.1:{port}\nConnection: close\n\n"
        assert exchange(port, f"GET / HTTP/1.1{end}").startswith("HTTP/1.1 200 OK")
        for path in ("/runs/../../../etc/passwd", "/static/../app.py", "/runs/..", "//etc/passwd"):
            answer = exchange(port, f"GET {path} HTTP/1.1{end}")  # as it is: no client has shortened the path
            assert answer.startswith("HTTP/1.1 404"), answer
        assert exchange(port, "GET / HTTP/1.1\nHost: evil.example\nConnection: close\n\n").startswith("HTTP/1.1 403")
        twice = f"GET / HTTP/1.1\nHost: evil.example\nHost: 127.0.0.1:{port}\nConnection: close\n\n"
        assert not exchange(port, twice).startswith("HTTP/1.1 200")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.communicate() == ("", "")


def test_it_listens_on_this_machine_only() -> None:
    import psutil

    with served() as (process, line):
        assert line.startswith("http://127.0.0.1:") and "Ctrl-C" in line
        listening = [each for each in psutil.Process(process.pid).net_connections("inet") if each.status == "LISTEN"]
        assert [each.laddr.ip for each in listening] == ["127.0.0.1"]


def test_a_port_that_is_taken(olivepress_here: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = olivepress_here("ui", "--port", str(port))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.strip() == f"olivepress: port {port} is in use; next: another --port, or none for a free one"


@pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
def test_without_the_extra(
    olivepress_here: Callable[..., subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "olivepress.ui.app", raising=False)
    done = olivepress_here("ui")
    assert done.returncode == 7
    expected = f"olivepress: the package {package} is not installed; next: pip install 'olivepress[ui]'"
    assert done.stderr.strip() == expected


def test_help_and_the_room_itself_need_no_server() -> None:
    script = "import sys, olivepress.ui.server, olivepress.ui.jobs, olivepress.cli.verbs.ui\n"
    script += "print([name for name in ('fastapi', 'starlette', 'uvicorn', 'jinja2') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
