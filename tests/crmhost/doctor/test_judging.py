"""What is said of a host, from what it answered: a file for each situation, which lists what differs from all well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crm.recipe import Recipe
from crmhost.doctor import engine, outside, webhost
from crmhost.doctor.finding import Finding, amount
from playbooks.kinds.cron import CronSeen
from playbooks.webhost.condition import Condition, Python, quotas
from playbooks.webhost.layout import Layout
from tests.support.contracts import golden
from tests.support.smallapp.recipe import RECIPE

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
NEEDS = webhost.Needed(("3.14", "3.13", "3.12", "3.11", "3.10"), 8100, 1 << 30, ("jobs",))
WELL = {
    "clock": 1_000_000,
    "uid": 1004,
    "disk": 8 << 30,
    "files": 400_000,
    "memory": 2 << 30,
    "pythons": (Python("/usr/bin/python3.14", "3.14.0"),),
    "listeners": (),
}


def asked(case: dict[str, Any]) -> webhost.Asked:
    said = {key: _value(value) for key, value in case.get("condition", {}).items()}
    if "pythons" in case:
        said["pythons"] = tuple(
            Python(path, version, tuple(lacks)) for path, version, *lacks in map(str.split, case["pythons"])
        )
    if "quotas" in case:
        said["quotas"] = quotas(case["quotas"])
    seen = Condition(**{**WELL, **said})
    cron = CronSeen(case.get("cron", "absent"))
    return webhost.Asked(seen, frozenset(case.get("missing", ())), cron, 1_000_000.0, 1_000_002.0)


def _value(text: Any) -> Any:  # noqa: ANN401 - what a YAML file says of a field
    if isinstance(text, list):
        return tuple(int(one) for one in text)
    return {"yes": True, "no": False, "none": None}.get(text) if text in {"yes", "no", "none"} else int(text)


def line(one: Finding) -> str:
    return f"{one.what} | {one.found} | {one.remedy}".rstrip()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_situation(path: Path) -> None:
    case = golden(path)
    well = {line(one) for one in webhost.judge(NEEDS, asked({}))}
    found = [line(one) for one in webhost.judge(NEEDS, asked(case))]
    assert [one for one in found if one not in well] == case["says"]


def test_what_is_said_where_all_is_well() -> None:
    assert [line(one) for one in webhost.judge(NEEDS, asked({}))] == [
        "programs | all there |",
        "home | can be written to, and takes locks |",
        "python | 3.14.0 (/usr/bin/python3.14) |",
        "disk | 8192 MiB free |",
        "files | 400000 more are possible |",
        "quota | the host says of none |",
        "memory | 2048 MiB free |",
        "clock | agrees with this machine's |",
        "port 8100 | free |",
        "cron | this account may use it |",
    ]


def test_what_is_needed_comes_from_the_recipe() -> None:
    from crm.release import lock_of

    needs = webhost.needed(
        RECIPE, lock_of(RECIPE, RECIPE.versions[-1], "sqlite"), Layout("/home/acme", "acme"), "[::1]:8123"
    )
    assert needs.port == 8123
    assert needs.memory == _megabytes(RECIPE) << 20
    assert needs.jobs == tuple(job.name for job in RECIPE.jobs)
    assert needs.minors == tuple(sorted(needs.minors, key=lambda minor: int(minor[2:]), reverse=True))


def _megabytes(recipe: Recipe) -> int:
    return sum(one.memory_mb for one in recipe.processes) + max((one.memory_mb for one in recipe.jobs), default=0)


@pytest.mark.parametrize(("size", "text"), [(0, "0 MiB"), (1 << 30, "1024 MiB"), (64 << 30, "64 GiB")])
def test_an_amount_for_people(size: int, text: str) -> None:
    assert amount(size) == text


URL = "https://crm.acme.example/"
ANSWER = "Have its owner answer for crm.acme.example and pass it on to the CRM."
DNS = "dns | crm.acme.example is 192.0.2.7 |"


@pytest.mark.parametrize(
    ("seen", "first", "says"),
    [
        (outside.Outside(URL, ("192.0.2.7",)), False, [DNS, f"url | {URL} is answered |"]),
        (
            outside.Outside(URL, unknown="Name or service not known"),
            False,
            ["dns | crm.acme.example: Name or service not known | Let crm.acme.example point to the host in DNS."],
        ),
        (
            outside.Outside(URL, ("192.0.2.7",), refused="Connection refused"),
            False,
            [
                DNS,
                f"url | {URL}: Connection refused | {ANSWER}",
            ],
        ),
        (
            outside.Outside(URL, ("192.0.2.7",), refused="Connection refused"),
            True,
            [DNS, f"url | {URL}: nothing answers yet; the first deploy brings nginx |"],
        ),
        (
            outside.Outside(URL, ("192.0.2.7",), untrusted="certificate has expired"),
            False,
            [DNS, f"url | {URL}: certificate has expired | Have its owner bring a certificate for crm.acme.example."],
        ),
    ],
)
def test_what_is_said_of_the_url(seen: outside.Outside, first: bool, says: list[str]) -> None:
    front = "nginx" if first else "its owner"
    assert [line(one) for one in outside.judge(seen, deployed_first=first, front=front)] == says


GOOD = engine.Asked(
    "ssh://deploy@docker.example",
    "26.1.4",
    (1, 45),
    8 << 30,
    0.0,
    40 << 30,
    (engine.Door(80, (), answers=False), engine.Door(443, ("crmhost-ingress",), answers=True)),
    "crmhost-ingress",
)


def test_what_is_said_of_an_engine_where_all_is_well() -> None:
    assert [line(one) for one in engine.judge(GOOD, RECIPE)] == [
        "engine | Docker 26.1.4 (API 1.45) at ssh://deploy@docker.example |",
        "disk | 40 GiB free |",
        "memory | 8192 MiB in all |",
        "clock | agrees with this machine's |",
        "port 80 | nothing listens there |",
        "port 443 | the ingress has it |",
    ]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"version": "19.03.15", "api": (1, 40)},
            (
                "engine | Docker 19.03.15 (API 1.40) at ssh://deploy@docker.example |"
                " Install Docker 20.10 or newer on the host."
            ),
        ),
        ({"disk": None}, "disk | cannot be seen from here; on the host: df -h |"),
        (
            {"disk": 1 << 30},
            "disk | 1024 MiB free | Free at least 5120 MiB on the host: docker system df, docker image prune.",
        ),
        (
            {"memory": 64 << 20},
            (
                f"memory | 64 MiB in all | One customer of {RECIPE.title} may use {_megabytes(RECIPE)} MiB:"
                " take a larger host."
            ),
        ),
        ({"skew": 61.2}, "clock | 61 s ahead of this machine's | Set the host's clock by NTP."),
        ({"skew": -61.2}, "clock | 61 s behind this machine's | Set the host's clock by NTP."),
        (
            {"doors": (engine.Door(80, ("nginx",), answers=True),)},
            (
                "port 80 | the container nginx has it | End nginx, or give the ingress another port: cloud.ingress in"
                " crmhost.yaml."
            ),
        ),
        (
            {"doors": (engine.Door(80, (), answers=True),)},
            (
                "port 80 | something that is no container listens there | End it, or give the ingress another port:"
                " cloud.ingress in crmhost.yaml."
            ),
        ),
    ],
)
def test_what_is_said_of_an_engine(changed: dict[str, Any], says: str) -> None:
    from dataclasses import replace

    well = {line(one) for one in engine.judge(GOOD, RECIPE)}
    assert [text for one in engine.judge(replace(GOOD, **changed), RECIPE) if (text := line(one)) not in well] == [says]
