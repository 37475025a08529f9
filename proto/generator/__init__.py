"""From the protobuf contract to JSON Schema, AsyncAPI and the tables in `docs/events.md`.

A development tool: not part of the wheel.
"""
