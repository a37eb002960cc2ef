"""A LAN server with nothing to do beside Fabric, pyinfra and Ansible; fifty at once; the first deploy; a long line.

    python -m benchmarks lan

Servers are containers with systemd and SSH on the tests' own engine (tools/engine start), or on the one that
CRMHOST_TEST_DOCKER names. CRMHOST_BENCH_LAN names some of the parts: nothing, fleet, first, far; all by default.
docs/benchmarks.md tells more.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.lan import bare, far, peers
from benchmarks.lan.asked import on_the_host, setup_for, surveyed
from benchmarks.lan.delay import delayed
from benchmarks.lan.place import Company, Crm, company
from benchmarks.lan.tasks import summary, tasks_of, things
from benchmarks.lan.timing import Row, command, interleaved, load, show
from crm.catalogue import find
from crmhost.door import Door
from crmhost.public import check
from tests.support.lanhost import LanHost
from tests.support.smallapp.recipe import RECIPE

CREME = Crm("creme", find("creme").versions[-1])
SMALL = Crm(RECIPE.id, "1.0")
ROUNDS = int(os.environ.get("CRMHOST_BENCH_ROUNDS", "5"))
SERVERS = int(os.environ.get("CRMHOST_BENCH_SERVERS", "50"))
FIRSTS = int(os.environ.get("CRMHOST_BENCH_FIRSTS", "2"))
"""First deploys of each sort; every one has a server of its own."""
PARALLEL = 8
"""Contracts at once, for both; crmhost's own default."""
ROUND_TRIP = 0.05
MOST_TRIPS = 6


def main() -> None:
    """Measure the parts, and print a table after each."""
    parts: Mapping[str, Callable[[Company], list[Row]]] = {
        "nothing": nothing, "far": distant, "first": first, "fleet": many,
    }  # fmt: skip
    named = os.environ.get("CRMHOST_BENCH_LAN", ",".join(parts)).split(",")
    for name in named:
        with tempfile.TemporaryDirectory(prefix="crmhost-bench-") as folder, company(Path(folder)) as made:
            print(f"\n{name} (load {load()})", flush=True)
            show(parts[name](made))


def nothing(made: Company) -> list[Row]:
    """Return what a plan and a deploy with nothing to do take on one server with Creme, and what the peers take."""
    host = _served(made)
    seen = surveyed(made, "acme", host, find(CREME.recipe))
    tasks = tasks_of(seen)
    resources = made.run("plan", "acme")["resources"]
    print(f"crmhost asks about {resources} resources; each peer has {len(tasks)} tasks about {things(tasks)} things:")
    print(f"  {summary(tasks)}")
    given = _peers(made)
    server = peers.Server("acme", host.address, tasks)
    surroundings = given.surroundings()
    taken = interleaved(
        {
            "fabric": command(_fabric(made, host), cwd=made.folder),
            "host": on_the_host(host, "acme", seen),
            "deploy": _deploys_nothing(made),
            "plan": command(made.argv("plan", "acme"), cwd=made.fleet, environment=made.environment),
            "pyinfra": command(given.pyinfra([server]), cwd=made.folder, environment=surroundings, expects=_UNCHANGED),
            "ansible": command(given.ansible(server), cwd=made.folder, environment=surroundings, expects="changed=0 "),
        },
        ROUNDS,
    )
    floor = taken["fabric"] + taken["host"]
    floors = f"Fabric `true` {taken['fabric']:.2f} s + the same questions asked on the server {taken['host']:.2f} s"
    what = f"deploy, nothing to do, {resources} resources"
    return [
        Row(what, taken["deploy"], floor, 1.3, floors),
        Row("plan, nothing to do", taken["plan"], floor, 1.3, floors),
        Row(what, taken["deploy"], taken["pyinfra"], 1 / 5, f"pyinfra, {len(tasks)} operations"),
        Row(
            what, taken["deploy"], taken["ansible"], 1 / 15, f"Ansible, {len(tasks)} tasks, pipelining, ControlPersist"
        ),
    ]


def distant(made: Company) -> list[Row]:
    """Return how many round trips a plan waits for beyond those of TCP and SSH."""
    host = _served(made)
    seen, setup = surveyed(made, "acme", host, find(CREME.recipe)), setup_for(made, "acme", find(CREME.recipe))
    near, away = (
        far.measured(made, host, seen.want, setup, round_trip=trip, rounds=ROUNDS) for trip in (0.0, ROUND_TRIP)
    )
    with delayed(host.address, 22, ROUND_TRIP) as line:
        fleet = far.twin(made, "acme", host, line.here)
        act = command(made.argv("plan", "acme"), cwd=fleet, environment=made.environment)
        whole = interleaved({"plan": act}, ROUNDS)["plan"]
    print(f"the whole plan at {1000 * ROUND_TRIP:.0f} ms takes {whole:.2f} s:")
    print(f"  TCP and SSH {away.shaken:.0f} round trips ({away.connect:.2f} s, {near.connect:.2f} s without a delay),")
    print(f"  then {away.trips:.0f} more ({away.plan:.2f} s, {near.plan:.2f} s without a delay)")
    noted = f"one round trip of {1000 * ROUND_TRIP:.0f} ms; TCP and SSH before it wait for {away.shaken:.0f}"
    return [Row("plan, nothing to do, far away", away.trips, 1.0, MOST_TRIPS, noted, unit="round trips")]


