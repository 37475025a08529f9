"""The TLS side of a `ClusterConfig`."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from tagstream.errors import InvalidInput
from tagstream.kube.config import ClusterConfig


def build_ssl_context(config: ClusterConfig) -> ssl.SSLContext:
    """Verify the server against the config's CA (else the system's) and present its certificate.

    Raises InvalidInput when a certificate or key cannot be used.
    """
    try:
        context = ssl.create_default_context(cadata=config.ca_pem or None)
    except ssl.SSLError as error:
        raise InvalidInput("cluster.certificate-authority", f"unusable: {error}") from error
    if config.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.client_cert_pem:
        _load_client_certificate(context, config)
    return context


def _load_client_certificate(context: ssl.SSLContext, config: ClusterConfig) -> None:
    # The ssl module reads certificates from files only; the directory is ours alone (0700).
    with tempfile.TemporaryDirectory(prefix="tagstream-") as directory:
        cert, key = Path(directory, "cert.pem"), Path(directory, "key.pem")
        cert.write_text(config.client_cert_pem, encoding="ascii")
        key.touch(mode=0o600)
        key.write_text(config.client_key_pem, encoding="ascii")
        try:
            context.load_cert_chain(cert, key)
        except (ssl.SSLError, OSError) as error:
            raise InvalidInput("user.client-certificate", f"unusable: {error}") from error
