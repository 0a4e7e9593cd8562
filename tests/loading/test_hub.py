"""A run goes to the hub and comes back the same: against a local server that speaks the hub's protocol."""

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import huggingface_hub.constants as constants
import pytest
import torch
from huggingface_hub import close_session

import interp
from interp.base.errors import InterpError, UserError
from interp.training.recipe import TrainConfig

COMMIT = "0123456789abcdef0123456789abcdef01234567"

# huggingface_hub 2.4 hands bytes to httpx2 as `data=`, which httpx2 complains of; nothing of ours makes that call.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:Use 'content=<\.\.\.>' to upload raw bytes/text content:DeprecationWarning"
)


class Hub(BaseHTTPRequestHandler):
    """Repositories in memory: made, committed to (large files through LFS), listed and read."""

    files: dict[str, dict[str, bytes]]
    large: dict[str, bytes]
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
    yield handler
    close_session()
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path):
    model = interp.HookedTransformer(interp.TransformerConfig(n_layers=1, d_model=16, n_heads=2))
    recipe = TrainConfig(steps=4, batch=4, length=(2, 5), evaluate_lengths=(5,), keep=(2,))
    interp.train(model, interp.CopyTask(), recipe, tmp_path / "run", progress=False)
    return tmp_path / "run"


def test_what_is_pushed_comes_back_the_same(hub, run):
    address = interp.push_to_hub(run, "someone/copier", says="L0H1 looks up the last 2 letters.")
    assert address.endswith(COMMIT)
    files = hub.files["someone/copier"]
    assert set(files) == {"README.md", "config.json", "model.safetensors", "log.jsonl", "checkpoints/2.safetensors"}
    for name in set(files) - {"README.md"}:
        assert files[name] == (run / name).read_bytes()
    there, here = interp.load("hub:someone/copier"), interp.load(run)
    for name, tensor in here.model.state_dict().items():
        torch.testing.assert_close(there.model.state_dict()[name], tensor, rtol=0, atol=0)
    assert there.description | {"spec": ""} == here.description | {"spec": ""}
    assert interp.load("hub:someone/copier@2").description["step"] == 2


def test_the_card_says_what_the_model_is_and_how_it_is_opened(hub, run):
    interp.push_to_hub(run, "someone/copier", says="L0H1 looks up the last 2 letters.")
    card = hub.files["someone/copier"]["README.md"].decode()
    for text in (
        'library_name: "interp"',
        'interp.load("hub:someone/copier")',
        "L0H1 looks up",
        "- `steps`: 4",
        "jelassi2024",
    ):
        assert text in card
    assert "| 5 | 0% |" in card


def test_only_weights_and_json_are_fetched(hub, run):
    interp.push_to_hub(run, "someone/copier")
    hub.files["someone/copier"] |= {"modeling.py": b"raise SystemExit", "model.bin": b"pickle"}
    folder = interp.load("hub:someone/copier").folder
    assert not {"modeling.py", "model.bin", "README.md"} & {path.name for path in folder.rglob("*")}


@pytest.mark.usefixtures("hub")
def test_a_run_that_is_not_there_and_a_name_that_is_none_are_refused():
    with pytest.raises(InterpError, match="someone/nothing must be"):
        interp.load("hub:someone/nothing")
    for name in ("copier", "../x", "a/b/c", "a/b?commit=1", ""):
        with pytest.raises(UserError, match="hub: must be USER/NAME"):
            interp.load(f"hub:{name}")


def test_weights_that_were_altered_there_are_refused(hub, run):
    interp.push_to_hub(run, "someone/copier")
    files = hub.files["someone/copier"]
    files["config.json"] = files["config.json"].replace(b'"seed": 0', b'"seed": 1')
    with pytest.raises(InterpError, match="must belong to"):
        interp.load("hub:someone/copier")


def test_a_hub_that_says_no_is_told_in_one_sentence(hub, run):
    with pytest.raises(
        InterpError, match=r"must reach the Hugging Face hub; got an error \(.*403.*Log in with hf auth"
    ):
        interp.push_to_hub(run, "closed/copier")
    assert not hub.files
    with pytest.raises(UserError, match="must be a run folder"):
        interp.push_to_hub(run.parent, "someone/copier")
