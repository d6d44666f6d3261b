"""OpenBao as one runs it on one machine: raft storage, an audit file, sealed until unsealed."""

import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.load import LoadRequest, Measured
from benchmarks.peers.candidate import Candidate, Protection, Skipped, memory_of
from benchmarks.peers.installing import environment, install
from benchmarks.peers.load import load_port
from benchmarks.rounds import Effort
from benchmarks.server import free_port

PEER = "OpenBao"
READ, WRITE = "KV read, audited", "KV write, audited"
SECRETS = 200
_PATIENCE = 30.0
_DURABLE = "synced before the answer (raft); audit file written, not synced"
_READS = "reads only; audit file written, not synced"
_PROTECTION = Protection(
    at_rest="AES-256-GCM under a key that is brought to unseal it: a stolen disk opens nothing",
    in_memory="a running server holds the key of everything; each caller with a token that may "
    "read gets the secret in plain",
    audit="each request and answer is a line of a file, values hashed, written before the answer",
)
_CONFIGURATION = """
storage "raft" {{
  path = "{folder}/raft"
  node_id = "one"
}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
}}
audit "file" "main" {{
  options = {{ file_path = "{folder}/audit.log" }}
}}
api_addr = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{cluster}"
log_level = "warn"
"""
_POLICY = """
path "secret/data/*" { capabilities = ["create", "read", "update"] }
path "transit/decrypt/bench" { capabilities = ["update"] }
"""


@contextmanager
def candidates(folder: Path) -> Iterator[list[Candidate]]:
    """Start a server in this folder; raise `Skipped` if it is not to be had here."""
    if reason := install("openbao"):
        raise Skipped(reason)
    folder.mkdir()
    (folder / "raft").mkdir()
    port = free_port()
    configuration = folder / "server.hcl"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, port=port, cluster=free_port()), encoding="utf-8"
    )
    log = folder / "server.log"
    with log.open("wb") as written:
        process = subprocess.Popen(  # noqa: S603  # the program that was just installed
            [environment("openbao") / "bin/bao", "server", f"-config={configuration}"],
            stdout=written,
            stderr=written,
        )
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}/v1/", trust_env=False, timeout=_PATIENCE
        ) as http:
            token = _prepare(http, process)
            yield _candidates(http, port, token, process.pid)
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _prepare(http: httpx.Client, process: subprocess.Popen[bytes]) -> str:
    """Unseal the server and fill it; return a token that may do what is measured, and no more."""
    _until(process, lambda: http.get("sys/seal-status").is_success)
    made = _call(http, "PUT", "sys/init", secret_shares=1, secret_threshold=1)
    _call(http, "PUT", "sys/unseal", key=made["keys"][0])
    http.headers["X-Vault-Token"] = made["root_token"]
    _until(process, lambda: http.get("sys/health").status_code == httpx.codes.OK)
    _call(http, "POST", "sys/mounts/secret", type="kv", options={"version": "2"})
    _call(http, "POST", "sys/mounts/transit", type="transit")
    _call(http, "POST", "transit/keys/bench", type="aes256-gcm96")
    _call(http, "PUT", "sys/policies/acl/bench", policy=_POLICY)
    # The engine of a new mount needs a moment.
    _until(process, lambda: http.post("secret/data/0", json=_secret()).is_success)
    for number in range(1, SECRETS):
        _call(http, "POST", f"secret/data/{number}", **_secret())
    token = _call(http, "POST", "auth/token/create", policies=["bench"], no_parent=True)
    return str(token["auth"]["client_token"])


def _secret() -> dict[str, Any]:
    return {"data": {"api_key": "k" * 36, "api_secret": "s" * 64}}


def _candidates(http: httpx.Client, port: int, token: str, pid: int) -> list[Candidate]:
    sealed = _call(http, "POST", "transit/encrypt/bench", plaintext=b64encode(b"s" * 64).decode())[
        "data"
    ]["ciphertext"]
    names = [f"/v1/secret/data/{number}" for number in range(SECRETS)]
    written = httpx.Request("POST", "/", json=_secret()).content.decode()
    opened = httpx.Request("POST", "/", json={"ciphertext": sealed}).content.decode()
    headers = {"X-Vault-Token": token}
    kinds = [
        (READ, _READS, [LoadRequest(name, headers=headers) for name in names]),
        (
            WRITE,
            _DURABLE,
            [LoadRequest(name, method="POST", headers=headers, body=written) for name in names],
        ),
        (
            "Transit decrypt, audited",
            _READS,
            [LoadRequest("/v1/transit/decrypt/bench", "", "POST", headers, opened)],
        ),
    ]

    def made(what: str, durable: str, requests: list[LoadRequest]) -> Candidate:
        def measure(effort: Effort) -> Measured:
            return load_port(port, requests, effort)

        return Candidate(PEER, what, durable, _PROTECTION, measure, lambda: memory_of([pid]))

    return [made(*kind) for kind in kinds]


def _call(http: httpx.Client, method: str, path: str, **body: Any) -> dict[str, Any]:
    answer = http.request(method, path, json=body)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found


def _until(process: subprocess.Popen[bytes], holds: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            if holds():
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.1)
    raise Skipped("OpenBao did not start")
