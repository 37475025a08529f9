"""The cluster roles and bindings that every installation has, as data.

Source: spec/image-api-and-import.md §9.1; for the core kinds, what Kubernetes' own view, edit and
admin say. Applying them is `bootstrap.py`.
"""

from __future__ import annotations

from tagstream.api.access.rbac import AUTHENTICATED, GROUP, MASTERS, UNAUTHENTICATED, Rule, Subject
from tagstream.api.access.system_objects import (
    SystemObject,
    build_account,
    build_binding,
    build_cluster_role,
    build_namespace,
)
from tagstream.pruning import image_pruner

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
SYSTEM_NAMESPACE = "tagstream-system"
DISPATCHER = "trigger-dispatcher"
SAMPLES_MANAGER = "samples-manager"
SAMPLES_NAMESPACE = "openshift"
# Where the samples' own notes are: spec/samples-and-templates.md §1.
SAMPLES_OPERATOR_NAMESPACE = "openshift-cluster-samples-operator"
NAMESPACES = (
    *("default", "kube-public", "kube-system"),
    *(SAMPLES_NAMESPACE, SAMPLES_OPERATOR_NAMESPACE, SYSTEM_NAMESPACE),
)

_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
# The roles that Kubernetes itself makes; those of OpenShift do not carry its label.
_OF_KUBERNETES = ("cluster-admin", "system:basic-user", "system:discovery")
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")
FULL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def _rule(groups: str, resources: str, verbs: tuple[str, ...] | str) -> Rule:
    """From words; the group "core" is the empty one."""
    return Rule(
        verbs=tuple(verbs.split()) if isinstance(verbs, str) else verbs,
        groups=tuple("" if group == "core" else group for group in groups.split()),
        resources=tuple(resources.split()),
    )


def _paths(paths: str, verb: str = "get") -> Rule:
    return Rule(verbs=(verb,), paths=tuple(paths.split()))


_IMAGE = "core image.openshift.io"
_PROJECT = "core project.openshift.io"
_TEMPLATE = "core template.openshift.io"
_STREAM_VIEWS = "imagestreammappings imagestreams imagestreamimages imagestreamtags imagetags"
_WORKLOADS = (
    ("core", "pods replicationcontrollers replicationcontrollers/scale"),
    (
        "apps",
        "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets "
        "statefulsets/scale",
    ),
    ("batch", "cronjobs jobs"),
)
_WORKLOAD_STATUS = (
    ("core", "pods/log pods/status replicationcontrollers/status namespaces/status"),
    ("apps", "daemonsets/status deployments/status replicasets/status statefulsets/status"),
    ("batch", "cronjobs/status jobs/status"),
)

_IMAGE_VIEW = (
    _rule(_IMAGE, _STREAM_VIEWS, READ),
    _rule(_IMAGE, "imagestreams/status", READ),
    _rule(_IMAGE, "imagestreams/layers", "get"),
)
_IMAGE_EDIT = (
    _rule(_IMAGE, f"{_STREAM_VIEWS} imagestreams/secrets", FULL),
    _rule(_IMAGE, "imagestreams/status", READ),
    _rule(_IMAGE, "imagestreams/layers", "get update"),
    _rule(_IMAGE, "imagestreamimports", "create"),
)
_OWN_NAMESPACE = (_rule("core", "namespaces", "get"), _rule(_PROJECT, "projects", "get"))

_VIEW = (
    *_IMAGE_VIEW,
    *(_rule(group, resources, READ) for group, resources in _WORKLOADS),
    *(_rule(group, resources, READ) for group, resources in _WORKLOAD_STATUS),
    _rule("core", "configmaps serviceaccounts limitranges resourcequotas", READ),
    _rule("core events.k8s.io", "events", READ),
    _rule("core", "namespaces", READ),
    _rule(_PROJECT, "projects", "get"),
    _rule(_TEMPLATE, "processedtemplates templates", READ),
)
_EDIT = (
    *_IMAGE_EDIT,
    *_VIEW,
    *(_rule(group, resources, WRITE) for group, resources in _WORKLOADS),
    _rule("core", "configmaps secrets serviceaccounts", FULL),
    _rule("core", "serviceaccounts", "impersonate"),
    _rule("core", "serviceaccounts/token", "create"),
    _rule("core events.k8s.io", "events", WRITE),
    _rule(_TEMPLATE, "processedtemplates templates", FULL),
)
_ACCESS = (
    _rule(GROUP, "rolebindings roles", FULL),
    _rule("authorization.k8s.io", "localsubjectaccessreviews", "create"),
)
_ADMIN = (*_EDIT, *_ACCESS, _rule(_PROJECT, "projects", "delete get patch update"))

