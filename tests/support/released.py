"""A release of the small application on a real engine, as the stack lays it out, without Pulumi."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from crm.plan import Want
from crm.recipe import Recipe
from infra import naming
from infra.asking import Site
from infra.engine.engine import Engine
from infra.engine.files import Volume
from infra.engine.run import Bind, OneShot
from infra.release import lock_of, place, release_of
from infra.rollout import Slot
from infra.settings import Images as FleetImages
from tests.support.engine import RealEngine
from tests.support.exclusive import exclusively
from tests.support.images import Images
from tests.support.postgresql import Customer
from tests.support.smallapp.recipe import RECIPE
from tests.support.wants import SECRETS, SLOTS

HOST = "crm.acme.example"
_DOCKERFILE = """\
FROM {base}
RUN python3 -m venv --without-pip /opt/crm
COPY packages /opt/crm/lib/python3.11/site-packages
RUN /opt/crm/bin/python -m compileall -q /opt/crm/lib
"""


def cloud_want(contract: str, version: str = "1.0", *, recipe: Recipe = RECIPE, **slots: str) -> Want:
    """Return what a contract asks of a Docker host."""
    own = {"url": f"https://{HOST}", "host": HOST, "listen": "", **slots}
    secrets = {**SECRETS, "database-password": "pass", "database-superuser-password": "super"}
    return Want(contract, recipe, version, {**SLOTS, **own}, secrets)


def fleet_images(images: Images) -> FleetImages:
    """Return the test images as a fleet's settings have them."""
    return FleetImages(images.python, images.postgresql, images.redis, images.caddy)


def notebook_image(engine: RealEngine, images: Images) -> str:
    """Return the id of an image with what the small application needs; it is built once."""
    lock = lock_of(cloud_want("acme"))
    dockerfile = _DOCKERFILE.format(base=images.python)
    tag = f"crmhost-test/notebook:{hashlib.sha256((dockerfile + lock.lock).encode()).hexdigest()[:12]}"
    with exclusively("notebook-image"), closing(engine.client()) as client:
        try:
            return str(client.images.get(tag).id)
        except ImageNotFound:
            return _build(client, tag, dockerfile, lock.lock)


def lay_out(customer: Customer, want: Want, image: str, images: Images, slot: Slot = "a") -> Site:
    """Make the customer's network and a release's volumes with its files, and let the database join the network."""
    engine = customer.engine
    placed = place(want, release_of(want, fleet_images(images)), image, slot)
    site = Site(engine, want, placed)
    _join(engine, want.contract)
    files, run = (naming.release_volume(want.contract, placed.tag, kind) for kind in ("files", "run"))
    for volume in (files, run):
        engine.make_volume(volume, naming.labels(want.contract, "files", placed.release.id))
    engine.put(Volume(files), "/", {file.path: file.content.encode() for file in placed.files})
    own = OneShot(
        f"crmhost-{want.contract}-own",
        image,
        ("chown", f"{naming.UID}:{naming.UID}", "/f", "/r"),
        naming.labels(want.contract, "own"),
        binds=(Bind(files, "/f"), Bind(run, "/r")),
        user="0:0",
        capabilities=("CAP_CHOWN",),
    )
    assert engine.run(own, timeout=60).code == 0
    return site


def start(site: Site, name: str = "web", env: Mapping[str, str] | None = None) -> str:
    """Start a process of the release, and return its container's name."""
    process = next(each for each in site.placed.processes if each.name == name)
    container = naming.process(site.contract, site.placed.tag, name)
    client = site.engine.client
    volumes = {
        naming.release_volume(site.contract, site.placed.tag, "files"): f"{naming.RELEASE_FOLDER}:ro",
        naming.release_volume(site.contract, site.placed.tag, "run"): naming.RUN_FOLDER,
        naming.data(site.contract): naming.DATA_FOLDER,
    }
    alias = naming.web_alias(site.placed.slot, site.placed.host)
    client.create_container(
        site.placed.image,
        command=list(process.argv),
        name=container,
        user=f"{naming.UID}:{naming.UID}",
        working_dir=process.cwd,
        environment={**process.env, **(env or {})},
        labels=naming.labels(site.contract, name, site.placed.release.id),
        host_config=client.create_host_config(
            binds=[f"{volume}:{path}" for volume, path in volumes.items()],
            network_mode=naming.network(site.contract),
            read_only=True,
            init=True,
            tmpfs={"/tmp": ""},  # noqa: S108 -- of the container
            mem_limit=f"{process.limits.memory_mb}m",
        ),
        networking_config={
            "EndpointsConfig": {naming.network(site.contract): client.create_endpoint_config(aliases=[alias])}
        },
    )
    site.engine.start(container)
    return container


def _join(engine: Engine, contract: str) -> None:
    network = naming.network(contract)
    if network in engine.seen(contract).networks:
        return
    engine.client.create_network(network, internal=True, labels=naming.labels(contract, "network"))
    engine.disconnect_network(naming.database(contract), "none")
    engine.connect_network(naming.database(contract), network, (naming.DATABASE_HOST,))


def _build(client: docker.DockerClient, tag: str, dockerfile: str, lock: str) -> str:
    context = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=context, mode="w") as archive:
        _install(lock, Path(folder))
        archive.add(Path(folder, "packages"), "packages")
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        archive.addfile(entry, io.BytesIO(dockerfile.encode()))
    context.seek(0)
    image, _ = client.images.build(
        fileobj=context, custom_context=True, tag=tag, network_mode="none", rm=True, forcerm=True
    )
    return str(image.id)


def _install(lock: str, folder: Path) -> None:
    """Install the packages of a lock, all of them Python alone, below the folder."""
    (folder / "lock").write_text(lock)
    uv = str(Path(sys.executable).with_name("uv"))
    options = ["--quiet", "--require-hashes", "--python", sys.executable, "--target", str(folder / "packages")]
    subprocess.run([uv, "pip", "install", *options, "-r", str(folder / "lock")], check=True)
