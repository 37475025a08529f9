"""What a recording calls something, and what it is called here.

Owns the translation of names that each run makes anew: the registry's address, digests, sizes and
namespaces are known before; uids and resourceVersions are learned from the first answer that has
them and must be the same ever after.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from fakes.images import sha256_digest
from fakes.recorded_images import ImageRoles

_DIGEST = re.compile(r"sha256:[0-9a-f]{7,64}")


class Names:
    """One run's dictionary."""

    def __init__(self, words: Mapping[str, str], roles: ImageRoles) -> None:
        self._words = re.compile("|".join(re.escape(word) for word in words) or r"(?!)")
        self._replacements = dict(words)
        self._roles = roles
        self._learned: dict[tuple[str, str], str] = {}

    def copy(self) -> Names:
        """One to try a comparison with, and to throw away when it fails."""
        other = copy.copy(self)
        other._learned = dict(self._learned)
        return other

    def learn(self, key: str, recorded: str, ours: str) -> str:
        """Ours for that recorded value; the value it was first seen with wins."""
        return self._learned.setdefault((key, recorded), ours)

    def renew(self, key: str, recorded: str, ours: str) -> None:
        """Let the newest value win: of things that may move between two answers."""
        self._learned[key, recorded] = ours

    def find(self, key: str, recorded: str) -> str | None:
        """What was learned, if anything."""
        return self._learned.get((key, recorded))

    def text(self, text: str) -> str:
        """A recorded text in our words."""
        replaced = self._words.sub(lambda match: self._replacements[match[0]], text)
        return _DIGEST.sub(lambda match: self._digest(match[0]), replaced)

    def expected(self, node: Any) -> Any:
        """A recorded body as we should answer it, learned names excepted."""
        if isinstance(node, dict):
            # managedFields are dropped whole: nothing in them is compared.
            translated = {
                self.text(key): self._stored_text(key, value) or self.expected(value)
                for key, value in node.items()
                if key != "managedFields"
            }
            return self._with_our_sizes(translated)
        if isinstance(node, list):
            return [self.expected(child) for child in node]
        return self.text(node) if isinstance(node, str) else node

    def request(self, node: Any) -> Any:
        """A recorded request in our words, learned names included."""
        if isinstance(node, dict):
            return {self.text(key): self._request_value(key, node[key]) for key in node}
        if isinstance(node, list):
            return [self.request(child) for child in node]
        return self.text(node) if isinstance(node, str) else node

    def query(self, query: str, path: str) -> str:
        """A recorded query string in our words; the path tells which hash is meant."""
        ours = re.sub(
            r"(?<=resourceVersion=)\d+",
            lambda match: self._list_version(match[0]),
            self.text(query),
        )
        found = self.find("hash", path)
        return re.sub(r"(?<=hash=)\w+", found, ours) if found else ours

    def _request_value(self, key: str, value: Any) -> Any:
        if key == "resourceVersion" and isinstance(value, str):
            return self._version(value)
        if key == "uid" and isinstance(value, str):
            return self.find("uid", value) or value
        return self.request(value)

    def _version(self, recorded: str) -> str:
        return self.find("resourceVersion", recorded) or recorded

    def _list_version(self, recorded: str) -> str:
        """Where a watch continues: the version of a list, or else of an object."""
        return self.find("list version", recorded) or self._version(recorded)

    def _digest(self, recorded: str) -> str:
        digests = self._roles.digests
        for whole, ours in digests.items():
            if whole.startswith(recorded):
                return ours[: len(recorded)]
        return recorded

    def _stored_text(self, key: str, value: Any) -> str | None:
        """A manifest or config that the recording shows as text."""
        if key not in ("dockerImageManifest", "dockerImageConfig") or not value:
            return None
        ours = self._roles.digests.get(sha256_digest(value.encode()), "")
        return self._roles.contents[ours].decode() if ours else None

    def _with_our_sizes(self, node: dict[str, Any]) -> dict[str, Any]:
        for name, size in (("name", "size"), ("digest", "manifestSize")):
            if size in node and self._roles.size(str(node.get(name))) is not None:
                node[size] = self._roles.size(str(node[name]))
        if "Size" in node and self._roles.image_size(str(node.get("Id"))) is not None:
            node["Size"] = self._roles.image_size(str(node["Id"]))
        return node
