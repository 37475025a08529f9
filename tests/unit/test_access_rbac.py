"""What roles and bindings allow."""

from __future__ import annotations

import pytest

from tagstream.api.access.bootstrap_roles import (
    BOOTSTRAP_OBJECTS,
    CLUSTER_ROLES,
)
from tagstream.api.access.namespace_defaults import default_objects
from tagstream.api.access.policy import Policy
from tagstream.api.access.rbac import (
    Rule,
    parse_binding,
    parse_rules,
    request_scope,
    split_account,
    uncovered_rules,
)
from tagstream.api.access.system_objects import SystemObject
from tagstream.api.engine.context import User

IMAGE = "image.openshift.io"


def user(name: str, *groups: str) -> User:
    return User(name, frozenset((*groups, "system:authenticated")))


def account(namespace: str, name: str) -> User:
    groups = (f"system:serviceaccounts:{namespace}", "system:serviceaccounts")
    return user(f"system:serviceaccount:{namespace}:{name}", *groups)


def bind(policy: Policy, scope: str, role: str, kind: str, name: str, **subject: str) -> None:
    body = {
        "subjects": [{"kind": kind, "name": name, **subject}],
        "roleRef": {"kind": "ClusterRole", "name": role},
    }
    resource = "rolebindings" if scope else "clusterrolebindings"
    policy.put(resource, scope, f"{role}-{name}", "uid", body)


def put(policy: Policy, one: SystemObject) -> None:
    body = {"metadata": {"labels": dict(one.labels)}} | one.content
    policy.put(one.resource, one.namespace, one.name, "uid", body)


@pytest.fixture
def policy() -> Policy:
    """The bootstrap roles, and the namespace `team` with its defaults."""
    made = Policy()
    for one in (*BOOTSTRAP_OBJECTS, *default_objects("team")):
        put(made, one)
    return made


@pytest.mark.parametrize(
    ("rule", "asked", "covers"),
    [
        (Rule(("get",), ("",), ("pods",)), ("get", "", "pods", ""), True),
        (Rule(("get",), ("",), ("pods",)), ("list", "", "pods", ""), False),
        (Rule(("get",), ("",), ("pods",)), ("get", "apps", "pods", ""), False),
        (Rule(("get",), ("",), ("pods",)), ("get", "", "pods", "log"), False),
        (Rule(("get",), ("",), ("pods/log",)), ("get", "", "pods", "log"), True),
        (Rule(("get",), ("",), ("pods/log",)), ("get", "", "pods", ""), False),
        (Rule(("get",), ("",), ("*/log",)), ("get", "", "pods", "log"), True),
        (Rule(("get",), ("",), ("*/log",)), ("get", "", "pods", ""), False),
        (Rule(("*",), ("*",), ("*",)), ("patch", "x", "pods", "log"), True),
        (Rule(("get",), ("*",), ("*",)), ("*", "x", "pods", ""), False),
    ],
)
def test_a_rule_covers_exactly_what_it_names(
    rule: Rule, asked: tuple[str, str, str, str], covers: bool
) -> None:
    assert rule.covers_kind(*asked) is covers


@pytest.mark.parametrize(
    ("pattern", "path", "covers"),
    [
        ("/healthz", "/healthz", True),
        ("/healthz", "/healthz/x", False),
        ("/api/*", "/api/v1", True),
        ("/api/*", "/apis", False),
        ("*", "/anything", True),
    ],
)
def test_paths_match_whole_or_by_prefix(pattern: str, path: str, covers: bool) -> None:
    assert Rule(("get",), paths=(pattern,)).covers_path("get", path) is covers


def test_masters_may_do_all_without_a_reason(policy: Policy) -> None:
    admin = user("system:admin", "system:masters")
    assert policy.allowed(admin, "delete", "any", "thing") == (True, "")
    assert policy.allowed_path(admin, "get", "/metrics") == (True, "")


def test_an_unbound_user_is_refused_everything_in_a_namespace(policy: Policy) -> None:
    for verb in ("get", "list", "create", "delete"):
        for group, resource in ((IMAGE, "imagestreams"), ("", "secrets"), ("", "namespaces")):
            assert policy.allowed(user("eve"), verb, group, resource, "", "team", "x") == (
                False,
                "",
            )


