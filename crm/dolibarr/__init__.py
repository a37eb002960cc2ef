"""Dolibarr."""
