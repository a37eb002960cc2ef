"""Scripts that run on the host, in containers: constant text, shipped as data."""
