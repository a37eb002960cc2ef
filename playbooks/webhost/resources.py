"""A release as resources of the host: what is staged beside the one that serves, and what serving means. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace

from crm.plan import Release, Want
from crm.recipe import DATABASE_PASSWORD, Artifact
from crm.slots import fill_exec, fill_text, secret_names
from playbooks.kind import Resource
from playbooks.kinds.cron import CronKind, CronWanted
from playbooks.kinds.database import DatabaseKind, DatabaseWanted
from playbooks.kinds.door import DoorKind
from playbooks.kinds.file import FileKind, FileWanted
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.link import LinkKind, LinkWanted
from playbooks.kinds.process import ProcessKind
from playbooks.manifest import Manifest, Runs, Timed, encode
from playbooks.planned import Staged
from playbooks.shell import sh
from playbooks.webhost import front
from playbooks.webhost.code import access_of, code
from playbooks.webhost.layout import Layout, key
from playbooks.webhost.release import database_of
from playbooks.webhost.upkeep import KEEPER, job_script, keeper_script, process_key, process_wanted


def manifest_of(layout: Layout, want: Want, release: Release, artifact: str, known: Mapping[str, str]) -> Manifest:
    """Return what a release says of itself; raises Refused for slots that a web host cannot fill."""
    processes = tuple(
        Runs(process.name, fill_exec(process.run, known, f"process {process.name}"), process.stop)
        for process in front.processes_of(want.recipe, layout)
    )
    trial = front.candidate(layout, want, known)
    jobs = tuple(Timed(job.name, fill_exec(job.run, known, f"job {job.name}"), job.every) for job in want.recipe.jobs)
    served, secrets = layout.served, tuple(sorted(want.secrets))
    return Manifest(release, artifact, known["listen"], processes, trial, jobs, layout.front, served, secrets)


def staged(
    layout: Layout, want: Want, manifest: Manifest, known: Mapping[str, str], made_of: Artifact, salt: str
) -> Staged:
    """Return folders, artifact, files and database of a release. salt: fresh randomness, see `FileKind`.

    The manifest comes before the artifact that it names: nobody on the account removes what a manifest names.
    """
    access = access_of(layout, want, made_of)
    release = layout.release(manifest.release.id)
    contents = {
        posixpath.join(release, file.path): (
            FileWanted(
                fill_text(file.content, known, want.secrets, f"file {file.path}").encode(),
                file.mode,
                bool(secret_names(file.content)),
            ),
            secret_names(file.content),
        )
        for file in want.recipe.files_with(database_of(want))
    }
    served = front.release_files(layout, want, manifest, known)
    own = {
        layout.manifest(manifest.release.id): encode(manifest),
        f"{release}/keep.sh": keeper_script(layout, manifest).text + "\n",
        **{f"{release}/job-{job.name}.sh": job_script(job).text + "\n" for job in manifest.jobs},
        **served,
    }
    files = {path: wanted for path, (wanted, _) in contents.items()}
    files |= {path: FileWanted(text.encode()) for path, text in own.items()}
    # Not that of a file with a secret: a copy is one more place that it can be read from, and outlives its next value.
    aside = key(layout, layout.aside)
    files = {path: one if one.secret else replace(one, keep_aside=aside) for path, one in files.items()}
    if access:
        files[layout.access] = FileWanted(access.encode(), secret=True)
    app = f"{release}/app"
    folders = _folders(layout, manifest.release, want, [path for path in files if not path.startswith(f"{app}/")])
    shared = (layout.artifacts, layout.templates)
    kind = FileKind(salt)
    parts = code(layout, want, manifest, made_of, tuple(files))
    named = f"file:{key(layout, layout.manifest(manifest.release.id))}"
    tree = tuple(f"tree:{key(layout, part.key)}" for part in parts if part.kind.name == "tree")
    resources = [
        *(_in_folder(layout, Resource(FolderKind(), path, FolderWanted(linkable=path in shared))) for path in folders),
        *_code(layout, parts, named),
        *(
            Resource(kind, key(layout, path), wanted, tree)
            if path.startswith(f"{app}/")
            else _in_folder(layout, Resource(kind, path, wanted))
            for path, wanted in files.items()
        ),
        *([] if access else [_in_folder(layout, Resource(DatabaseKind(), layout.db, DatabaseWanted()))]),
    ]
    secret = {f"file:{key(layout, path)}": names for path, (_, names) in contents.items() if names}
    secret |= {f"file:{key(layout, layout.access)}": (DATABASE_PASSWORD.name,)} if access else {}
    started_with = {f"file:{key(layout, path)}" for path in (*contents, *served)}
    read = started_with | {f"{parts[0].kind.name}:{key(layout, parts[0].key)}"}
    return Staged(tuple(resources), frozenset(read), secret)


def _code(layout: Layout, parts: Sequence[Resource], named: str) -> list[Resource]:
    """Return the code's resources, each needing the one before, the first what names it."""
    found: list[Resource] = []
    for part in parts:
        above = _in_folder(layout, part)
        found.append(replace(above, needs=(*above.needs, found[-1].id if found else named)))
    return found