_CLUSTER_READER = (
    *_VIEW,
    _rule(_IMAGE, "images imagesignatures", READ),
    _rule(GROUP, "clusterrolebindings clusterroles rolebindings roles", READ),
    _rule("project.openshift.io", "projects projectrequests", READ),
    _rule(
        "config.openshift.io imageregistry.operator.openshift.io samples.operator.openshift.io",
        "clusteroperators configs imagepruners images",
        READ,
    ),
    _rule(
        "authorization.k8s.io",
        "localsubjectaccessreviews selfsubjectaccessreviews selfsubjectrulesreviews "
        "subjectaccessreviews",
        "create",
    ),
    _paths("*"),
)
# spec/triggers-lookup-pruning.md D12.
_PRUNER = (
    _rule("core", "pods replicationcontrollers", "get list"),
    _rule("core", "limitranges", "list"),
    _rule("build.openshift.io", "buildconfigs builds", "get list"),
    _rule("apps.openshift.io", "deploymentconfigs", "get list"),
    _rule("apps", "daemonsets deployments replicasets statefulsets", "get list"),
    _rule("batch", "cronjobs jobs", "get list"),
    _rule(_IMAGE, "images imagestreams", READ),
    _rule(_IMAGE, "images", "delete"),
    _rule(_IMAGE, "imagestreams/status", "update"),
)
_DEPLOYER = (
    _rule("core", "replicationcontrollers", "delete get list patch update watch"),
    _rule("core", "replicationcontrollers/scale", "get update"),
    _rule("core", "pods", "create get list watch"),
    _rule("core", "pods/log", "get"),
    _rule("core", "events", "create list"),
    _rule(_IMAGE, "imagestreamtags imagetags", "create update"),
)
_DISPATCHER = (
    _rule("core", "pods replicationcontrollers", "get list patch watch"),
    _rule("apps", "daemonsets deployments statefulsets", "get list patch watch"),
    _rule("batch", "cronjobs jobs", "get list patch watch"),
    _rule("core events.k8s.io", "events", "create"),
)
_SAMPLES_CONFIG = (
    _rule("samples.operator.openshift.io", "configs", "create get list patch update watch"),
    _rule("samples.operator.openshift.io", "configs/status", "patch update"),
    _rule("config.openshift.io", "clusteroperators", "create get update"),
    _rule("config.openshift.io", "clusteroperators/status", "update"),
    _rule("config.openshift.io", "images", "get list watch"),
)
_SAMPLES = (
    _rule("image.openshift.io", "imagestreams", "create delete get list patch update watch"),
    _rule("image.openshift.io", "imagestreamimports", "create"),
    _rule("template.openshift.io", "templates", "create delete get list patch update watch"),
)
_SAMPLES_NOTES = (_rule("core", "configmaps", "create delete get list update watch"),)
_SHARED = (
    _rule("image.openshift.io", "imagestreamimages imagestreams imagestreamtags imagetags", READ),
    _rule("image.openshift.io", "imagestreams/layers", "get"),
    _rule("template.openshift.io", "templates", READ),
)
_SELF_REVIEWS = (
    _rule("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create"),
    _rule("authentication.k8s.io", "selfsubjectreviews", "create"),
)
_BASIC_USER = (
    Rule(("get",), ("", "user.openshift.io"), ("users",), ("~",)),
    _rule("project.openshift.io", "projectrequests", "list"),
    _rule("project.openshift.io", "projects", "list watch"),
    _rule(GROUP, "clusterroles", "get list watch"),
    *_SELF_REVIEWS,
)
_PUBLIC = "/healthz /livez /readyz /version /version/"
_DISCOVERY = f"/api /api/* /apis /apis/* /openapi /openapi/* {_PUBLIC}"

_EVERY_RIGHT = (Rule(("*",), ("*",), ("*",)), Rule(("*",), paths=("*",)))

