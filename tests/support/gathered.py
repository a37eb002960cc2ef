"""What bundles are made of, gathered for real on a Debian machine with a network, once on this machine.

It is kept in the user's cache folder under the digest of what was wanted: gathering takes a minute, and what other
tests show does not depend on it being done anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from crmhost.bundle.gather import Wanted, gather
from crmhost.bundle.ground import Ground
from tests.support.engine import RealEngine
from tests.support.exclusive import cache, exclusively
from tests.support.lanhost import LanImages, serving
from tests.support.lannet import LanNetwork

_GROUND = "ground.json"


@dataclass(frozen=True, slots=True)
class Mirror:
    """A machine where packages are gathered, started when something is not in the cache."""

    engine: RealEngine
    images: LanImages
    network: LanNetwork
    folder: Path

    def __call__(self, wanted: Wanted, folder: Path) -> Ground:
        """Bring what is wanted into the folder."""
        kept = cache() / "gathered" / _name(wanted, self.images.bare)
        with exclusively("gathered"):
            if not kept.exists():
                self._gather(wanted, kept)
        shutil.copytree(kept, folder, dirs_exist_ok=True, ignore=lambda _, names: {_GROUND} & set(names))
        return Ground(**json.loads((kept / _GROUND).read_text()))

    def _gather(self, wanted: Wanted, kept: Path) -> None:
        new = kept.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        name = f"lan-gathering-{kept.name}"
        with (
            closing(self.engine.client()) as client,
            serving(client, self.images.bare, self.folder / "mirror", name, self.network, {}) as machine,
            machine.reach("plain") as host,
        ):
            ground = gather(host, wanted, new)
            assert machine.run("ls -A /home/plain/.crmhost") == ""
        (new / _GROUND).write_text(json.dumps(ground.plain()))
        new.rename(kept)


def _name(wanted: Wanted, image: str) -> str:
    parts = (*wanted.packages, wanted.crm.lock, wanted.crm.build, wanted.own, wanted.installer, image)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@pytest.fixture(scope="session")
def mirror(
    engine: RealEngine, lan_images: LanImages, lan_network: LanNetwork, tmp_path_factory: pytest.TempPathFactory
) -> Mirror:
    """Return what gathers packages."""
    return Mirror(engine, lan_images, lan_network, tmp_path_factory.mktemp("mirror"))