def test_a_binding_gives_its_role_in_its_namespace_only(policy: Policy) -> None:
    bind(policy, "team", "edit", "User", "bob")
    bob = user("bob")
    allowed, reason = policy.allowed(bob, "create", IMAGE, "imagestreams", "", "team")
    assert allowed
    assert reason == (
        'RBAC: allowed by RoleBinding "edit-bob/team" of ClusterRole "edit" to User "bob"'
    )
    assert not policy.allowed(bob, "create", IMAGE, "imagestreams", "", "other")[0]
    assert not policy.allowed(bob, "create", IMAGE, "imagestreams")[0]


def test_a_cluster_binding_gives_its_role_everywhere(policy: Policy) -> None:
    bind(policy, "", "cluster-reader", "Group", "ops")
    allowed, reason = policy.allowed(user("ann", "ops"), "list", IMAGE, "images")
    assert allowed
    assert reason == (
        'RBAC: allowed by ClusterRoleBinding "cluster-reader-ops" of ClusterRole '
        '"cluster-reader" to Group "ops"'
    )
    assert not policy.allowed(user("ann", "ops"), "get", "", "secrets", "", "team", "x")[0]


def test_accounts_pull_in_their_own_namespace_and_elsewhere_once_bound(policy: Policy) -> None:
    default = account("team", "default")
    pull = ("get", IMAGE, "imagestreams", "layers")
    assert policy.allowed(default, *pull, "team", "app") == (
        True,
        'RBAC: allowed by RoleBinding "system:image-pullers/team" of ClusterRole '
        '"system:image-puller" to Group "system:serviceaccounts:team"',
    )
    assert not policy.allowed(default, *pull, "other", "app")[0]
    bind(policy, "other", "system:image-puller", "ServiceAccount", "default", namespace="team")
    assert policy.allowed(default, *pull, "other", "app") == (
        True,
        'RBAC: allowed by RoleBinding "system:image-puller-default/other" of ClusterRole '
        '"system:image-puller" to ServiceAccount "default/team"',
    )


def test_names_of_a_rule_limit_it_to_these_objects(policy: Policy) -> None:
    carl = user("carl")
    assert policy.allowed(carl, "get", "user.openshift.io", "users", "", "", "~")[0]
    assert not policy.allowed(carl, "get", "user.openshift.io", "users", "", "", "bob")[0]
    assert not policy.allowed(carl, "get", "user.openshift.io", "users")[0]


def test_a_change_is_seen_by_the_next_question(policy: Policy) -> None:
    dora = user("dora")
    asked = (dora, "list", IMAGE, "imagestreams", "", "team")
    assert not policy.allowed(*asked)[0]
    bind(policy, "team", "view", "User", "dora")
    assert policy.allowed(*asked)[0]
    policy.remove("rolebindings", "team", "view-dora")
    assert not policy.allowed(*asked)[0]


def test_a_binding_to_a_missing_role_says_so(policy: Policy) -> None:
    bind(policy, "team", "nothing", "User", "finn")
    assert policy.allowed(user("finn"), "get", "", "pods", "", "team", "x") == (
        False,
        'RBAC: clusterrole.rbac.authorization.k8s.io "nothing" not found',
    )


def test_aggregated_roles_take_in_the_rules_of_labelled_ones(policy: Policy) -> None:
    bind(policy, "team", "view", "User", "gina")
    asked = (user("gina"), "get", "stable.example.com", "crontabs", "", "team", "x")
    assert not policy.allowed(*asked)[0]
    body = {
        "metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [
            {"verbs": ["get"], "apiGroups": ["stable.example.com"], "resources": ["crontabs"]}
        ],
    }
    policy.put("clusterroles", "", "crontab-viewer", "uid", body)
    assert policy.allowed(*asked)[0]


