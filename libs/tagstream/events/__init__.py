"""The event contract: envelopes, facts, jobs and the subjects they travel under.

`proto/` is the source; the classes here are its Python form, held against it by a test. Nothing in
this part talks to a server.
"""
