"""Creme CRM."""
