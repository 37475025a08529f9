"""The importer: reads images out of registries and says what they mean."""
