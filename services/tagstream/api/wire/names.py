"""Rules for names, labels and annotations, in Kubernetes' words.

Each `check_` function returns the complaints as texts, none when the value is fine; the
`validate_` functions return field errors. ImageStream names and tags have their own rules in
`tagstream.streams`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tagstream.api.wire.field_errors import FieldError, invalid_value, too_long_value

LABEL_MAX_BYTES = 63
SUBDOMAIN_MAX_BYTES = 253
ANNOTATIONS_MAX_BYTES = 256 * 1024
_GENERATED_BASE_MAX = 63 - 5

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + "(\\." + _LABEL + ")*"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_DATA_KEY = "[-._a-zA-Z0-9]+"

_LABEL_RE = re.compile(_LABEL)
_SUBDOMAIN_RE = re.compile(_SUBDOMAIN)
_KEY_RE = re.compile(_KEY)
_VALUE_RE = re.compile(_VALUE)
_DATA_KEY_RE = re.compile(_DATA_KEY)

_ALNUM_ENDS = "and must start and end with an alphanumeric character"
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    f"{_ALNUM_ENDS} (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    f"'.', {_ALNUM_ENDS} (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_KEY_TEXT = (
    f"must consist of alphanumeric characters, '-', '_' or '.', {_ALNUM_ENDS} (e.g. 'MyName',  "
    f"or 'my.name',  or '123-abc', regex used for validation is '{_KEY}')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    f"'.', {_ALNUM_ENDS} (e.g. 'MyValue',  or 'my_value',  or '12345', "
    f"regex used for validation is '{_VALUE}')"
)
_DATA_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    f"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '{_DATA_KEY}')"
)


def check_dns_label(value: str) -> list[str]:
    """Complaints about a DNS-1123 label: namespace names."""
    complaints = _check_length(value, LABEL_MAX_BYTES)
    if not _LABEL_RE.fullmatch(value):
        dotted = _SUBDOMAIN_RE.fullmatch(value) is not None
        complaints.append("must not contain dots" if dotted else _LABEL_TEXT)
    return complaints


def check_dns_subdomain(value: str) -> list[str]:
    """Complaints about a DNS-1123 subdomain: most object names."""
    complaints = _check_length(value, SUBDOMAIN_MAX_BYTES)
    if not _SUBDOMAIN_RE.fullmatch(value):
        complaints.append(_SUBDOMAIN_TEXT)
    return complaints


def check_path_segment(value: str) -> list[str]:
    """Complaints about a name that only has to fit into a URL path: RBAC and image objects."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in ("/", "%") if char in value]


def check_label_key(value: str) -> list[str]:
    """Complaints about a qualified name: a label key, an annotation key, a finalizer."""
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        return [
            f"a valid label key {_KEY_TEXT} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    complaints: list[str] = []
    if slash and not prefix:
        complaints.append("prefix part must be non-empty")
    elif slash:
        complaints += [f"prefix part {text}" for text in check_dns_subdomain(prefix)]
    if not name:
        complaints.append("name part must be non-empty")
    complaints += [f"name part {text}" for text in _check_length(name, LABEL_MAX_BYTES)]
    if not _KEY_RE.fullmatch(name):
        complaints.append(f"name part {_KEY_TEXT}")
    return complaints


def check_label_value(value: str) -> list[str]:
    """Complaints about a label's value; empty is allowed."""
    complaints = _check_length(value, LABEL_MAX_BYTES)
    if not _VALUE_RE.fullmatch(value):
        complaints.append(_VALUE_TEXT)
    return complaints


def check_data_key(value: str) -> list[str]:
    """Complaints about a key of a Secret's or ConfigMap's data."""
    complaints = _check_length(value, SUBDOMAIN_MAX_BYTES)
    if not _DATA_KEY_RE.fullmatch(value):
        complaints.append(_DATA_KEY_TEXT)
    if value == ".":
        complaints.append("must not be '.'")
    elif value == "..":
        complaints.append("must not be '..'")
    elif value.startswith(".."):
        complaints.append("must not start with '..'")
    return complaints


def validate_labels(labels: Mapping[str, str], path: str) -> list[FieldError]:
    """Errors of a label map; every one is reported on the map's own path."""
    errors: list[FieldError] = []
    for key, value in labels.items():
        errors += [invalid_value(path, key, text) for text in check_label_key(key)]
        errors += [invalid_value(path, value, text) for text in check_label_value(value)]
    return errors


def validate_annotations(annotations: Mapping[str, str], path: str) -> list[FieldError]:
    """Errors of an annotation map: keys without regard to case, 256 KiB in all."""
    errors: list[FieldError] = []
    size_bytes = 0
    for key, value in annotations.items():
        errors += [invalid_value(path, key, text) for text in check_label_key(key.lower())]
        size_bytes += len(key.encode()) + len(value.encode())
    if size_bytes > ANNOTATIONS_MAX_BYTES:
        errors.append(too_long_value(path, ANNOTATIONS_MAX_BYTES))
    return errors


def generate_name(base: str, random5: str) -> str:
    """`metadata.generateName` plus five random characters, 63 bytes at most."""
    return base[:_GENERATED_BASE_MAX] + random5


def mask_trailing_dash(prefix: str) -> str:
    """A generateName made checkable as a name: a trailing dash counts as a letter.

    Takes two characters away and adds one, as Kubernetes does.
    """
    return prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix


def _check_length(value: str, max_bytes: int) -> list[str]:
    if len(value.encode("utf-8", "surrogatepass")) > max_bytes:
        return [f"must be no more than {max_bytes} bytes"]
    return []
