"""Several contracts on one Docker host, and one on a host that is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crmhost.newfleet import create_fleet
from tests.crmhost.conftest import Crmhost
from tests.crmhost.test_json_schema import checked
from tests.support.fleets import contract_text
from tests.support.ingress import SharedIngress, ingress

__all__ = ["ingress"]
pytestmark = pytest.mark.slow


def test_contracts_on_a_docker_host_are_planned_at_once(crmhost: Crmhost, folder: Path, ingress: SharedIngress) -> None:
    settings = ingress.settings
    images = [
        f"cloud.images.{name}={getattr(settings.images, name)}" for name in ("python", "postgresql", "redis", "ingress")
    ]
    create_fleet(folder, "Test hosting", images, {**os.environ, "HOME": str(folder.parent / "home")})
    for name, url in (("acme", settings.reach.url), ("bolt", settings.reach.url), ("dead", "tcp://127.0.0.1:9")):
        text = contract_text(name, target=f"{{kind: cloud, docker: '{url}'}}").replace('"http://', '"https://')
        (folder / "contracts" / f"{name}.yaml").write_text(text)
    secrets = sorted((folder / "secrets").glob("*/*"))
    said = crmhost("plan", "--all", "--json")
    lines = checked(said.out)
    assert lines[-1]["results"] == {"changes": ["acme", "bolt"], "failed": ["dead"]}, said.err
    assert said.code == 1
    assert "crmhost: dead: tcp://127.0.0.1:9: " in said.err
    assert sorted((folder / "secrets").glob("*/*")) == secrets, "a plan stores no secret"
