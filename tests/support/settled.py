"""A contract, a month of what was measured, and an operator's key: what there is to settle."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from contract.model import Micros
from contract.moment import micros
from contract.parse import parse
from monitor.settling import Agreed, Settling
from monitor.span import Span
from monitor.statement.signature import SigningKey
from monitor.store import spans as store
from monitor.store.database import migrate, open_database, writing

KEY = SigningKey(bytes(range(32)))
OTHER_KEY = SigningKey(bytes(range(1, 33)))

CONTRACT = """\
contract: acme
customer: {name: "ACME Co. <Hà Nội>", language: vi}
crm: {recipe: creme, version: 2.8.6, url: "https://crm.acme.example/"}
target: {kind: webhost, host: 192.0.2.10, user: acme}
term: {signed: 2026-08-01, accepted: 2026-09-01, lasts: 1 year}
sla:
  availability: 98 %
  period: {every: month, timezone: Asia/Ho_Chi_Minh}
  maintenance: {notice: 48 h, at-most: 4 h}
  credit: {unit: service-time, formula: {multiplier: 3, of: downtime}}
monitor: {interval: 60 s, timeout: 10 s, vantages: [hcm], quorum: 1}
billing: {system: webhook, account: C-1042}
"""


def at(text: str) -> Micros:
    """`2026-10-03 02:00` in Viet Nam."""
    return micros(datetime.fromisoformat(f"{text}+07:00"))


@dataclass
class StandingClock:
    """A clock that a test sets."""

    now: Micros

    def __call__(self) -> Micros:
        return self.now


@dataclass
class World:
    """A database with measurements, and what settles it. September was kept, October was down for 60,000 s."""

    folder: Path
    contract: str = CONTRACT
    clock: StandingClock = field(default_factory=lambda: StandingClock(at("2026-11-02 00:00")))

    def __post_init__(self) -> None:
        self.engine: Engine = open_database(self.folder / "fleet.db")
        migrate(self.engine)

    @property
    def agreed(self) -> Agreed:
        raw = self.contract.encode()
        parsed = parse(raw, "-")
        assert parsed.contract is not None, parsed.errors
        return Agreed(parsed.contract, raw)

    @property
    def settling(self) -> Settling:
        return Settling(self.engine, KEY, self.clock)

    def measured(self, *spans: Span) -> None:
        contract = self.agreed.contract.id
        rows = {(contract, span.start): store.Row(contract, span, None) for span in spans}
        with writing(self.engine) as connection:
            store.write(connection, store.Batch(spans[0].vantage, rows))

    def two_months(self) -> World:
        """October's worked example: 60,000 s down in two outages, at midnight of the 3rd and of the 20th."""
        self.measured(
            Span("hcm", at("2026-09-01 00:00"), at("2026-10-03 00:00"), "up"),
            Span("hcm", at("2026-10-03 00:00"), at("2026-10-03 10:00"), "down", "http-status-502"),
            Span("hcm", at("2026-10-03 10:00"), at("2026-10-20 00:00"), "up"),
            Span("hcm", at("2026-10-20 00:00"), at("2026-10-20 06:40"), "down", "connect-refused"),
            Span("hcm", at("2026-10-20 06:40"), at("2026-11-05 00:00"), "up"),
        )
        return self
