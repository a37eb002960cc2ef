"""Settlements, credits, what is still to be delivered, and the chain of statements: rows that are only ever added."""
