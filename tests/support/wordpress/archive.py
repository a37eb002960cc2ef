"""WordPress' archive, made of Debian's packages in an image and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import io
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from crm.recipe import Recipe
from crmhost.fetch import Shelf
from tests.support.engine import RealEngine
from tests.support.exclusive import cache, exclusively
from tests.support.images import built, debian
from tests.support.wordpress.recipe import recipe

IMAGE = "crmhost-test/wordpress:bookworm"
INSIDE = "/srv/wordpress-6.1.tar.gz"


def bring(engine: RealEngine) -> Path:
    """Return the archive; it is made anew when what its image is made from has changed."""
    with exclusively("test-images"), closing(engine.client()) as client:
        image = built(client, "wordpress", IMAGE, debian(client))
        kept = cache() / f"wordpress-{image.removeprefix('sha256:')[:12]}.tar.gz"
        if not kept.exists():
            container = client.containers.create(image)
            try:
                stream, _ = container.get_archive(INSIDE)
                outer = io.BytesIO(b"".join(stream))
            finally:
                container.remove()
            with tarfile.open(fileobj=outer) as tar:
                content = tar.extractfile(INSIDE.rpartition("/")[2])
                assert content is not None
                part = kept.with_suffix(".part")
                part.write_bytes(content.read())
                part.replace(kept)
        return kept


@pytest.fixture(scope="session")
def wordpress_archive(engine: RealEngine) -> Path:
    """Return WordPress' archive as its project would publish it."""
    return bring(engine)


@pytest.fixture(scope="session")
def wordpress(wordpress_archive: Path) -> Recipe:
    """Return WordPress' recipe, for the archive that the tests made."""
    with wordpress_archive.open("rb") as file:
        return recipe(hashlib.file_digest(file, "sha256").hexdigest())


@pytest.fixture(scope="session")
def wordpress_shelf(wordpress: Recipe, wordpress_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Return what drivers call `archives`, with WordPress' on it."""
    (artifact,) = wordpress.artifacts.values()
    own = {getattr(artifact, "sha256", ""): wordpress_archive}
    return Shelf(tmp_path_factory.mktemp("archives"), lambda _event: None, own)
