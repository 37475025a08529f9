"""One module a bench: `async def run(world) -> list[Figure]`."""
