"""A stand-in for Azure Blob Storage on this machine: what adlfs asks of it for a store, without signatures."""

from __future__ import annotations

import base64
import email.utils
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

ACCOUNT = "devstoreaccount1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    containers: dict[str, dict[str, tuple[bytes, str]]]
    blocks: dict[str, bytes]

    def log_message(self, format: str, *arguments: object) -> None: ...

    def _asked(self) -> tuple[str, str, dict[str, str]]:
        address = urllib.parse.urlsplit(self.path)
        parts = urllib.parse.unquote(address.path).split("/", 3)[2:]
        query = dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
        return parts[0], parts[1] if len(parts) > 1 else "", query

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        facts = {"x-ms-version": "2021-12-02", "Date": email.utils.formatdate(usegmt=True), "ETag": '"1"'}
        facts |= {"Content-Length": str(len(body))} | {name.replace("_", "-"): text for name, text in headers.items()}
        for name, text in facts.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _missing(self, code: str) -> None:
        self._refuse(404, code)

    def _refuse(self, status: int, code: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
        self._answer(status, text.encode(), x_ms_error_code=code, Content_Type="application/xml")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_PUT(self) -> None:
        container, name, query = self._asked()
        body, now = self._body(), email.utils.formatdate(usegmt=True)
        if query.get("restype") == "container":
            self.containers.setdefault(container, {})
        elif container not in self.containers:
            self._missing("ContainerNotFound")
            return
        elif self.headers.get("If-None-Match") == "*" and name in self.containers[container]:
            self._refuse(409, "BlobAlreadyExists")
            return
        elif query.get("comp") == "block":
            self.blocks[query["blockid"]] = body
        elif query.get("comp") == "blocklist":
            ids = re.findall(r"<Latest>([^<]+)</Latest>", body.decode())
            self.containers[container][name] = (b"".join(self.blocks.pop(each) for each in ids), now)
        else:
            assert self.headers["x-ms-blob-type"] == "BlockBlob"
            self.containers[container][name] = (body, now)
        self._answer(201, Last_Modified=now, x_ms_request_server_encrypted="true")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        container, name, query = self._asked()
        if container not in self.containers:
            return self._missing("ContainerNotFound")
        if query.get("comp") == "list":
            return self._answer(200, self._list(container, query).encode(), Content_Type="application/xml")
        if not name:
            return self._answer(200, Last_Modified=email.utils.formatdate(usegmt=True))
        if name not in self.containers[container]:
            return self._missing("BlobNotFound")
        body, modified = self.containers[container][name]
        facts = {"x_ms_blob_type": "BlockBlob", "Last_Modified": modified, "x_ms_creation_time": modified}
        facts["Content_Type"] = "application/octet-stream"
        if self.command == "HEAD":
            facts["Content_Length"] = str(len(body))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("x-ms-range") or self.headers.get("Range") or "")
        if wanted is None:
            return self._answer(200, body, **facts)
        first = int(wanted[1])
        part = body[first : int(wanted[2]) + 1 if wanted[2] else None]
        return self._answer(206, part, Content_Range=f"bytes {first}-{first + len(part) - 1}/{len(body)}", **facts)

    def do_DELETE(self) -> None:
        container, name, _ = self._asked()
        if self.containers.get(container, {}).pop(name, None) is None:
            return self._missing("BlobNotFound")
        return self._answer(202)

    def _list(self, container: str, query: dict[str, str]) -> str:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        entries, folders = list[str](), dict[str, None]()
        for name, (body, modified) in sorted(self.containers[container].items()):
            rest = name.removeprefix(prefix)
            if not name.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                folders[prefix + rest.partition(delimiter)[0] + delimiter] = None
                continue
            entries.append(
                f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{modified}</Last-Modified><Etag>1</Etag>"
                f"<Content-Length>{len(body)}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
            )
        prefixes = "".join(f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>" for folder in folders)
        return (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">'
            f"<Blobs>{''.join(entries)}{prefixes}</Blobs><NextMarker /></EnumerationResults>"
        )


@contextmanager
def azure_here(*containers: str) -> Iterator[str]:
    """Its connection string, as Azure gives one; the containers are there and empty."""
    handler = type("Handler", (_Handler,), {"containers": {name: {} for name in containers}, "blocks": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_address[1]}/{ACCOUNT}"
    key = base64.b64encode(b"no secret: nobody checks it here").decode()
    try:
        yield f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={place};"
    finally:
        server.shutdown()
        server.server_close()