_SIMPLE: tuple[tuple[str, str, tuple[Rule, ...]], ...] = (
    ("cluster-admin", "A super-user that can perform any action in the cluster.", _EVERY_RIGHT),
    ("cluster-reader", "Reads everything but secrets.", _CLUSTER_READER),
    (
        "basic-user",
        "A user that can get basic information about projects.",
        _BASIC_USER,
    ),
    (
        "self-provisioner",
        "A user that can request projects.",
        (_rule("core project.openshift.io", "projectrequests", "create"),),
    ),
    ("registry-viewer", "Reads image streams and pulls.", (*_IMAGE_VIEW, *_OWN_NAMESPACE)),
    ("registry-editor", "Writes image streams, pulls and pushes.", (*_IMAGE_EDIT, *_OWN_NAMESPACE)),
    (
        "registry-admin",
        "Writes image streams and manages access to them.",
        (
            *_IMAGE_EDIT,
            *_ACCESS,
            _rule("core", "namespaces", "get"),
            _rule(_PROJECT, "projects", "delete get"),
        ),
    ),
    (
        "system:image-puller",
        "Grants the right to pull images from within a project.",
        (_rule(_IMAGE, "imagestreams/layers", "get"),),
    ),
    (
        "system:image-pusher",
        "Grants the right to push and pull images from within a project.",
        (_rule(_IMAGE, "imagestreams/layers", "get update"),),
    ),
    (
        "system:image-auditor",
        "Reads and annotates all images.",
        (_rule(_IMAGE, "images", "get list patch update watch"),),
    ),
    (
        "system:image-signer",
        "Reads images and adds signatures to them.",
        (
            _rule(_IMAGE, "images imagestreams/layers", "get"),
            _rule(_IMAGE, "imagesignatures", "create delete"),
        ),
    ),
    ("system:image-pruner", "Removes images and shortens histories.", _PRUNER),
    ("system:deployer", "Grants the right to deploy within a project.", _DEPLOYER),
    ("system:basic-user", "Asks about oneself.", _SELF_REVIEWS),
    ("system:discovery", "Reads what kinds the server has.", (_paths(_DISCOVERY),)),
    ("system:public-info-viewer", "Reads health and version.", (_paths(_PUBLIC),)),
    ("system:tagstream:trigger-dispatcher", "Sets images of workloads.", _DISPATCHER),
    ("system:tagstream:samples-manager", "Follows the samples' Config.", _SAMPLES_CONFIG),
    ("system:tagstream:samples", "Keeps sample streams and templates.", _SAMPLES),
    ("system:tagstream:samples-notes", "Keeps notes about the samples.", _SAMPLES_NOTES),
)
_IMAGE_BUILDER = (
    _rule(_IMAGE, "imagestreams/layers", "get update"),
    _rule(_IMAGE, "imagestreams", "create"),
)
_AGGREGATED: tuple[tuple[str, str, tuple[Rule, ...], tuple[str, ...]], ...] = (
    ("view", "A user who can view but not edit any resources.", _VIEW, ("view",)),
    (
        "edit",
        "A user that can create and edit most objects in a project.",
        (*_EDIT, _IMAGE_BUILDER[1]),
        ("edit", "view"),
    ),
    (
        "admin",
        "A user that has edit rights within the project and can change its membership.",
        (*_ADMIN, _IMAGE_BUILDER[1]),
        ("admin", "edit", "view"),
    ),
)


def _annotations(description: str = "") -> dict[str, str]:
    notes = {AUTOUPDATE: "true"}
    return {"openshift.io/description": description} | notes if description else notes


def _build_roles() -> tuple[SystemObject, ...]:
    simple = [
        build_cluster_role(
            name,
            rules,
            labels=_LABELS if name.startswith(_OF_KUBERNETES) else {},
            annotations=_annotations(text),
        )
        for name, text, rules in _SIMPLE
    ]
    builder = build_cluster_role(
        "system:image-builder",
        _IMAGE_BUILDER,
        labels={f"{_AGGREGATE}admin": "true", f"{_AGGREGATE}edit": "true"},
        annotations=_annotations("Grants the right to build, push and pull images in a project."),
    )
    aggregated = [
        build_cluster_role(
            name,
            rules,
            content={"aggregationRule": {"clusterRoleSelectors": _selectors(takes_in)}},
            labels=_LABELS,
            annotations=_annotations(text),
        )
        for name, text, rules, takes_in in _AGGREGATED
    ]
    return (*simple, builder, *aggregated)


