"""The client of OCI distribution registries.

Owns everything said on the wire to a registry and its token server: verbs, authentication, limits,
retries, TLS. It does not know what a manifest means (`tagstream.images`) nor where credentials come
from (the importer).
"""
