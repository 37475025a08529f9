"""Pruning: what nobody uses, found in one snapshot and removed in small, safe steps."""
