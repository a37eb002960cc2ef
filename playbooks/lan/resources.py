"""A release as resources of a server: what is there for all, what is staged, and what serving means. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from crm.plan import Release, Want
from crm.recipe import DATABASE_PASSWORD, PipLock
from crm.slots import fill_exec, fill_text, secret_names
from playbooks.kind import Resource
from playbooks.kinds.account import AccountKind, AccountWanted
from playbooks.kinds.file import FileWanted
from playbooks.kinds.folder import FolderWanted
from playbooks.kinds.link import LinkKind, LinkWanted
from playbooks.kinds.pgdatabase import PgDatabaseKind, PgDatabaseWanted
from playbooks.kinds.role import RoleKind, RoleWanted
from playbooks.kinds.site import SiteKind, SiteWanted
from playbooks.kinds.unit import UnitKind, UnitWanted
from playbooks.kinds.upstream import FOLDER as UPSTREAMS
from playbooks.kinds.upstream import UpstreamKind, UpstreamWanted
from playbooks.kinds.venv import VenvKind, VenvWanted
from playbooks.lan import acme, certificates, firewall, sites, units
from playbooks.lan.facts import Place
from playbooks.lan.layout import Layout, job
from playbooks.lan.release import DATABASE, NO_PASSWORD
from playbooks.lan.server import Setup, file, folder, postgresql, server
from playbooks.lan.sites import Secured
from playbooks.manifest import Manifest, Runs, Timed, encode
from playbooks.planned import Staged


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a release is put: the contract's place on a server, and what the contract says of that server.

    salt: fresh randomness, see `FileKind`.
    """

    layout: Layout
    place: Place
    setup: Setup
    salt: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Site:
    """What a contract's site is made of, whichever release serves. before: the text of one that is gone back to."""

    url: str
    certificate: Secured | None
    before: str = ""

    def text(self, layout: Layout) -> str:
        """Return what nginx reads."""
        return self.before or sites.site(layout, self.url, self.certificate)


def manifest_of(want: Want, release: Release, artifact: str, known: Mapping[str, str]) -> Manifest:
    """Return what a release says of itself; raises Refused for slots that a server cannot fill."""
    processes = tuple(
        Runs(one.name, fill_exec(one.run, known, f"process {one.name}"), one.stop, one.memory_mb, one.cpus)
        for one in want.recipe.processes
    )
    jobs = tuple(
        Timed(one.name, fill_exec(one.run, known, f"job {one.name}"), one.every, one.memory_mb)
        for one in want.recipe.jobs
    )
    web = next(process for process in processes if process.name == "web")
    secrets = tuple(sorted(want.secrets))
    return Manifest(release, artifact, known["listen"], processes, web, jobs, secrets=secrets)


def staged(ground: Ground, want: Want, manifest: Manifest, known: Mapping[str, str], lock: PipLock) -> Staged:
    """Return all that comes before the steps.

    The manifest comes before the artifact that it names: nobody on the server removes what a manifest names.
    """
    layout, place, setup, salt = ground.layout, ground.place, ground.setup, ground.salt
    release = layout.release(manifest.release.id)
    secrets = {**want.secrets, **NO_PASSWORD}
    contents = {
        posixpath.join(release, one.path): (
            _own(layout, fill_text(one.content, known, secrets, f"file {one.path}"), one.mode),
            tuple(name for name in secret_names(one.content) if name != DATABASE_PASSWORD.name),
        )
        for one in want.recipe.files_with(DATABASE)
    }
    files = {path: replace(wanted, secret=bool(names)) for path, (wanted, names) in contents.items()}
    account = Resource(AccountKind(), layout.user, AccountWanted(layout.root))
    manifest_file = file(layout, salt, layout.manifest(manifest.release.id), _root(encode(manifest)))
    artifact = layout.artifact(manifest.artifact)
    venv = Resource(
        VenvKind(account="root"),
        artifact,
        VenvWanted(lock.lock, lock.python, lock.build, setup.offline.wheels if setup.offline else "", shared=True),
        (manifest_file.id, f"folder:{layout.artifacts}", "package:python3-venv", f"parcel:{layout.parcel}"),
    )
    resources = (
        *server(layout, place, setup, salt),
        account,
        *_folders(layout, manifest.release, want, files),
        *certificates.brought(layout, setup, salt),
        file(layout, salt, layout.firewall, _root(firewall.encode_asked(setup.asked))),
        manifest_file,
        *(file(layout, salt, path, wanted) for path, wanted in files.items()),
        Resource(RoleKind(), layout.user, RoleWanted(), (account.id, f"service:{postgresql(place)}")),
        Resource(PgDatabaseKind(), layout.user, PgDatabaseWanted(layout.user), (f"role:{layout.user}",)),
        venv,
    )
    secret = {f"file:{path}": names for path, (_, names) in contents.items() if names}
    return Staged(resources, frozenset({venv.id, *(f"file:{path}" for path in contents)}), secret)


