"""The `continue` token of a paged list: opaque to clients, Kubernetes' own form inside."""

from __future__ import annotations

import base64
import binascii

import orjson

from tagstream.api.wire.status import bad_request

_FORM = "meta.k8s.io/v1"


def encode_continue(after: tuple[str, str], version: int, namespace: str) -> str:
    """The token of the page that begins after (namespace, name) of a list made at `version`.

    `namespace` is the list's own: inside one, keys are names only.
    """
    key = f"/{after[1]}" if namespace else f"/{after[0]}/{after[1]}"
    body = orjson.dumps({"v": _FORM, "rv": version, "start": f"{key}\0"})
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def decode_continue(token: str, namespace: str) -> tuple[tuple[str, str], int]:
    """The last (namespace, name) of the page before, and the list's version. Raises 400."""
    try:
        body = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        form, version, start = body["v"], body["rv"], body["start"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise _invalid("continue key is not valid") from error
    if form != _FORM or not isinstance(version, int) or not isinstance(start, str):
        raise _invalid("continue key is not valid")
    key = start.removeprefix("/").removesuffix("\0")
    if namespace:
        return (namespace, key), version
    own, _, name = key.rpartition("/")
    return (own, name), version


def _invalid(detail: str) -> Exception:
    return bad_request(f"continue: {detail}; list again without it")
