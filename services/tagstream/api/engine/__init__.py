"""The generic REST engine: a kind is a declaration, a verb is written once."""
