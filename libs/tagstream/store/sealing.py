"""Encryption of what Secrets hold, at rest: AES-GCM with a key from a file.

Owns the sealed form and the fingerprint that tells whether two values are equal without telling
what they are. Nothing here logs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tagstream.errors import InvalidInput

_VERSION = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_KEY_ID_BYTES = 4


class Sealer(Protocol):
    """Seals bytes for one context (an object's uid), so that they open nowhere else."""

    def seal(self, plain: bytes, context: str) -> bytes: ...

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Raises InvalidInput when no key fits or the bytes were changed."""
        ...

    def fingerprint(self, plain: bytes, context: str) -> str:
        """Equal for equal bytes of one context; says nothing else about them."""
        ...


class AesGcmSealer:
    """The first key seals, all of them unseal: a key is replaced by putting a new one first.

    Sealed: a version byte, four bytes that name the key, the nonce, the ciphertext.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise InvalidInput("secret key", "every key must be 32 bytes, and there must be one")
        self._ciphers = {_derive(key, b"id")[:_KEY_ID_BYTES]: _cipher(key) for key in keys}
        self._current = _derive(keys[0], b"id")[:_KEY_ID_BYTES]
        self._fingerprint_key = _derive(keys[0], b"fingerprint")

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(nonce, plain, context.encode())
        return _VERSION + self._current + nonce + sealed

    def unseal(self, sealed: bytes, context: str) -> bytes:
        start = len(_VERSION) + _KEY_ID_BYTES
        cipher = self._ciphers.get(sealed[len(_VERSION) : start])
        if not sealed.startswith(_VERSION) or cipher is None:
            raise InvalidInput("secret key", "the key that sealed this Secret is not in the file")
        nonce, body = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, body, context.encode())
        except InvalidTag as error:
            raise InvalidInput("secret key", "a sealed Secret was changed in the store") from error

    def fingerprint(self, plain: bytes, context: str) -> str:
        digest = hmac.digest(self._fingerprint_key, context.encode() + b"\0" + plain, "sha256")
        return digest.hex()


def _derive(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, b"tagstream " + purpose, hashlib.sha256).digest()


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(_derive(key, b"seal"))


def load_sealer(path: Path) -> AesGcmSealer:
    """Keys from a file: one a line, 32 bytes in base64, the newest first.

    Raises InvalidInput, which names the file and never shows its contents.
    """
    try:
        lines = path.read_text("ascii").split()
        keys = [base64.b64decode(line, validate=True) for line in lines]
        return AesGcmSealer(keys)
    except (OSError, UnicodeDecodeError, binascii.Error, InvalidInput) as error:
        raise InvalidInput(
            str(path), "must be readable and hold keys of 32 bytes in base64, one a line"
        ) from error


def make_key_line() -> str:
    """A fresh random key as a line of such a file."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode() + "\n"
