"""The fields of every kind: what a body may hold, and what `kubectl explain` says about it."""
