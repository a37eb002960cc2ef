"""The Docker engine of a host: reached over a socket, SSH or TLS, and asked through its API.

Import from the module that has what you need; this package imports nothing, because docker-py is heavy.
"""
