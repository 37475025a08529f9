"""The service that decides which tags need an import, and what a result does to a tag."""