def web(layout: Layout, manifest: Manifest, place: Place, *, boot: bool | None) -> Resource:
    """Return the web process of a release, beside whatever serves. boot: it starts with the server; None: as it is."""
    name = layout.unit(manifest.release, "web")
    content = units.contents(layout, manifest, place.server.systemd)[name]
    return Resource(UnitKind(), name, UnitWanted(content, _stamp(manifest), enabled=boot, keep_aside=layout.aside))


def serving(
    layout: Layout, manifest: Manifest, place: Place, site: Site, *, closed: bool = False
) -> tuple[Resource, ...]:
    """Return what serving means, in the order of a switch that no request notices.

    The web process; where nginx passes requests on to, and the site, whose text stays the same; then everything else of
    other releases goes, and what this one has besides comes. The web process of the other release is left to finish
    (`drained`).
    """
    kept = [one.manifest for one in place.kept if one.id != manifest.release.id]
    first = web(layout, manifest, place, boot=True)
    before = front(layout, manifest, site, closed=closed, needs=(first.id,))
    led = tuple(resource.id for resource in before)
    gone = tuple(
        Resource(UnitKind(), name, None, led)
        for name in _names(layout, kept)
        if name not in {layout.unit(one.release, "web") for one in kept}
    )
    after = (*led, *(resource.id for resource in gone))
    rest = tuple(
        Resource(UnitKind(), name, wanted, after)
        for name, wanted in _units(layout, manifest, place.server.systemd).items()
        if name != first.key
    )
    link = Resource(
        LinkKind(account="root"),
        layout.current,
        LinkWanted(f"releases/{manifest.release.id}"),
        (*led, *(resource.id for resource in rest)),
    )
    asked = (
        (certificates.interim(layout, None, led),)
        if site.before  # what renews its certificate was put back with it
        else certificates.renewed(layout, site.certificate, led)
    )
    return (first, *before, *gone, *rest, link, *asked)


def front(
    layout: Layout, manifest: Manifest, site: Site, *, closed: bool, needs: tuple[str, ...] = ()
) -> tuple[Resource, ...]:
    """Return what leads customers to a release, or to the maintenance page in its place."""
    port = None if closed else port_of(manifest)
    upstream = Resource(UpstreamKind(), layout.contract, UpstreamWanted(port), (*needs, f"folder:{UPSTREAMS}"))
    return upstream, nginx(layout, site, (upstream.id,))


def nginx(layout: Layout, site: Site, needs: tuple[str, ...] = ()) -> Resource:
    """Return the contract's site as nginx reads it."""
    return Resource(SiteKind(), layout.contract, SiteWanted(site.text(layout), layout.aside), (*needs, "service:nginx"))


def port_of(manifest: Manifest) -> int:
    """Return the loopback port of a release's web process."""
    return int(manifest.listen.rpartition(":")[2])


def drained(layout: Layout, manifest: Manifest, place: Place) -> tuple[Resource, ...]:
    """Return the web processes of the releases that do not serve: they are ended once nobody asks them any more."""
    names = (layout.unit(one.manifest.release, "web") for one in place.kept if one.id != manifest.release.id)
    return tuple(Resource(UnitKind(), name, None) for name in names)


