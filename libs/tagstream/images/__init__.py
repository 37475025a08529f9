"""Images as values: references, digests, manifests, platforms and the Image object. Pure."""
