"""Billing systems: one file each, one Protocol, and the worker that delivers through them."""
