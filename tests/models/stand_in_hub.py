"""A Hub on this machine: it serves the few addresses that the Hub's client asks for, and notes what it was asked."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

__all__ = ["TOKEN", "Repository", "StandInHub", "commit"]

TOKEN = "hf_stand_in_for_a_token"
_API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_CDN = re.compile(r"/cdn/(.+)")


def commit(number: int) -> str:
    """A commit's name."""
    return hashlib.sha1(str(number).encode()).hexdigest()


@dataclass(kw_only=True)
class Repository:
    """``commits``: name → file → content. ``access`` is public, gated (its files only), private or down."""

    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str]
    access: str = "public"
    moved_to: str | None = None
    on_another_host: bool = False
    claimed_size: int | None = None

    @classmethod
    def of(cls, files: dict[str, bytes], **settings: object) -> Repository:
        """One commit on main."""
        return cls(commits={commit(1): files}, branches={"main": commit(1)}, **settings)  # type: ignore[arg-type]


@dataclass(kw_only=True)
class StandInHub:
    """``asked``: method, path and token of every request."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]

    def start(self) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@dataclass(kw_only=True)
class _Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def _answer(hub: StandInHub, path: str, token: str | None) -> _Answer:
    if match := _API.fullmatch(path):
        return _api(hub, match[1], unquote(match[2] or "main"), token)
    if match := _FILE.fullmatch(path):
        return _file(hub, match[1], unquote(match[2]), match[3], token)
    if match := _CDN.fullmatch(path):
        blobs = [
            body for each in hub.repositories.values() for files in each.commits.values() for body in files.values()
        ]
        return _Answer(body=next(body for body in blobs if hashlib.sha1(body).hexdigest() == match[1]))
    return _Answer(status=404)


def _refusal(repository: Repository | None, token: str | None, *, of_file: bool) -> _Answer | None:
    """As the Hub answers: a private or missing repository looks the same without a token."""
    if token not in (None, f"Bearer {TOKEN}", "Bearer hf_without_access"):
        return _Answer(status=401, headers={"X-Error-Message": "Invalid credentials in Authorization header"})
    allowed = token == f"Bearer {TOKEN}"
    if repository is None or (repository.access == "private" and not allowed):
        return _Answer(status=404 if token else 401, headers={"X-Error-Code": "RepoNotFound"})
    if repository.access == "gated" and of_file and not allowed:
        return _Answer(status=403 if token else 401, headers={"X-Error-Code": "GatedRepo"})
    if repository.access == "down":
        return _Answer(status=503)
    return None


def _api(hub: StandInHub, name: str, revision: str, token: str | None) -> _Answer:
    repository = hub.repositories.get(name)
    if refusal := _refusal(repository, token, of_file=False):
        return refusal
    assert repository is not None
    if repository.moved_to:
        return _Answer(status=307, headers={"Location": f"/api/models/{repository.moved_to}/revision/{revision}"})
    sha = repository.branches.get(revision, revision)
    if sha not in repository.commits:
        return _Answer(status=404, headers={"X-Error-Code": "RevisionNotFound"})
    siblings = [{"rfilename": file} for file in repository.commits[sha]]
    body = {"id": name, "sha": sha, "siblings": siblings, "private": False, "gated": False, "tags": [], "downloads": 0}
    return _Answer(headers={"Content-Type": "application/json"}, body=json.dumps(body).encode())


def _file(hub: StandInHub, name: str, revision: str, file: str, token: str | None) -> _Answer:
    repository = hub.repositories.get(name)
    if refusal := _refusal(repository, token, of_file=True):
        return refusal
    assert repository is not None
    if repository.moved_to:
        return _Answer(status=307, headers={"Location": f"/{repository.moved_to}/resolve/{revision}/{file}"})
    sha = repository.branches.get(revision, revision)
    if sha not in repository.commits:
        return _Answer(status=404, headers={"X-Error-Code": "RevisionNotFound"})
    body = repository.commits[sha].get(file)
    if body is None:
        return _Answer(status=404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
    etag = hashlib.sha1(body).hexdigest()
    headers = {"X-Repo-Commit": sha, "ETag": f'"{etag}"'}
    if repository.claimed_size is not None:
        headers["X-Linked-Size"] = str(repository.claimed_size)
    if repository.on_another_host:
        headers |= {"X-Linked-Size": str(len(body)), "X-Linked-Etag": f'"{etag}"'}
        headers["Location"] = f"http://localhost:{hub.port}/cdn/{etag}"
        return _Answer(status=302, headers=headers)
    return _Answer(headers=headers, body=body)


def _handler(hub: StandInHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(with_body=True)

        def do_HEAD(self) -> None:
            self._send(with_body=False)

        def _send(self, *, with_body: bool) -> None:
            path, token = urlsplit(self.path).path, self.headers.get("Authorization")
            hub.asked.append((self.command, path, token))
            answer = _answer(hub, path, token)
            self.send_response(answer.status)
            for name, value in (answer.headers | {"Content-Length": str(len(answer.body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Nothing: what was asked is noted."""

    return Handler
