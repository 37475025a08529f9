"""Sends recorded requests to a running api, in order, and keeps what differed, case by case.

Owns the HTTP side and the waiting. What counts as a difference is `golden_compare`'s business.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from fakes.golden_compare import Tolerance, differences
from fakes.golden_discovery import only_what_both_serve
from fakes.golden_names import Names
from fakes.recordings import Case, Exchange
from tagstream.api.wire.k8s_protobuf import decode_protobuf, encode_protobuf
from tagstream.kube.config import ClusterConfig
from tagstream.kube.tls import build_ssl_context

PROTOBUF = "application/vnd.kubernetes.protobuf"
_BASE64 = "base64:"
_WAIT_S = 20.0
_PAUSE_S = 0.1
_USER = Tolerance(
    r"\.status\.userInfo\.username|\.metadata\.annotations\.openshift\.io/requester",
    "the administrator of that cluster was called admin",
)
CASE_TOLERATED: Mapping[str, Sequence[Tolerance]] = {
    "discovery-version": (
        Tolerance(r"\.\w+", "each server's own version; the fields must be there"),
    ),
    "watch-is": (
        Tolerance(
            r"\[2\]\.object\.(spec|status|metadata\.namespace)",
            "what Go's zero value of the kind happens to hold; a bookmark is its version",
        ),
    ),
    "e06-role": (Tolerance(r"\.items", "no controller made default bindings in that cluster"),),
    "f16-whoami": (_USER,),
    "f17-new-project": (_USER,),
    "table-images": (Tolerance(r"\.rows", "cluster-wide: that cluster held other images"),),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is parsed where that is possible."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: Any


class Connection:
    """One kept-alive connection with the administrator's certificate."""

    def __init__(self, cluster: ClusterConfig, timeout_s: float = 30.0) -> None:
        target = urlsplit(cluster.server)
        self._http = http.client.HTTPSConnection(
            target.hostname or "",
            target.port or 443,
            timeout=timeout_s,
            context=build_ssl_context(cluster),
        )

    def close(self) -> None:
        self._http.close()

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        """One request; `target` is the encoded path with its query."""
        self._http.request(method, target, body, dict(headers))
        response = self._http.getresponse()
        content = response.read()
        received = {key.lower(): value for key, value in response.getheaders()}
        content_type = received.get("content-type", "")
        return Answer(response.status, content_type, received, parse_body(content, content_type))


def parse_body(content: bytes, content_type: str) -> Any:
    """JSON, a watch's JSON lines as a list, protobuf as an object, anything else as text."""
    if content.startswith(b"k8s\0"):
        return decode_protobuf(content)
    text = content.decode(errors="replace")
    if "json" not in content_type:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return _parse_lines(text)


def _parse_lines(text: str) -> Any:
    try:
        return [json.loads(line) for line in text.splitlines()]
    except json.JSONDecodeError:
        return text


def recorded_answer_body(exchange: Exchange) -> Any:
    """The recorded body in the form `parse_body` gives."""
    body = exchange.response_body
    if isinstance(body, str) and body.startswith(_BASE64):
        return decode_protobuf(base64.b64decode(body.removeprefix(_BASE64)))
    if exchange.is_watch:
        return _parse_lines(body) if isinstance(body, str) else [body]
    return body


def request_bytes(body: Any, names: Names) -> bytes | None:
    """The recorded request as it is sent here.

    Protobuf goes out as the real client wrote it unless our names have another length.
    """
    if body is None or body == "":
        return None
    if isinstance(body, str) and body.startswith(_BASE64):
        raw = base64.b64decode(body.removeprefix(_BASE64))
        wanted = names.request(decode_protobuf(raw))
        replaced = names.text(raw.decode("latin-1")).encode("latin-1")
        keeps_lengths = len(replaced) == len(raw) and decode_protobuf(replaced) == wanted
        return replaced if keeps_lengths else encode_protobuf(wanted)
    if isinstance(body, str):
        return names.text(body).encode()
    return json.dumps(names.request(body)).encode()


