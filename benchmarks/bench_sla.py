"""A month of 100,000 spans settled from files in a fresh process, beside `json.loads` of the same lines."""

import sys
import tempfile
from pathlib import Path
from random import Random

from benchmarks.measure import medians, show
from monitor.evidence import Evidence, canonical
from monitor.span import Span

SPANS = 100_000
VANTAGES = ("hcm", "hanoi", "sgp")
MONTH_FROM, MONTH_US = 1_790_787_600_000_000, 2_678_400_000_000  # October 2026 in Asia/Ho_Chi_Minh
CONTRACT = """\
contract: acme
customer: {name: ACME Co.}
crm: {recipe: creme, version: 2.8.6, url: "https://crm.acme.example/"}
target: {kind: saas}
term: {signed: 2026-01-01, accepted: 2026-01-01}
sla:
  availability: 99.9 %
  period: {every: month, calendar: gregorian, timezone: Asia/Ho_Chi_Minh}
  ignore-shorter-than: 1 min
  bridge-unknown: 5 min
  maintenance: {notice: 48 h, at-most: 4 h}
  credit: {unit: service-time, formula: {multiplier: 3, of: downtime}, cap: {per-outage: 24 h}}
monitor: {vantages: [hcm, hanoi, sgp]}
billing: {system: file, account: "1"}
"""
FLOOR = "import json, sys\nfor line in open(sys.argv[1]): json.loads(line)"
PURE = """\
import sys
from pathlib import Path
from contract.parse import read_file
from monitor.evidence import read
from monitor.sla.output import as_json
from monitor.sla.recompute import recompute
print(as_json(recompute(read_file(Path(sys.argv[1])).contract, read(Path(sys.argv[2])), "2026-10")))
"""


def month() -> bytes:
    """Make the spans of three vantages that see the same outages, each a little later than the last."""
    random = Random(2026)  # noqa: S311 - a benchmark wants the same month each time
    each = SPANS // len(VANTAGES)
    edges = sorted(random.randrange(MONTH_US) for _ in range(each - 1))
    states = ["down" if random.random() < 0.05 else "up" for _ in range(each)]
    spans = []
    for late, vantage in enumerate(VANTAGES):
        instants = [MONTH_FROM, *(MONTH_FROM + edge + 3 * late for edge in edges), MONTH_FROM + MONTH_US]
        for start, end, state in zip(instants, instants[1:], states, strict=False):
            if start < end:
                spans.append(Span(vantage, start, end, state, "timeout" if state == "down" else ""))  # type: ignore[arg-type]  # one of the two
    return canonical(Evidence(tuple(spans)))


def main() -> None:
    """Time reading and settling, by the pure functions and by the command."""
    with tempfile.TemporaryDirectory() as folder:
        evidence, contract = Path(folder, "evidence.jsonl"), Path(folder, "acme.yaml")
        evidence.write_bytes(month())
        contract.write_text(CONTRACT)
        crmhost = str(Path(sys.executable).with_name("crmhost"))
        taken = medians(
            {
                "floor": [sys.executable, "-c", FLOOR, str(evidence)],
                "pure": [sys.executable, "-c", PURE, str(contract), str(evidence)],
                "command": [crmhost, "sla", str(contract), str(evidence), "--period", "2026-10", "--json"],
            },
            rounds=7,
        )
    beside = f"json.loads of each line {taken['floor']:.3f} s"
    ways = {"contract and evidence to figures": "pure", "crmhost sla --json": "command"}
    show(
        [
            (
                f"{what}, {SPANS:,} spans",
                f"{taken[way]:.3f} s ({taken[way] / taken['floor']:.1f} x)",
                beside,
                "1 s",
            )
            for what, way in ways.items()
        ]
    )


if __name__ == "__main__":
    main()
