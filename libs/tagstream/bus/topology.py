"""The two streams and the durable consumers: what they look like, and making it so.

Owned by this module alone; no subscriber declares anything. Every function may run in N
processes at once and any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import BadRequestError, NotFoundError

from tagstream.errors import Conflict

EVENTS_STREAM = "TAGSTREAM_EVENTS"
EVENTS_SUBJECTS = "tagstream.events.>"
JOBS_STREAM = "TAGSTREAM_JOBS"
JOBS_SUBJECTS = "tagstream.jobs.>"

DUPLICATE_WINDOW_S = 600.0
EVENTS_MAX_AGE_S = 30 * 24 * 3600.0
EVENTS_MAX_BYTES = 4 * 2**30
JOBS_MAX_BYTES = 2**30

_STREAM_NAME_IN_USE = 10058
_STREAM_FIELDS = (
    "subjects",
    "max_bytes",
    "discard",
    "max_age",
    "num_replicas",
    "duplicate_window",
    "deny_delete",
    "deny_purge",
    "allow_direct",
    "allow_atomic",
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """A durable pull consumer.

    `max_ack_pending` has to leave room for every message that waits out a delay, since a delayed
    nak keeps its place: with a small number one slow registry would stop everybody. `only_new`
    counts when the consumer is made, never after. Delivery is without limit: dead letters are
    decided in `outcomes.py`, where a message is kept, not announced and left behind.
    """

    stream: str
    durable: str
    filter_subjects: tuple[str, ...]
    ack_wait_s: float = 30.0
    max_ack_pending: int = 10_000
    only_new: bool = False
    description: str = ""


def events_stream_config(
    *,
    name: str = EVENTS_STREAM,
    subjects: str = EVENTS_SUBJECTS,
    replicas: int = 1,
    max_bytes: int = EVENTS_MAX_BYTES,
) -> StreamConfig:
    """Facts: kept for 30 days, whoever has read them; the oldest go first when it is full."""
    return StreamConfig(
        name=name,
        subjects=[subjects],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=EVENTS_MAX_AGE_S,
        max_bytes=max_bytes,
        discard=DiscardPolicy.OLD,
        num_replicas=replicas,
        duplicate_window=DUPLICATE_WINDOW_S,
        allow_direct=True,
        allow_atomic=True,
        deny_delete=True,
        deny_purge=True,
    )


def jobs_stream_config(
    *,
    name: str = JOBS_STREAM,
    subjects: str = JOBS_SUBJECTS,
    replicas: int = 1,
    max_bytes: int = JOBS_MAX_BYTES,
) -> StreamConfig:
    """Jobs: gone once done. A full queue refuses new jobs, which wait in Postgres, and keeps the
    old ones.
    """
    return StreamConfig(
        name=name,
        subjects=[subjects],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        max_age=0,
        max_bytes=max_bytes,
        discard=DiscardPolicy.NEW,
        num_replicas=replicas,
        duplicate_window=DUPLICATE_WINDOW_S,
        allow_direct=True,
        allow_atomic=True,
    )


async def ensure_streams(
    js: JetStreamContext, replicas: int = 1, *, streams: Sequence[StreamConfig] | None = None
) -> None:
    """Make the streams, or change only what differs; safe when N processes start at once.

    Errors of the client pass through: the caller waits and tries again, or stops the start.
    """
    if streams is None:
        streams = (events_stream_config(replicas=replicas), jobs_stream_config(replicas=replicas))
    for wanted in streams:
        await ensure_stream(js, wanted)


async def ensure_stream(js: JetStreamContext, wanted: StreamConfig) -> None:
    """Raises `Conflict` when the stream exists in a form that cannot be changed in place."""
    assert wanted.name is not None
    try:
        current = (await js.stream_info(wanted.name)).config
    except NotFoundError:
        try:
            await js.add_stream(wanted)
        except BadRequestError as error:
            if error.err_code != _STREAM_NAME_IN_USE:
                raise
            # Another process, perhaps of another version, was faster.
            current = (await js.stream_info(wanted.name)).config
        else:
            _log.info("stream created", stream=wanted.name)
            return
    await _update_stream(js, current, wanted)


async def _update_stream(js: JetStreamContext, current: StreamConfig, wanted: StreamConfig) -> None:
    changes = {
        field: getattr(wanted, field)
        for field in _STREAM_FIELDS
        if getattr(current, field) != getattr(wanted, field)
    }
    if current.retention != wanted.retention or current.storage != wanted.storage:
        raise Conflict(
            f"stream {wanted.name} exists with another retention or storage; "
            "delete it, the relay fills it again"
        )
    if changes:
        # An update replaces the whole configuration, so it starts from the current one.
        await js.update_stream(current.evolve(**changes))
        _log.info("stream updated", stream=wanted.name, fields=sorted(changes))


def consumer_drift(info: ConsumerInfo, spec: ConsumerSpec) -> dict[str, object]:
    """What has to change for the consumer to be as `spec` says; empty when nothing has."""
    current = info.config
    filters = set(current.filter_subjects or ())
    if current.filter_subject:
        filters.add(current.filter_subject)
    changes: dict[str, object] = {}
    if filters != set(spec.filter_subjects):
        changes |= _filter_fields(spec)
    if current.ack_wait != spec.ack_wait_s:
        changes["ack_wait"] = spec.ack_wait_s
    if (current.max_deliver or -1) != -1:
        changes["max_deliver"] = -1
    if current.backoff:
        changes["backoff"] = None
    if current.max_ack_pending != spec.max_ack_pending:
        changes["max_ack_pending"] = spec.max_ack_pending
    return changes


async def ensure_consumer(js: JetStreamContext, spec: ConsumerSpec) -> None:
    """Make the consumer, or change what differs.

    The client's `pull_subscribe(durable=...)` would bind to whatever exists and ignore what was
    asked for. Raises `Conflict` when what differs cannot be changed in place.
    """
    try:
        info = await js.consumer_info(spec.stream, spec.durable)
    except NotFoundError:
        await js.add_consumer(spec.stream, _consumer_config(spec))
        _log.info("consumer created", stream=spec.stream, consumer=spec.durable)
        return
    if info.config.ack_policy != AckPolicy.EXPLICIT or info.config.deliver_subject:
        raise Conflict(
            f"consumer {spec.durable} of {spec.stream} is not a pull consumer with explicit "
            "acknowledgement; delete it, it is made again"
        )
    changes = consumer_drift(info, spec)
    if changes:
        config = info.config.evolve(**changes, name=spec.durable, durable_name=spec.durable)
        await js.add_consumer(spec.stream, config)
        _log.info("consumer updated", consumer=spec.durable, fields=sorted(changes))


def _filter_fields(spec: ConsumerSpec) -> dict[str, object]:
    if len(spec.filter_subjects) == 1:
        return {"filter_subject": spec.filter_subjects[0], "filter_subjects": None}
    return {"filter_subject": None, "filter_subjects": list(spec.filter_subjects)}


def _consumer_config(spec: ConsumerSpec) -> ConsumerConfig:
    return ConsumerConfig(
        name=spec.durable,
        durable_name=spec.durable,
        description=spec.description or None,
        deliver_policy=DeliverPolicy.NEW if spec.only_new else DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=spec.ack_wait_s,
        max_deliver=-1,
        max_ack_pending=spec.max_ack_pending,
    ).evolve(**_filter_fields(spec))
