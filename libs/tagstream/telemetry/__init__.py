"""What a service tells about itself: logs, traces, metrics, health; and how its process runs.

Owns no settings: callers pass what they read. The submodules are imported one by one, so that a
process loads only what it uses.
"""
