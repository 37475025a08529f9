"""Whom we believe on the other side of a TLS connection.

Owns the two contexts: verified (system authorities plus the configured bundle,
spec/image-api-and-import.md §6.6 "Trust") and unverified, for imports marked insecure.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from tagstream.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """Built once a process: aiohttp keys pooled connections by context, so do not rebuild."""

    verified: ssl.SSLContext
    insecure: ssl.SSLContext

    def choose(self, *, insecure: bool) -> ssl.SSLContext:
        """The context for one request."""
        return self.insecure if insecure else self.verified


def build_tls_contexts(ca_bundle: Path | None = None) -> TlsContexts:
    """Build both contexts; `ca_bundle` is a PEM file of additional authorities.

    Raises InvalidInput when the bundle cannot be read.
    """
    verified = ssl.create_default_context()
    if ca_bundle is not None:
        try:
            verified.load_verify_locations(cafile=ca_bundle)
        except (OSError, ssl.SSLError) as error:
            reason = f"cannot read {ca_bundle} as PEM certificates: {error}; fix or unset it"
            raise InvalidInput("additionalTrustedCA", reason) from error
    insecure = ssl.create_default_context()
    insecure.check_hostname = False
    insecure.verify_mode = ssl.CERT_NONE
    return TlsContexts(verified, insecure)
