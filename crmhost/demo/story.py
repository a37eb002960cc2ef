"""The story: a contract, a real CRM, a real outage, and what the customer gets back. Every act is a command."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crm.errors import CrmhostError
from crmhost.demo.commands import ctrl_c_waits, end
from crmhost.demo.narrator import Narrator
from crmhost.demo.outage import Outage, Poll
from crmhost.demo.scene import Scene

CYCLE, LONG_CYCLE = 40, 60
"""Seconds of the accounting period that the contract of the story has: a legal contract, only a short one. The long
one is for machines on which a command takes longer than SLOW."""
SLOW = 2.0
"""Seconds."""
LEAD = 4.0
"""Seconds from the acceptance to the first period, besides twice those that a command takes."""
BEFORE = 6.0
"""Seconds of the period before the CRM is killed."""
DOWN = 5.0
"""Seconds that it is kept down."""
PATIENCE = 60.0
"""Seconds that the story waits for something that should come by itself."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How the story ended, as `--json` prints it."""

    version: int
    crm_login: bool
    outage_caused_seconds: float
    outage_measured_seconds: float
    availability: str
    credit_seconds: int
    delivered: bool
    receipt: str
    statement_verified: bool
    wall_seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the object that machines read."""
        return asdict(self)


class Story:
    """One telling. `services` is where processes that go on are put, so that whoever set the scene ends them."""

    def __init__(self, scene: Scene, narrator: Narrator, services: Callable[[Callable[[], None]], None]) -> None:
        self.scene = scene
        self.narrator = narrator
        self._at_end = services
        self.url = f"http://127.0.0.1:{scene.site}/"
        self.metrics = f"http://127.0.0.1:{scene.metrics}/metrics"
        self.statement = Path()
        self.cycle = CYCLE

    def tell(self) -> Ending:
        """Tell the story to its end; raises CrmhostError where it goes wrong."""
        self._found_fleet()
        self._deploy()
        login = self._log_in()
        begins = self._accept()
        outage = self._break_and_mend(begins)
        credit = self._wait_for_credit(begins + timedelta(seconds=self.cycle))
        figures, verified = self._verify(begins)
        return Ending(
            version=1,
            crm_login=login,
            outage_caused_seconds=round(outage.seconds, 3),
            outage_measured_seconds=figures["down_us"] / 1e6,
            availability=figures["availability_decimal"],
            credit_seconds=figures["credit"]["seconds"] if figures["credit"] else 0,
            delivered=credit["state"] == "confirmed",
            receipt=credit["receipt"] or "",
            statement_verified=verified,
            wall_seconds=round(self.narrator.seconds, 1),
        )

    def _found_fleet(self) -> None:
        scene = self.scene
        with self.narrator.step("A hosting company: a fleet, and one contract"):
            scene.commands.run(
                *("init", "--company", "Demo Hosting", "--set", f"billing.webhook.url={scene.receiver_url}"),
                *("--set", f"serve.listen=127.0.0.1:{scene.metrics}", "--set", "serve.grace=1 s"),
                *("--set", f"ssh.key={scene.host.key_file}", "--set", "ssh.config=none"),
            )
            scene.commands.run("secrets", "set", "_fleet", "billing-webhook", given=scene.receiver_secret)
            today = datetime.now(UTC).date()
            self._write_contract(f"term.signed={today}", f"sla.period.from={today}T00:00:00Z")
            scene.commands.run("check")
            self.narrator.say(
                f"{scene.commands.fleet}/contracts/demo.yaml promises 98 %, and three times the lost time"
            )

    def _write_contract(self, *more: str) -> None:
        address = self.scene.host.address
        sets = (
            "customer.name=Demo Customer",
            "sla.availability=98 %",
            "sla.credit.unit=service-time",
            "sla.credit.formula.multiplier=3",
            "sla.credit.formula.of=downtime",
            f"sla.period.every={self.cycle} s",
            "monitor.interval=1 s",
            "monitor.timeout=1 s",
            "monitor.confirm=2",
            "monitor.path=/creme_login/",
            "billing.system=webhook",
            "billing.account=C-1042",
            *more,
        )
        self.scene.commands.run(
            *("init", "demo", "--replace", "--recipe", "creme", "--target", "webhost"),
            *("--host", address.host, "--port", str(address.port), "--user", address.user),
            *("--listen", f"127.0.0.1:{self.scene.site}", "--url", self.url),
            *(word for one in sets for word in ("--set", one)),
        )

    def _deploy(self) -> None:
        with self.narrator.step("Deploy Creme over SSH (its first installation takes a minute or two)"):
            self.narrator.say(f"$ crmhost deploy demo      host key {self.scene.host.fingerprint}")
            self.scene.commands.follow("deploy", "demo", "--yes", "--accept-host-key", on_line=self._progress)

    def _progress(self, line: dict[str, Any]) -> None:
        if line["type"] == "event" and line["state"] in {"done", "failed"} and (line["seconds"] or 0) >= 0.3:
            detail = f" ({line['detail']})" if line["detail"] else ""
            self.narrator.say(f"{line['phase']:8} {line['subject']}{detail}: {line['state']}, {line['seconds']:.1f} s")

    def _log_in(self) -> bool:
        with self.narrator.step("Log in over HTTP as the customer's administrator"):
            proof = self.scene.commands.ask("login", "demo")[-1]
            self.narrator.say(f"administrator: {proof['administrator']}; default accounts: {proof['defaults']}")
            return bool(proof["administrator"] == "accepted" and set(proof["defaults"].values()) == {"refused"})

    def _accept(self) -> datetime:
        """Write the acceptance, start the monitor, and return when the first period begins."""
        with self.narrator.step("The customer accepts; the monitor starts"):
            pace = self._pace()
            self.cycle = CYCLE if pace < SLOW else LONG_CYCLE
            begins = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=round(LEAD + 2 * pace))
            at = begins.strftime("%Y-%m-%dT%H:%M:%SZ")
            self._write_contract(f"term.signed={begins.date()}", f"term.accepted={at}", f"sla.period.from={at}")
            log = self.scene.folder / "serve.log"
            with ctrl_c_waits():
                serve = self.scene.commands.start("serve", log=log)
                self._at_end(lambda: end(serve))
            self._until("the monitor's /metrics", lambda: _page(self.metrics), log)
            self.narrator.say(f"{self.metrics} answers; the first period begins at {at} and lasts {self.cycle} s")
            return begins

    def _pace(self) -> float:
        """Return how many seconds a command takes here that opens the monitor's store."""
        start = time.monotonic()
        self.scene.commands.run("credits", "list")
        return time.monotonic() - start

    def _break_and_mend(self, begins: datetime) -> Outage:
        with self.narrator.step(f"Kill the CRM, keep it down for {DOWN:.0f} s, and deploy again"):
            time.sleep(max(0.0, (begins - datetime.now(UTC)).total_seconds() + BEFORE))
            with Poll(f"{self.url}creme_login/") as poll:
                self._kill(DOWN)
                self.narrator.say("$ crmhost deploy demo")
                self.scene.commands.run("deploy", "demo", "--yes")
                outage = poll.wait(PATIENCE)
            if outage is None:
                raise CrmhostError("the CRM did not come back", f"Its log: {self.scene.host.home}/.crmhost/demo/log")
            self.narrator.say(
                f"it was really down for {outage.seconds:.3f} s (polled every 10 ms, {outage.polls} times)"
            )
            return outage

    def _kill(self, seconds: float) -> None:
        """Kill every process of the host, again and again: what its scheduler starts meanwhile too."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for process in self.scene.host.running:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.05)

    def _wait_for_credit(self, ends: datetime) -> dict[str, Any]:
        with self.narrator.step("The period ends; it is settled, and the credit goes to billing by itself"):
            time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()))
            credit: dict[str, Any] = self._until("a delivered credit", self._credit, self.scene.folder / "serve.log")
            self.narrator.say(f"{credit['key']}: {credit['state']}, receipt {credit['receipt']}")
            return credit

    def _credit(self) -> dict[str, Any] | None:
        for line in self.scene.commands.ask("credits", "list"):
            if line["type"] == "credit" and line["state"] not in {"pending", "sending"}:
                return line
        return None

    def _verify(self, begins: datetime) -> tuple[dict[str, Any], bool]:
        with self.narrator.step("The signed statement, and its proof offline"):
            label = begins.strftime("%Y-%m-%dT%H:%M:%SZ")
            written = self.scene.commands.ask("statement", "demo", label)[-1]
            self.statement = Path(written["file"])
            verdict = self.scene.commands.ask("verify", str(self.statement), "--key", written["key"])[-1]
            self.narrator.say(
                f"$ crmhost verify {self.statement.name} --key {written['key'][:12]}…: {verdict['checked']}"
            )
            figures = json.loads(self.statement.read_bytes())["statement"]["figures"]
            return figures, bool(verdict["accepted"])

    def _until(self, what: str, ask: Callable[[], Any], log: Path) -> Any:  # noqa: ANN401 -- what `ask` finds
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = ask()
            if found:
                return found
            time.sleep(0.1)
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-10:]) if log.exists() else ""
        raise CrmhostError(f"{what} did not come within {PATIENCE:.0f} s; the monitor's log ends with:\n{tail}")


def _page(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- the demo's own URL
            return int(answer.status) == 200
    except OSError:
        return False
