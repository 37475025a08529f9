"""CloudEvents over NATS: binary mode, structured mode, and what is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagstream.errors import InvalidInput
from tagstream.events.envelope import CloudEvent, fact_id, from_message, to_headers, to_structured

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
text = st.text(min_size=1, max_size=30)
times = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
extension_names = st.from_regex(r"x[a-z0-9]{1,10}", fullmatch=True)
events = st.builds(
    CloudEvent,
    id=text,
    source=text,
    type=text,
    subject=st.text(max_size=30),
    time=st.none() | times,
    data=st.dictionaries(text, text).map(orjson.dumps),
    traceparent=st.sampled_from(["", TRACE]),
    extras=st.dictionaries(extension_names, text, max_size=3),
)


@given(events)
def test_an_event_survives_binary_mode(event: CloudEvent) -> None:
    assert from_message(to_headers(event), event.data) == event


@given(events)
def test_an_event_survives_structured_mode(event: CloudEvent) -> None:
    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    assert from_message(headers, to_structured(event)) == event


@given(events)
def test_a_header_value_is_printable_ascii_without_space_or_quote(event: CloudEvent) -> None:
    for value in to_headers(event).values():
        assert re.fullmatch(r"[!#-~]*", value)


def test_values_are_percent_encoded_as_the_binding_says() -> None:
    headers = to_headers(CloudEvent(id='Euro € "😀" 5%', source="/s", type="t"))
    assert headers["ce-id"] == "Euro%20%E2%82%AC%20%22%F0%9F%98%80%22%205%25"


def test_header_names_are_matched_without_regard_to_case() -> None:
    headers = {"CE-ID": "1", "Ce-Source": "/s", "ce-TYPE": "t", "cE-specversion": "1.0"}
    event = from_message({**headers, "TraceParent": TRACE, "Nats-Msg-Id": "1"}, b"{}")
    assert event == CloudEvent(id="1", source="/s", type="t", data=b"{}", traceparent=TRACE)


def test_the_trace_context_is_read_from_the_extension_too() -> None:
    headers = {"ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0"}
    assert from_message({**headers, "ce-traceparent": TRACE}, b"").traceparent == TRACE


def test_structured_data_that_is_not_json_travels_as_base64() -> None:
    event = CloudEvent(id="1", source="/s", type="t", data=b"\xff", datacontenttype="image/png")
    document = to_structured(event)
    assert orjson.loads(document)["data_base64"] == "/w=="
    assert from_message({"content-type": "application/cloudevents+json"}, document) == event


def test_structured_extensions_that_are_numbers_or_booleans_become_text() -> None:
    document = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "n": 5, "b": True}
    event = from_message({"content-type": "application/cloudevents"}, orjson.dumps(document))
    assert event.extras == {"n": "5", "b": "true"}


@pytest.mark.parametrize(
    ("headers", "payload", "field"),
    [
        (None, b"{}", "id"),
        ({"ce-id": "1"}, b"{}", "source"),
        ({"ce-id": "1", "ce-source": "/s"}, b"{}", "type"),
        ({"ce-id": "1", "ce-source": "/s", "ce-type": "t"}, b"", "specversion"),
        ({"ce-id": "%FF"}, b"", "id"),
        ({"content-type": "application/cloudevents+json"}, b"{", ""),
        ({"content-type": "application/cloudevents+json"}, b"[]", ""),
        ({"content-type": "application/cloudevents+json"}, b'{"data_base64": "?"}', "data_base64"),
    ],
)
def test_what_is_no_cloud_event_is_refused_by_name(
    headers: dict[str, str] | None, payload: bytes, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_message(headers, payload)
    assert refused.value.field == field


@pytest.mark.parametrize("time", ["yesterday", "2026-11-23T09:30:00"])
def test_a_time_without_a_zone_or_a_sense_is_refused(time: str) -> None:
    headers = {"ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0"}
    with pytest.raises(InvalidInput, match="time"):
        from_message({**headers, "ce-time": time}, b"")


@pytest.mark.parametrize("name", ["id", "traceparent", "Upper", "da-sh", ""])
def test_an_extension_may_not_take_a_name_that_is_not_its_own(name: str) -> None:
    with pytest.raises(InvalidInput):
        to_headers(CloudEvent(id="1", source="/s", type="t", extras={name: "x"}))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff"])
def test_data_that_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="data"):
        CloudEvent(id="1", source="/s", type="t", data=data).data_object()


def test_a_fact_id_depends_on_nothing_but_its_cause() -> None:
    assert fact_id("command", 0, "type") == "3619e31a40b26faa5ddffe9297866430"
    ids = {fact_id(command, n, t) for command in "ab" for n in (0, 1, 10) for t in ("t", "u")}
    assert len(ids) == 12