@dataclass(slots=True)
class Replay:
    """One run; `found` holds the differences of each case, an empty list where there are none."""

    connection: Connection
    names: Names
    found: dict[str, list[str]] = field(default_factory=dict)

    def run(self, cases: Sequence[Case], after: Mapping[str, Callable[[Replay], None]]) -> None:
        """Replay all cases in order; `after` says what else was done when a case had ended."""
        for case in cases:
            self.found[case.name] = self._run_case(case)
            try:
                after.get(case.name, _nothing)(self)
            except RuntimeError as error:
                self.found[case.name].append(f"unrecorded step after it: {error}")

    def get(self, path: str) -> Any:
        """What is there now; for what was done between the recorded cases."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        """Create, in recorded words."""
        return self._ask("POST", path, body)

    def put(self, path: str, body: Any) -> Any:
        """Replace, in recorded words."""
        return self._ask("PUT", path, body)

    def merge(self, path: str, body: Any) -> Any:
        """Merge patch, in recorded words."""
        return self._ask("PATCH", path, body, "application/merge-patch+json")

    def _ask(self, method: str, path: str, body: Any, kind: str = "application/json") -> Any:
        headers = {"Content-Type": kind, "Accept": "application/json"}
        content = request_bytes(body, self.names)
        answer = self.connection.send(method, self.names.text(path), headers, content)
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body}")
        return answer.body

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Poll for as long as a read is repeated; goes on in any case, the next answers tell."""
        deadline = time.monotonic() + _WAIT_S
        while not holds() and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)

    def _run_case(self, case: Case) -> list[str]:
        found: list[str] = []
        for index, exchange in enumerate(case.exchanges):
            try:
                told = self._run_exchange(case, exchange)
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                told = [f"no answer: {error!r}"]
            place = f"exchange {index} ({exchange.method} {exchange.path})"
            found += [f"{place}: {line}" for line in told]
        return found

    def _run_exchange(self, case: Case, exchange: Exchange) -> list[str]:
        """Reads are repeated until they hold: what they wait for may not have happened yet."""
        repeats = exchange.method == "GET" and not exchange.is_watch
        deadline = time.monotonic() + (_WAIT_S if repeats else 0)
        while True:
            answer = self._send(case, exchange)
            names = self.names.copy()
            told = compare_answer(exchange, answer, names, CASE_TOLERATED.get(case.name, ()))
            if not told or time.monotonic() >= deadline:
                self.names = names
                return told
            time.sleep(_PAUSE_S)

    def _send(self, case: Case, exchange: Exchange) -> Answer:
        safe = "/@!$&'()*+,;=~" if case.name.endswith("-encoded") else "/:@!$&'()*+,;=~"
        target = quote(self.names.text(exchange.path), safe=safe)
        if exchange.query:
            target += "?" + self.names.query(exchange.query, exchange.path)
        body = request_bytes(exchange.request_body, self.names)
        return self.connection.send(exchange.method, target, exchange.request_headers, body)


def _learn_hashes(body: Any, names: Names) -> None:
    """Clients ask for an OpenAPI document with the hash that the index gave them."""
    try:
        index = json.loads(body) if isinstance(body, str) else body
    except json.JSONDecodeError:
        return
    for path, entry in index.get("paths", {}).items():
        if "serverRelativeURL" in entry:
            url = entry["serverRelativeURL"]
            names.learn("hash", f"/openapi/v3/{path}", url.partition("hash=")[2])


def _nothing(replay: Replay) -> None:
    """Most cases are followed by the next one."""


def compare_answer(
    exchange: Exchange, answer: Answer, names: Names, also: Sequence[Tolerance] = ()
) -> list[str]:
    """Status, content type, warnings and body against the recorded ones."""
    if answer.status != exchange.status:
        brief = json.dumps(answer.body)[:400]
        return [f"status: expected {exchange.status}, got {answer.status} {brief}"]
    told = []
    for header in ("content-type", "warning", "cache-control"):
        recorded = {**exchange.response_headers, "content-type": exchange.content_type}
        theirs, ours = names.text(recorded.get(header, "")), answer.headers.get(header, "")
        if ours != theirs:
            told.append(f"{header}: expected {theirs!r}, got {ours!r}")
    expected = recorded_answer_body(exchange)
    if isinstance(expected, str) and expected.startswith("(omitted"):
        _learn_hashes(answer.body, names)
        return told
    body = [answer.body] if exchange.is_watch and isinstance(answer.body, dict) else answer.body
    expected, got = only_what_both_serve(names.expected(expected), body)
    return told + differences(expected, got, names, also)
