"""Probing over HTTP and HTTPS: one fresh connection a hop, by libcurl's multi interface in a loop of its own."""
