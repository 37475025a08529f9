"""The web page: streams, tags, histories and events, rendered here for whoever signs in."""
