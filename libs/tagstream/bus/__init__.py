"""NATS: connections, streams, the durable pull loop, request/reply and the relay.

This part moves bytes and decides when a message is finished. It knows no fact, job, table or
cluster: handlers, the outbox, the dead-letter table and the lease are handed in as protocols.
"""
