"""The HTTP edge of the api: an ASGI application around the engine, and the server that runs it."""
