"""Postgres: the only place with SQL. Rows become values here; no record leaves the package."""
