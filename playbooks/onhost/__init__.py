"""Programs of the standard library alone that run on the host, under the artifact's Python; sent as text."""
