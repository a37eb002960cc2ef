"""What a contract for the small application asks of its host."""

from __future__ import annotations

from crm.plan import Want
from tests.support.smallapp.recipe import RECIPE

SLOTS = {
    "url": "http://127.0.0.1:8100",
    "host": "127.0.0.1",
    "listen": "127.0.0.1:8100",
    "language": "vi",
    "timezone": "UTC",
    "admin": "admin",
    "email": "it@acme.example",
}
SECRETS = {"admin-password": "planted-password-1", "secret-key": "planted-key-2"}


def small_want(version: str = "1.0", *, secrets: dict[str, str] | None = None, **slots: str) -> Want:
    """Return what contract `acme` wants: `small_want("1.1", language="fa")`."""
    return Want("acme", RECIPE, version, {**SLOTS, **slots}, SECRETS if secrets is None else secrets)