def ended(layout: Layout, kept: Iterable[Manifest]) -> tuple[Resource, ...]:
    """Return the resources of a server where no process of the contract runs; timers go first."""
    names = sorted(_names(layout, kept), key=lambda name: not name.endswith(".timer"))
    timers = tuple(f"unit:{name}" for name in names if name.endswith(".timer"))
    return tuple(Resource(UnitKind(), name, None, () if f"unit:{name}" in timers else timers) for name in names)


def nothing(layout: Layout, kept: Iterable[Manifest]) -> tuple[Resource, ...]:
    """Return the resources of a server where nothing of the contract serves, nor is its certificate renewed."""
    gone = (*acme.renewing(layout, None, ()), *ended(layout, kept))
    site = Resource(SiteKind(), layout.contract, None)
    upstream = Resource(UpstreamKind(), layout.contract, None, (site.id,))
    link = Resource(LinkKind(account="root"), layout.current, None, tuple(one.id for one in gone))
    return (site, certificates.interim(layout, None), upstream, *gone, link)


def account_gone(layout: Layout, *, keep_data: bool) -> tuple[Resource, ...]:
    """Return what of the contract is neither a unit nor a file; with the data the user stays, whose it is."""
    if keep_data:
        return ()
    database = Resource(PgDatabaseKind(), layout.user, None)
    role = Resource(RoleKind(), layout.user, None, (database.id,))
    return (database, role, Resource(AccountKind(), layout.user, None, (role.id,)))


def unit_names(layout: Layout, manifest: Manifest) -> tuple[str, ...]:
    """Return the names of a release's units."""
    return tuple(units.contents(layout, manifest, 0))


def _names(layout: Layout, kept: Iterable[Manifest]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for one in kept for name in unit_names(layout, one)))


def _units(layout: Layout, manifest: Manifest, systemd: int) -> Mapping[str, UnitWanted]:
    timed = {layout.unit(manifest.release, job(one.name)) for one in manifest.jobs}
    return {
        name: UnitWanted(content, enabled=None, active=None, keep_aside=layout.aside)
        if name in timed
        else UnitWanted(content, _stamp(manifest), keep_aside=layout.aside)
        for name, content in units.contents(layout, manifest, systemd).items()
    }


def _stamp(manifest: Manifest) -> str:
    return manifest.release.config[:12]


def _folders(layout: Layout, release: Release, want: Want, files: Mapping[str, FileWanted]) -> Sequence[Resource]:
    """Return the folders: root's but readable for the customer, the customer's own, and root's alone."""
    user, place = layout.user, layout.release(release.id)
    readable = FolderWanted(0o750, owner="root", group=user)
    own = FolderWanted(0o700, owner=user, group=user)
    private = FolderWanted(0o700, owner="root", group="root")
    wanted = {
        layout.root: readable,
        layout.releases: readable,
        place: FolderWanted(0o1770, owner="root", group=user),  # steps derive files there, and replace none of root's
        f"{place}/public": own,
        layout.data: own,
        layout.log: private,
        layout.aside: private,
        layout.tls: private,
        layout.runs: FolderWanted(0o755, owner="root", group="root"),
        layout.run(release): own,
    }
    for path in want.recipe.folders:
        _between(wanted, layout.data, posixpath.join(layout.data, path), own)
    for path in files:
        _between(wanted, place, posixpath.dirname(path), readable)
    account = f"account:{user}"
    made = [folder(path, one) for path, one in sorted(wanted.items(), key=lambda item: item[0].count("/"))]
    return [replace(one, needs=(account, *one.needs)) for one in made]


def _between(wanted: dict[str, FolderWanted], above: str, path: str, one: FolderWanted) -> None:
    """Note a folder and those between it and one that is noted already."""
    while path not in (above, "/") and path not in wanted:
        wanted[path] = one
        path = posixpath.dirname(path)


def _own(layout: Layout, text: str, mode: int) -> FileWanted:
    """Return a file that the customer's user reads and cannot change, whatever it is elsewhere."""
    return FileWanted(text.encode(), 0o640 | (0o110 if mode & 0o100 else 0), owner="root", group=layout.user)


def _root(text: str) -> FileWanted:
    return FileWanted(text.encode(), 0o600, owner="root", group="root")
