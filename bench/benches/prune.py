"""A dry run of the pruner: 100,000 images, 5,000 streams, 500,000 history items, 20,000 pods.

Measured is the command, from its start to its last line, in a database of its own beside the
stack's. The yardstick that the target names (`oc adm prune images`, without pods) is not run here.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.figures import Figure
from bench.load import median
from bench.world import World
from tagstream.store.migrate import migrate

_DATABASE = "bench_prune"
_IMAGES, _STREAMS, _TAGS, _ITEMS, _PODS = 100_000, 5_000, 5, 20, 20_000
_TARGET_S, _TARGET_MIB = 6.0, 150.0
_DIGEST = "'sha256:' || encode(sha256(convert_to(({})::text, 'UTF8')), 'hex')"

# One image in fifty is a manifest list of two others; bodies are as long as real ones.
_FILL_IMAGES = f"""
    INSERT INTO images (digest, uid, version, created_at, metadata, body)
    SELECT {_DIGEST.format("n")}, gen_random_uuid(), n, now() - interval '30 days',
           '{{}}', jsonb_build_object(
               'dockerImageReference', 'quay.io/acme/app@' || {_DIGEST.format("n")},
               'dockerImageLayers', (SELECT jsonb_agg(jsonb_build_object(
                   'name', {_DIGEST.format("n * 100 + l")}, 'size', l * 1000,
                   'mediaType', 'application/vnd.oci.image.layer.v1.tar+gzip'))
                   FROM generate_series(1, 8) l),
               'dockerImageMetadata', jsonb_build_object('Config', jsonb_build_object(
                   'Env', (SELECT jsonb_agg(md5((n * 50 + e)::text)) FROM generate_series(1, 20) e)
               ))) || CASE WHEN n % 50 = 0 THEN jsonb_build_object('dockerImageManifests',
                   jsonb_build_array(
                       jsonb_build_object('digest', {_DIGEST.format("n + 1")}),
                       jsonb_build_object('digest', {_DIGEST.format("n + 2")}))) ELSE '{{}}' END
    FROM generate_series(1, {_IMAGES}) n
"""
_FILL_STREAMS = f"""
    INSERT INTO streams (uid, namespace, name, version, generation, created_at, lookup_local,
                         repository, metadata, labels)
    SELECT gen_random_uuid(), 'ns-' || n % 100, 'app-' || n, n, 1, now() - interval '30 days',
           false, '', '{{}}', '{{}}' FROM generate_series(1, {_STREAMS}) n
"""
_FILL_SPEC = f"""
    INSERT INTO spec_tags (stream, tag, generation, follows, scheduled, body)
    SELECT uid, 't' || t, 1, NULL, false, jsonb_build_object('name', 't' || t, 'from',
           jsonb_build_object('kind', 'DockerImage', 'name', 'quay.io/acme/app:t' || t))
    FROM streams, generate_series(1, {_TAGS}) t
"""
_FILL_ITEMS = f"""
    INSERT INTO tag_items (stream, tag, seq, created, reference, image, generation, actor, cause,
                           command)
    SELECT s.uid, 't' || t, i, now() - interval '2 days', 'quay.io/acme/app@' || m.digest,
           m.digest, 1, 'ann', 'oc tag', gen_random_uuid()
    FROM (SELECT uid, row_number() OVER (ORDER BY name) AS place FROM streams) s
    CROSS JOIN generate_series(1, {_TAGS}) t CROSS JOIN generate_series(1, {_ITEMS}) i
    JOIN (SELECT digest, row_number() OVER (ORDER BY digest) AS place FROM images) m
      ON m.place = (s.place * 7919 + t * 131 + i * 17) % {_IMAGES} + 1
"""
_FILL_PODS = f"""
    INSERT INTO resources (api_group, resource, namespace, name, uid, version, labels, body)
    SELECT '', 'pods', i.namespace, 'web-' || n, gen_random_uuid(), n, '{{}}', jsonb_build_object(
        'metadata', jsonb_build_object('name', 'web-' || n,
            'creationTimestamp', to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
        'spec', jsonb_build_object('containers', jsonb_build_array(
            jsonb_build_object('name', 'web', 'image', 'registry:5000/' || i.namespace || '/'
                || i.name || '@' || i.image, 'env', i.env),
            jsonb_build_object('name', 'proxy', 'image', 'quay.io/acme/proxy:1.2'))),
        'status', jsonb_build_object('phase', CASE WHEN n % 10 = 0 THEN 'Succeeded'
                                                  ELSE 'Running' END))
    FROM (SELECT s.namespace, s.name, t.image, row_number() OVER () AS n,
                 (SELECT jsonb_agg(jsonb_build_object('name', md5(e::text), 'value',
                                                      md5((e + t.seq)::text)))
                  FROM generate_series(1, 20) e) AS env
          FROM tag_items t JOIN streams s ON s.uid = t.stream
          WHERE t.seq = 7 LIMIT {_PODS}) i
"""


@dataclass(frozen=True, slots=True)
class _Run:
    seconds: float
    peak_mib: float


async def run(world: World) -> list[Figure]:
    url = await fill(world.stack.state["postgres_url"])
    runs = [await asyncio.to_thread(_dry_run, url) for _ in range(world.settings.rounds)]
    return _figures(runs)


def _figures(runs: list[_Run]) -> list[Figure]:
    seconds, peak = median([r.seconds for r in runs]), max(r.peak_mib for r in runs)
    return [
        Figure(
            f"prune dry run, {_IMAGES} images, {_STREAMS * _TAGS * _ITEMS} items, {_PODS} pods",
            f"{seconds:.1f} s, {peak:.0f} MiB",
            f"< {_TARGET_S:.0f} s, < {_TARGET_MIB:.0f} MiB",
            seconds < _TARGET_S and peak < _TARGET_MIB,
            detail="the whole command, its list of images and streams included; its own memory",
        )
    ]


async def fill(url: str) -> str:
    """Makes the world in a new database beside the one of `url`; the address of it."""
    beside = urlunsplit(urlsplit(url)._replace(path=f"/{_DATABASE}"))
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {_DATABASE}")
    finally:
        await connection.close()
    await migrate(beside)
    connection = await asyncpg.connect(beside)
    try:
        for statement in (_FILL_IMAGES, _FILL_STREAMS, _FILL_SPEC, _FILL_ITEMS, _FILL_PODS):
            await connection.execute(statement, timeout=300)
        await connection.execute("VACUUM ANALYZE", timeout=300)
    finally:
        await connection.close()
    return beside


def _dry_run(url: str) -> _Run:
    """The command as a person runs it, waited for with its peak memory."""
    argv = [sys.executable, "-m", "tagstream.cli", "prune", "--dry-run", "-o", "json"]
    environment = {**os.environ, "TAGSTREAM_POSTGRES_URL": url}
    with Path(os.devnull).open("wb") as nowhere:
        began = time.perf_counter()
        process = subprocess.Popen(argv, env=environment, stdout=nowhere)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"tagstream prune ended with status {process.returncode}")
    return _Run(seconds, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    address = asyncio.run(fill(sys.argv[1]))
    for one in (_dry_run(address) for _ in range(3)):
        print(f"{one.seconds:.2f} s, {one.peak_mib:.0f} MiB")
