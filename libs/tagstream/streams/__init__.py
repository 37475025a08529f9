"""Image streams: the values, and every decision about them. Pure: no I/O, clock or randomness."""
