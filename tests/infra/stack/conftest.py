"""Customers' stacks, for the tests of this folder."""

from tests.support.stacks import acme, new_customer

__all__ = ["acme", "new_customer"]
