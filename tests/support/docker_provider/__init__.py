"""A stand-in for upstream's `pulumi-resource-docker`: the same protocol and the same habits, a real engine behind it.

For machines where upstream's plugin cannot be had. It drives the engine through docker-py and keeps what upstream's
does to a container when an input changes, what it reads back, and what it overlooks; the cases that say so are in
tests/infra/provider/cases. It is started by Pulumi as a plugin: `python -m tests.support.docker_provider ENGINE`.
"""
