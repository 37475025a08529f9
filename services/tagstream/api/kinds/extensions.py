"""CustomResourceDefinitions: none. kubectl lists them before it validates a create-only kind."""

from __future__ import annotations

from tagstream.api.engine.kinds import Kind
from tagstream.api.engine.rules import Rules
from tagstream.api.kinds.declared import GenericKind

CUSTOM_RESOURCE_DEFINITIONS = GenericKind(
    Kind(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "customresourcedefinition",
        namespaced=False,
        verbs=("get", "list", "watch"),
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        schema="io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    ),
    Rules(),
)