def serving(layout: Layout, manifest: Manifest, kept: Sequence[Manifest]) -> tuple[Resource, ...]:
    """Return link, processes and jobs of the release that serves; what other releases had besides is not wanted."""
    folder = layout.release(manifest.release.id)
    needs = tuple(
        f"{kind}:{key(layout, path)}"
        for kind, path in (
            ("archive" if manifest.front == "php" else "venv", layout.artifact(manifest.artifact)),
            ("file", layout.manifest(manifest.release.id)),
            ("file", f"{folder}/keep.sh"),
        )
    )
    link = Resource(LinkKind(), key(layout, layout.current), LinkWanted(f"releases/{manifest.release.id}"), needs)
    return (
        link,
        *_doors(layout, manifest, link.id),
        *(
            Resource(ProcessKind(), process_key(layout, process.name), process_wanted(layout, process), (link.id,))
            for process in manifest.processes
        ),
        *(
            Resource(CronKind(), _cron_key(layout, name), wanted, (link.id,))
            for name, wanted in _cron(layout, manifest)
        ),
        *_unwanted(layout, kept, manifest),
    )


def nothing(layout: Layout, kept: Sequence[Manifest]) -> tuple[Resource, ...]:
    """Return the resources of a host where nothing serves; cron goes first, so that nothing comes back."""
    gone = _unwanted(layout, kept, None)
    cron = [resource for resource in gone if resource.kind.name == "cron"]
    rest = [resource for resource in gone if resource.kind.name != "cron"]
    ids = tuple(resource.id for resource in cron)
    return (
        *cron,
        *(Resource(resource.kind, resource.key, None, ids) for resource in rest),
        Resource(LinkKind(), key(layout, layout.current), None, tuple(resource.id for resource in rest)),
    )


def process_ids(layout: Layout, manifest: Manifest) -> Mapping[str, str]:
    """Return the resource id of each process, by the process's name."""
    return {process.name: f"process:{process_key(layout, process.name)}" for process in manifest.processes}


def _doors(layout: Layout, manifest: Manifest, link: str) -> list[Resource]:
    """Return what leads the host's web server to the release, each needing the one before; the last lets it look."""
    found: list[Resource] = []
    for path, wanted in front.doors(layout, manifest).items():
        needs = (found[-1].id,) if found else (link,)
        found.append(Resource(DoorKind(), key(layout, path), wanted, needs))
    return found


def _folders(layout: Layout, release: Release, want: Want, files: Sequence[str]) -> tuple[str, ...]:
    release_folder = layout.release(release.id)
    fixed = [
        layout.artifacts,
        layout.templates,
        layout.releases,
        layout.data,
        layout.output,
        layout.runs,
        layout.run(release),
        release_folder,
        f"{release_folder}/public",
        *(posixpath.join(layout.data, folder) for folder in want.recipe.folders),
    ]
    locked = {layout.home, layout.account, layout.root, layout.log}  # whoever takes the lock makes these
    found: dict[str, None] = dict.fromkeys(fixed)
    for path in (*fixed, *files):
        above = posixpath.dirname(path)
        while above not in locked and above not in found:
            found[above] = None
            above = posixpath.dirname(above)
    return tuple(sorted(found, key=lambda path: path.count("/")))


def _in_folder(layout: Layout, resource: Resource) -> Resource:
    path = resource.key
    above = posixpath.dirname(path)
    needs = () if above == layout.home else (f"folder:{key(layout, above)}",)
    return Resource(resource.kind, key(layout, path), resource.want, needs)


def _cron_key(layout: Layout, name: str) -> str:
    return f"{layout.contract}/{name}"


def _cron(layout: Layout, manifest: Manifest) -> list[tuple[str, CronWanted]]:
    def line(script: str, name: str, every: int) -> CronWanted:
        run = sh("sh {path}", path=f"{layout.current}/{script}.sh")
        return CronWanted(run, f"{layout.runs}/{name}.cron", layout.process_log(name), every)

    jobs = [(f"job-{job.name}", line(f"job-{job.name}", f"job-{job.name}", job.every)) for job in manifest.jobs]
    return [(KEEPER, line("keep", KEEPER, 1)), *jobs]


def _unwanted(layout: Layout, kept: Sequence[Manifest], manifest: Manifest | None) -> tuple[Resource, ...]:
    """Return what any kept release has and this one has not: a switch that was cut off may have left it running."""
    processes = {process.name for process in manifest.processes} if manifest else set()
    lines_ = {name for name, _ in _cron(layout, manifest)} if manifest else set()
    doors = set(front.doors(layout, manifest)) if manifest else set()
    old_doors = dict.fromkeys(
        path for one in kept for path in reversed(list(front.doors(layout, one))) if path not in doors
    )
    old_processes = {process.name for one in kept for process in one.processes} - processes
    old_lines = {name for one in kept for name, _ in _cron(layout, one)} - lines_
    return (
        *(Resource(DoorKind(), key(layout, path), None) for path in old_doors),
        *(Resource(ProcessKind(), process_key(layout, name), None) for name in sorted(old_processes)),
        *(Resource(CronKind(), _cron_key(layout, name), None) for name in sorted(old_lines)),
    )
