"""Field tables of the Kubernetes kinds that clients may send and read as protobuf.

One module an API group; `registry.py` maps apiVersion and kind to a table. Field numbers and
presence follow Kubernetes' published message definitions.
"""
