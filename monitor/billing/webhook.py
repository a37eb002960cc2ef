"""Credits as Standard Webhooks: signed, safe to repeat, answered with a receipt.

`POST {endpoint}` carries the message of `message.py`; `GET {endpoint}/credits/{key}`, signed over an empty body, says
whether a key is there. Both are described, for those who write the other side, in `docs/reference/webhook.md`.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from standardwebhooks.webhooks import Webhook

from contract.model import Micros
from crm.errors import Refused
from monitor.billing.adapter import Capabilities, Now
from monitor.billing.exchange import Failure, Request, Response, exchange
from monitor.billing.message import message
from monitor.ledger.answers import Answer, Found, NotSent, Receipt, Rejected, Unknown
from monitor.ledger.credit import Note

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ASK_AGAIN = frozenset({408, 409, 425, 429})
"""The 4xx answers that are about this moment and not about the credit."""


@dataclass(frozen=True, slots=True)
class WebhookAdapter:
    """One endpoint. Every secret of `secrets` signs, so a receiver may know the old one or the new one.

    `timeout` is of one whole HTTP call, in microseconds. `ca_file` is for an endpoint whose certificate no public
    authority signed.
    """

    endpoint: str
    secrets: tuple[str, ...] = field(repr=False)
    now: Now
    timeout: Micros = 20_000_000
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what could never work; raises Refused."""
        parts = urlsplit(self.endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise Refused(
                f"the billing endpoint {self.endpoint!r} is not usable",
                "Write a whole address without `?` or `#`, such as https://billing.example/crmhost.",
            )
        if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise Refused(
                f"the billing endpoint {self.endpoint!r} would carry credits unencrypted",
                "Use https:// for every machine but this one.",
            )
        if not self.secrets:
            raise Refused("the billing endpoint has no secret", "Give it one: `crmhost secrets set`, whsec_… .")
        if not all(_usable(secret) for secret in self.secrets):
            raise Refused(
                "a secret of the billing endpoint is not usable",
                "A secret is `whsec_` and the base64 of 24 to 64 bytes.",
            )

    @property
    def longest_call(self) -> Micros:
        """One HTTP call, and a moment for what surrounds it."""
        return self.timeout + 1_000_000

    def capabilities(self) -> Capabilities:
        """Refuse nothing: a webhook expresses everything."""
        return Capabilities()

    def find(self, key: str) -> Found:
        """Ask the receiver for a key. An answer that says neither yes nor no is no answer."""
        return _read_find(exchange(self._request(f"{self.endpoint.rstrip('/')}/credits/{key}", key, None)), key)

    def send(self, note: Note) -> Answer:
        """Post a credit, once."""
        return self._post(note)

    def reverse(self, note: Note) -> Answer:
        """Post a reversal, once."""
        return self._post(note)

    def _post(self, note: Note) -> Answer:
        return _read_send(exchange(self._request(self.endpoint, note.key, message(note))), self.now())

    def _request(self, url: str, key: str, body: bytes | None) -> Request:
        headers = signed_headers(self.secrets, key, self.now(), body or b"")
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": key}
        return Request(url, headers | {"Accept": "application/json"}, self.timeout, body, self.ca_file)


def _usable(secret: str) -> bool:
    try:
        return secret.startswith("whsec_") and 24 <= len(b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    except ValueError:
        return False


def signed_headers(secrets: tuple[str, ...], key: str, now: Micros, body: bytes) -> dict[str, str]:
    """Return the three headers of Standard Webhooks: one v1 signature for each secret."""
    at = _EPOCH + timedelta(microseconds=now)
    signatures = [Webhook(secret).sign(key, at, body.decode()) for secret in secrets]
    return {
        "webhook-id": key,
        "webhook-timestamp": str(now // 1_000_000),
        "webhook-signature": " ".join(signatures),
    }


def _read_send(answer: Response | Failure, now: Micros) -> Answer:
    if isinstance(answer, Failure):
        return Unknown(answer.reason) if answer.arrived else NotSent(answer.reason)
    reason = f"the endpoint answered {answer.status}"
    if 200 <= answer.status < 300 and not answer.cut:
        return Receipt(_receipt(answer.body) or "")
    if 200 <= answer.status < 300:
        return Unknown(f"{reason} with more than a receipt can be")
    if answer.status in _ASK_AGAIN or not 300 <= answer.status < 500:
        return Unknown(reason, retry_after(answer.headers, now))
    return _read_refusal(answer, reason)


def _read_refusal(answer: Response, reason: str) -> Rejected:
    if answer.status == 410:
        return Rejected(f"{reason}: it wants no more credits", gone=True)
    if answer.status < 400:
        return Rejected(f"{reason}: redirects are not followed; set the endpoint's new address")
    return Rejected(f"{reason}{_detail(answer.body)}")


def _read_find(answer: Response | Failure, key: str) -> Found:
    if isinstance(answer, Failure):
        return Unknown(answer.reason)
    if answer.status == 200 and not answer.cut:
        known = _object(answer.body)
        if known.get("key") == key and isinstance(known.get("receipt"), str):
            return Receipt(str(known["receipt"])[:200])
    if answer.status == 404 and _object(answer.body).get("key") == key:
        return None
    if answer.status == 410:
        return Unknown("the endpoint answered 410: it wants no more credits", gone=True)
    return Unknown(f"the endpoint answered {answer.status} to a look-up, and did not say whether it has {key}")


def retry_after(headers: Mapping[str, str], now: Micros) -> Micros | None:
    """Read a `Retry-After` header, seconds or a date, as a pause in microseconds; None where there is none to use."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) * 1_000_000
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0, (at - _EPOCH) // timedelta(microseconds=1) - now)


def _receipt(body: bytes) -> str | None:
    receipt = _object(body).get("receipt")
    return receipt[:200] if isinstance(receipt, str) else None


def _detail(body: bytes) -> str:
    """Return what a problem document (RFC 9457) says, with nothing that a terminal would act upon."""
    said = _object(body)
    text = said.get("detail") or said.get("title")
    if not isinstance(text, str):
        return ""
    return ": " + "".join(letter if letter.isprintable() else " " for letter in text[:200])


def _object(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
