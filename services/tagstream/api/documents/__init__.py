"""What the server says about itself: discovery, OpenAPI and its version."""
