"""The whole stack on one machine: PostgreSQL, NATS and every service as supervised child processes.

Owns the data directory, the embedded servers, certificates, kubeconfigs and the supervisor behind
`tagstream up`. It knows the services only as command lines and environment variables.
"""
