"""Everything that a deploy takes, in one signed file: for servers that nothing can be fetched from.

`format`, `ground`, `ed25519` and `boot` use the standard library alone: they are in the bundle itself too, as the
program that brings crmhost to a server where nothing of it is.
"""