def first(made: Company) -> list[Row]:
    """Return what first deploys of Creme to bare servers take, and the next customer's on one of them."""
    ours, hands, following = [], [], []
    for number in range(FIRSTS):
        host, other = made.server(), made.server()
        acts = [
            lambda name=f"acme-{number}", on=host: ours.append(_deploys(made, name, on)),
            lambda name=f"hand-{number}", on=other: hands.append(_by_hand(made, name, on)),
        ]
        for act in acts if number % 2 == 0 else reversed(acts):
            act()
        following.append(_deploys(made, f"globex-{number}", host))
    whole, typed, later = (sum(values) / len(values) for values in (ours, hands, following))
    print(f"first deploys {_seconds(ours)}; typed {_seconds(hands)}; next customers {_seconds(following)}")
    return [
        Row("first deploy, Creme, bare server", whole, typed, 1.15, "the bare commands in a row over one ssh"),
        Row("next customer, same release and server", later, whole, 1 / 5, "the first deploy"),
    ]


def many(made: Company) -> list[Row]:
    """Return what plans with nothing to do of many contracts take: each has a name of its own for one server."""
    host = made.server(stocked=True)
    names = [f"c{number:02}" for number in range(1, SERVERS + 1)]
    for name in names:
        made.call(f"{name}.server", host)
        made.sign(name, f"{name}.server", SMALL)
    ours = [sys.executable, "-m", "benchmarks.lan.many"]
    surroundings = {**made.environment, "PYTHONPATH": str(peers.ROOT)}
    begun = time.perf_counter()
    command([*ours, "deploy", str(made.fleet), str(PARALLEL)], cwd=made.fleet, environment=surroundings)()
    print(f"{SERVERS} customers deployed in {time.perf_counter() - begun:.0f} s", flush=True)
    given = _peers(made)
    with ThreadPoolExecutor(PARALLEL) as pool:
        seen = list(pool.map(lambda name: surveyed(made, name, host, RECIPE), names))
    servers = [peers.Server(name, host.address, tasks_of(one)) for name, one in zip(names, seen, strict=True)]
    tasks = servers[0].tasks
    acts = {
        "plan": command([*ours, "plan", str(made.fleet), str(PARALLEL)], cwd=made.fleet, environment=surroundings),
        "pyinfra": command(
            given.pyinfra(servers), cwd=made.folder, environment=given.surroundings(), expects=_UNCHANGED
        ),
    }
    taken = interleaved(acts, min(ROUNDS, 3))
    noted = f"pyinfra, {len(tasks)} operations on each; {SERVERS} customers and names, one container"
    return [Row(f"plan --all, nothing to do on {SERVERS}", taken["plan"], taken["pyinfra"], 1 / 2, noted)]


_UNCHANGED = "No changes"
"""What pyinfra says of operations that had nothing to do."""


def _served(made: Company) -> LanHost:
    host = made.server(stocked=True)
    made.sign("acme", host.address, CREME)
    made.run("deploy", "acme", "--yes")
    return host


def _deploys(made: Company, name: str, host: LanHost) -> float:
    made.sign(name, host.address, CREME)
    return command(made.argv("deploy", name, "--yes"), cwd=made.fleet, environment=made.environment, expects="serves")()


def _deploys_nothing(made: Company) -> Callable[[], float]:
    argv = made.argv("deploy", "acme", "--yes")
    return command(argv, cwd=made.fleet, environment=made.environment, expects="nothing to do")


def _by_hand(made: Company, name: str, host: LanHost) -> float:
    """Return how long the bare commands take on a server, until its site answers as a deploy wants it to."""
    made.sign(name, host.address, CREME)
    seen = surveyed(made, name, host, find(CREME.recipe))
    script = made.folder / f"{name}.sh"
    script.write_text("{\n" + bare.commands(seen).text + "\n} </dev/null\n")
    setup = setup_for(made, name, find(CREME.recipe))
    begun = time.perf_counter()
    with script.open() as given:
        argv = ["ssh", "-i", str(made.key), "-o", f"UserKnownHostsFile={made.fleet}/known_hosts"]
        bare.run([*argv, f"root@{host.address}", "sh -s"], given)
    authority = setup.certificate.authority if setup.certificate else None
    check(seen.want, Door((host.address, 443), authority), patience=60.0)
    return time.perf_counter() - begun


def _peers(made: Company) -> peers.Peers:
    folder = made.folder / "peers"
    folder.mkdir()
    return peers.Peers(peers.environment(), folder, made.key, made.fleet / "known_hosts")


def _fabric(made: Company, host: LanHost) -> list[str]:
    return [
        str(Path(sys.executable).with_name("fab")),
        "-H",
        f"deploy@{host.address}",
        "-i",
        str(made.key),
        "--",
        "true",
    ]


def _seconds(values: list[float]) -> str:
    return ", ".join(f"{value:.1f} s" for value in values)


if __name__ == "__main__":
    main()
