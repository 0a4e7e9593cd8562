"""A hub on this machine, for the tests: a server that speaks the protocol of the Hugging Face hub, in memory."""

import base64
import hashlib
import json
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
COMPLAINT = r"Use 'content=<\.\.\.>' to upload raw bytes/text content"
"""huggingface_hub 2.4 hands bytes to httpx2 as `data=`, which httpx2 complains of; nothing of ours makes that call."""


class Hub(BaseHTTPRequestHandler):
    """Repositories in memory: made, committed to (large files through LFS), listed and read."""

    files: dict[str, dict[str, bytes]]
    large: dict[str, bytes]
    commit = COMMIT
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args) -> None:
        """Say nothing."""

    def answer(self, content: bytes = b"", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def json(self, value, status: int = 200, **headers: str) -> None:
        self.answer(json.dumps(value).encode(), status, Content_Type="application/json", **headers)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_POST(self) -> None:
        address, body = f"http://{self.headers['Host']}", self.body()
        path = self.path.partition("?")[0].strip("/").split("/")
        if path[:3] == ["api", "repos", "create"]:
            asked = json.loads(body)
            if asked.get("organization") == "closed":
                return self.json({"error": "You have no rights here"}, 403)
            name = "/".join(filter(None, [asked.get("organization"), asked["name"]]))
            name = name if "/" in name else f"someone/{name}"
            self.files.setdefault(name, {})
            return self.json({"url": f"{address}/{name}", "name": name})
        if path[-1] == "validate-yaml":
            return self.json({"errors": [], "warnings": []})
        if path[-1] == "batch":
            objects = json.loads(body)["objects"]
            upload = [o | {"actions": {"upload": {"href": f"{address}/lfs/{o['oid']}"}}} for o in objects]
            return self.json({"transfer": "basic", "objects": upload})
        name = "/".join(path[2:4])
        if path[4] == "preupload":
            modes = [
                {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular"}
                | {"shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.json({"files": modes})
        for line in body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.files[name][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.files[name][value["path"]] = self.large[value["oid"]]
        return self.json({"commitUrl": f"{address}/{name}/commit/{COMMIT}", "commitOid": COMMIT, "success": True})

    def do_PUT(self) -> None:
        content = self.body()
        self.large[hashlib.sha256(content).hexdigest()] = content
        self.answer()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].strip("/").split("/")
        name = "/".join(path[2:4] if path[0] == "api" else path[:2])
        if name not in self.files:
            return self.json({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        files = self.files[name]
        if path[0] == "api" and "tree" in path:
            tree = [
                {"type": "file", "path": p, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                for p, c in files.items()
            ]
            return self.json(tree)
        if path[0] == "api":
            return self.json({"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]})
        content = files["/".join(path[4:])]
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        return self.answer(content, ETag=etag, X_Repo_Commit=COMMIT)

    do_HEAD = do_GET


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The files of a hub that runs on this machine; the client's own cache lies in a folder of the test."""
    from huggingface_hub import close_session, constants

    handler = type("OneHub", (Hub,), {"files": {}, "large": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name, value in (
        ("ENDPOINT", address),
        ("HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"),
        ("HF_HUB_OFFLINE", False),
        ("HF_HUB_DISABLE_XET", True),
        ("HF_HUB_CACHE", str(tmp_path / "cache")),
    ):
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    close_session()  # it read the proxies when it was made
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", COMPLAINT, DeprecationWarning)
        yield handler
    close_session()
    server.shutdown()
    server.server_close()