def _selectors(takes_in: tuple[str, ...]) -> list[dict[str, dict[str, str]]]:
    return [{"matchLabels": {f"{_AGGREGATE}{name}": "true"}} for name in takes_in]


def _group_binding(name: str, role: str, *groups: str) -> SystemObject:
    subjects = [Subject("Group", group) for group in groups]
    return build_binding("", name, role, *subjects, labels=_LABELS, annotations=_annotations())


CLUSTER_ROLES: tuple[SystemObject, ...] = _build_roles()
# Cluster-wide, but for those that need no more than a namespace.
CLUSTER_ROLE_BINDINGS: tuple[SystemObject, ...] = (
    _group_binding("cluster-admin", "cluster-admin", MASTERS),
    build_binding(
        "",
        "cluster-admins",
        "cluster-admin",
        Subject("Group", "system:cluster-admins"),
        Subject("User", "system:admin"),
        labels=_LABELS,
        annotations=_annotations(),
    ),
    _group_binding("cluster-readers", "cluster-reader", "system:cluster-readers"),
    _group_binding("basic-users", "basic-user", AUTHENTICATED),
    _group_binding("self-provisioners", "self-provisioner", "system:authenticated:oauth"),
    _group_binding("system:basic-user", "system:basic-user", AUTHENTICATED),
    _group_binding("system:discovery", "system:discovery", AUTHENTICATED),
    _group_binding(
        "system:public-info-viewer", "system:public-info-viewer", AUTHENTICATED, UNAUTHENTICATED
    ),
    build_binding(
        "",
        "system:tagstream:trigger-dispatcher",
        "system:tagstream:trigger-dispatcher",
        Subject("ServiceAccount", DISPATCHER, SYSTEM_NAMESPACE),
        labels=_LABELS,
        annotations=_annotations(),
    ),
    *(
        build_binding(
            namespace,
            role,
            role,
            Subject("ServiceAccount", SAMPLES_MANAGER, SYSTEM_NAMESPACE),
            annotations=_annotations(),
        )
        for namespace, role in (
            ("", "system:tagstream:samples-manager"),
            (SAMPLES_NAMESPACE, "system:tagstream:samples"),
            (SAMPLES_OPERATOR_NAMESPACE, "system:tagstream:samples-notes"),
        )
    ),
)
ACCOUNTS: tuple[SystemObject, ...] = (
    build_account(SYSTEM_NAMESPACE, DISPATCHER),
    build_account(SYSTEM_NAMESPACE, SAMPLES_MANAGER),
)
# What everybody may see of the samples.
_SHARED_ROLE = "shared-resource-viewer"
SHARED_RESOURCES: tuple[SystemObject, ...] = (
    SystemObject(
        GROUP,
        "roles",
        "Role",
        SAMPLES_NAMESPACE,
        _SHARED_ROLE,
        {"rules": [rule.to_json() for rule in _SHARED]},
        annotations=_annotations(),
    ),
    SystemObject(
        GROUP,
        "rolebindings",
        "RoleBinding",
        SAMPLES_NAMESPACE,
        f"{_SHARED_ROLE}s",
        {
            "subjects": [{"kind": "Group", "apiGroup": GROUP, "name": AUTHENTICATED}],
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": _SHARED_ROLE},
        },
        annotations=_annotations(),
    ),
)

IMAGE_PRUNER = SystemObject(
    image_pruner.GROUP,
    image_pruner.RESOURCE,
    image_pruner.KIND,
    "",
    image_pruner.NAME,
    {"spec": dict(image_pruner.FIRST_SPEC), "status": {}},
)

#: The namespaces, each made together with its defaults.
NAMESPACE_OBJECTS: tuple[SystemObject, ...] = tuple(build_namespace(name) for name in NAMESPACES)
#: Everything else, in the order in which it is made.
BOOTSTRAP_OBJECTS: tuple[SystemObject, ...] = (
    *(*CLUSTER_ROLES, *CLUSTER_ROLE_BINDINGS),
    *(*ACCOUNTS, *SHARED_RESOURCES, IMAGE_PRUNER),
)
