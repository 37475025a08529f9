"""What Kubernetes puts on the wire: bodies, errors, selectors, patches, Tables.

Pure functions on JSON-able dicts; nothing here knows a stream, a store or a socket.
"""