ROLE_TABLE = [
    # role, verb, resource with subresource, allowed: spec image-api-and-import §9.1
    ("system:image-puller", "get", "imagestreams/layers", True),
    ("system:image-puller", "update", "imagestreams/layers", False),
    ("system:image-pusher", "update", "imagestreams/layers", True),
    ("system:image-builder", "create", "imagestreams", True),
    ("system:image-builder", "delete", "imagestreams", False),
    ("system:image-auditor", "update", "images", True),
    ("system:image-auditor", "delete", "images", False),
    ("system:image-pruner", "delete", "images", True),
    ("system:image-pruner", "update", "imagestreams/status", True),
    ("system:image-pruner", "update", "imagestreams", False),
    ("system:image-signer", "create", "imagesignatures", True),
    ("system:image-signer", "list", "images", False),
    ("view", "list", "imagestreamtags", True),
    ("view", "get", "imagestreams/layers", True),
    ("view", "get", "imagestreams/status", True),
    ("view", "get", "imagestreams/secrets", False),
    ("view", "update", "imagestreams", False),
    ("view", "get", "images", False),
    ("edit", "create", "imagestreamimports", True),
    ("edit", "get", "imagestreams/secrets", True),
    ("edit", "update", "imagestreams/status", False),
    ("edit", "update", "imagestreams/layers", True),
    ("edit", "get", "images", False),
    ("admin", "create", "imagestreammappings", True),
    ("admin", "list", "images", False),
    ("registry-viewer", "watch", "imagestreams", True),
    ("registry-editor", "patch", "imagetags", True),
    ("registry-admin", "deletecollection", "imagestreams", True),
]


@pytest.mark.parametrize(("role", "verb", "what", "allowed"), ROLE_TABLE)
def test_image_rights_of_the_roles_we_start_with(
    policy: Policy, role: str, verb: str, what: str, allowed: bool
) -> None:
    bind(policy, "team", role, "User", "hugo")
    resource, _, sub = what.partition("/")
    for group in (IMAGE, ""):
        assert policy.allowed(user("hugo"), verb, group, resource, sub, "team")[0] is allowed


def test_viewers_see_no_secrets_and_editors_grant_nothing(policy: Policy) -> None:
    bind(policy, "team", "view", "User", "ida")
    bind(policy, "team", "edit", "User", "jon")
    assert not policy.allowed(user("ida"), "get", "", "secrets", "", "team", "x")[0]
    assert policy.allowed(user("jon"), "get", "", "secrets", "", "team", "x")[0]
    group = "rbac.authorization.k8s.io"
    assert not policy.allowed(user("jon"), "create", group, "rolebindings", "", "team")[0]


def test_the_dispatcher_patches_workloads_and_reads_no_secret(policy: Policy) -> None:
    dispatcher = account("tagstream-system", "trigger-dispatcher")
    for group, resource in (
        ("apps", "deployments"),
        ("apps", "daemonsets"),
        ("apps", "statefulsets"),
        ("batch", "cronjobs"),
        ("batch", "jobs"),
        ("", "replicationcontrollers"),
        ("", "pods"),
    ):
        for verb in ("get", "list", "watch", "patch"):
            assert policy.allowed(dispatcher, verb, group, resource, "", "team")[0]
        assert not policy.allowed(dispatcher, "delete", group, resource, "", "team")[0]
    assert policy.allowed(dispatcher, "create", "", "events", "", "team")[0]
    assert not policy.allowed(dispatcher, "get", "", "secrets", "", "team", "x")[0]


def test_role_names_are_unique() -> None:
    names = [role.name for role in CLUSTER_ROLES]
    assert len(names) == len(set(names))


def test_what_one_does_not_hold_one_may_not_hand_on() -> None:
    held = [Rule(("get", "list"), ("",), ("pods", "pods/log"))]
    wanted = [Rule(("get", "delete"), ("",), ("pods",)), Rule(("get",), ("",), ("pods/log",))]
    assert uncovered_rules(held, wanted) == [Rule(("delete",), ("",), ("pods",))]
    assert uncovered_rules([Rule(("*",), ("*",), ("*",))], wanted) == []


def test_malformed_roles_grant_nothing() -> None:
    assert parse_rules({"rules": "all"}) == ()
    assert parse_rules({"rules": [{"verbs": "*", "apiGroups": ["*"], "resources": [1]}]}) == (
        Rule(groups=("*",)),
    )
    assert parse_binding("n", "b", {"subjects": [7], "roleRef": []}).subjects == ()


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("system:serviceaccount:a:b", ("a", "b")),
        ("system:serviceaccount:a", None),
        ("system:serviceaccount:a:", None),
        ("system:serviceaccount:a:b:c", None),
        ("bob", None),
    ],
)
def test_account_names_are_taken_apart(name: str, account: tuple[str, str] | None) -> None:
    assert split_account(name) == account


def test_a_namespace_is_judged_inside_itself() -> None:
    assert request_scope("", "namespaces", "", "team") == "team"
    assert request_scope("project.openshift.io", "projects", "", "team") == "team"
    assert request_scope("", "nodes", "", "n1") == ""
