"""Customers on a Docker host: nothing to do beside Pulumi's own runs of the same stack, and the next beside the first.

    python -m benchmarks cloud

The customers have Creme; the first one's image is built. The engine is the tests' own (tools/engine start), or
CRMHOST_TEST_DOCKER names one; CRMHOST_BENCH_CUSTOMERS says how many are deployed in parallel at the end.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import medians, show
from crm.catalogue import find
from crm.recipe import Recipe
from tests.support import images, toolchain
from tests.support.cloud import Company, Customer, company
from tests.support.engine import start
from tests.support.ingress import bring
from tests.support.provider import launcher

ROUNDS = 5


def main() -> None:
    """Deploy a customer cold, the next one, and several at once; time what finds nothing to do in between."""
    recipe = find("creme")
    version = recipe.versions[-1]
    with tempfile.TemporaryDirectory(prefix="crmhost-bench-") as place:
        hosting = _hosting(Path(place))
        with _customers(hosting, recipe) as made:
            cold = _deploy(made, "first", version)
            nothing = _nothing(hosting, "first")
            following = _deploy(made, "second", version)
            count = int(os.environ.get("CRMHOST_BENCH_CUSTOMERS", "10"))
            several = _several(made, count, version)
    plan, deploy = nothing["plan"] / nothing["preview"], nothing["deploy"] / nothing["up"]
    show(
        [
            ("plan, nothing to do", f"{nothing['plan']:.2f} s ({plan:.2f} x)", _beside(nothing, "preview"), "1.3 x"),
            ("deploy, nothing to do", f"{nothing['deploy']:.2f} s ({deploy:.2f} x)", _beside(nothing, "up"), "0.5 x"),
            ("the next customer", f"{following:.1f} s ({following / cold:.2f} x)", f"the first {cold:.1f} s", "0.5 x"),
            (f"{count} at once", f"{several:.1f} s ({several / cold:.2f} x)", f"the first {cold:.1f} s", "4 x"),
        ]
    )


def _hosting(place: Path) -> Company:
    engine = start()
    brought = images.bring(engine)
    programs = toolchain.bring().folder
    plugin = launcher(place / "provider").parent
    given = os.environ.get("CRMHOST_TEST_PROVIDER") or str(plugin)
    environment = {**os.environ, "PATH": os.pathsep.join((given, str(programs), os.environ["PATH"]))}
    host = bring(engine.url, brought, programs, environment)
    authority = os.environ.get("PIP_CERT")
    return company(place / "fleet", host, environment, {} if authority is None else {"cloud.images.ca": authority})


class _Made:
    """The customers of this run, so that each is removed at its end."""

    def __init__(self, hosting: Company, recipe: Recipe) -> None:
        self._hosting, self._recipe = hosting, recipe
        self.customers: list[Customer] = []

    def customer(self, name: str, version: str) -> Customer:
        customer = self._hosting.customer(f"bench-{name}", self._recipe, version)
        self.customers.append(customer)
        return customer


@contextmanager
def _customers(hosting: Company, recipe: Recipe) -> Iterator[_Made]:
    made = _Made(hosting, recipe)
    try:
        yield made
    finally:
        for customer in made.customers:
            customer.sweep()


def _deploy(made: _Made, name: str, version: str) -> float:
    """Deploy a new customer and return the seconds that it took."""
    customer = made.customer(name, version)
    begun = time.perf_counter()
    customer.deploy(version)
    return time.perf_counter() - begun


def _several(made: _Made, count: int, version: str) -> float:
    """Deploy new customers at once and return the seconds until the last one served."""
    customers = [made.customer(f"many{number}", version) for number in range(count)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda customer: customer.deploy(version), customers))
    return time.perf_counter() - begun


def _nothing(hosting: Company, name: str) -> dict[str, float]:
    """Return the seconds of crmhost's two verbs, and of Pulumi's two through the bare Automation API."""
    fleet = hosting.fleet
    crmhost = [
        shutil.which("crmhost", path=str(Path(sys.executable).parent)) or "crmhost",
        "--fleet",
        str(fleet.folder),
    ]
    bare = [sys.executable, "-m", "benchmarks.bare_pulumi", str(fleet.folder), f"bench-{name}"]
    environment = os.environ.copy()
    os.environ.update(fleet.environment)
    try:
        return medians(
            {
                "preview": [*bare, "preview"],
                "plan": [*crmhost, "plan", f"bench-{name}"],
                "up": [*bare, "up"],
                "deploy": [*crmhost, "deploy", f"bench-{name}", "--yes"],
            },
            rounds=ROUNDS,
        )
    finally:
        os.environ.clear()
        os.environ.update(environment)


def _beside(taken: dict[str, float], name: str) -> str:
    return f"Automation API's {name} {taken[name]:.2f} s"


if __name__ == "__main__":
    main()
