"""A small hub for tests: the part of the Hugging Face protocol that a download needs."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves `files`, a dict of ``"owner/name"`` → dict of file name → bytes, on loopback."""

    def __init__(self, files):
        self.files = files
        self.gated = set()
        self.etags = {}
        self.requests = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                hub.answer(self, body=False)

            def do_GET(self):
                hub.answer(self, body=True)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, request, *, body):
        self.requests.append((request.command, request.path))
        parts = request.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._list("/".join(parts[2:4]), parts[4:], request)
            return
        repo, filename = "/".join(parts[:2]), "/".join(parts[4:])
        if repo in self.gated:
            self._error(request, 403, "GatedRepo")
        elif repo not in self.files:
            self._error(request, 401, "RepoNotFound")
        elif filename not in self.files[repo]:
            self._error(request, 404, "EntryNotFound")
        else:
            data = self.files[repo][filename]
            etag = self.etags.get(repo, hashlib.sha256(data).hexdigest())
            self._file(request, data, etag, body=body)

    def _list(self, repo, rest, request):
        if repo in self.gated:
            self._error(request, 403, "GatedRepo")
        elif repo not in self.files:
            self._error(request, 401, "RepoNotFound")
        elif rest[:1] == ["tree"]:
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": COMMIT}
                for name, data in self.files[repo].items()
            ]
            self._send(request, 200, json.dumps(entries).encode(), {})
        else:
            siblings = [{"rfilename": name} for name in self.files[repo]]
            found = {"id": repo, "sha": COMMIT, "siblings": siblings}
            self._send(request, 200, json.dumps(found).encode(), {})

    def _error(self, request, status, code):
        self._send(request, status, b"", {"X-Error-Code": code, "X-Error-Message": code})

    def _file(self, request, data, etag, *, body):
        start = int(request.headers.get("Range", "bytes=0-").split("=")[1].split("-")[0])
        headers = {
            "ETag": f'"{etag}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(request, 206 if start else 200, data[start:], headers, body=body)

    def _send(self, request, status, data, headers, *, body=True):
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            request.send_header(name, value)
        request.end_headers()
        if body and request.command == "GET":
            request.wfile.write(data)

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
