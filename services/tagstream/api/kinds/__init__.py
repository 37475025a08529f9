"""The kinds that are kept as generic resources: declarations, rules and columns, by group."""
