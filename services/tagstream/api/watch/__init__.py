"""From the journal to watchers: each change once, in order, whole."""
