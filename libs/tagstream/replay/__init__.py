"""Exact replay: recorded commands, one after the other, through the same decisions. Pure.

What a service does in a transaction, an applier of this package does to a `World` in memory; what
comes out (changes, facts, jobs, rows) must be what was recorded, byte for byte (architecture,
promise 5). See docs/replay.md and docs/adr/0013-replay-in-memory.md.
"""
