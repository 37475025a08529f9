"""One small REST client for Kubernetes-style servers: a real cluster, or Tagstream's own api.

Owns connection settings, requests, watches, errors and JSON patches. Knows nothing of image
streams or triggers.
"""
