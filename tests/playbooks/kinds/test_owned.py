"""Files, folders, links and environments that root makes on a server for other accounts."""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO

import pytest

from crm.errors import HostError
from playbooks.kind import Resource
from playbooks.kinds.file import KEPT, FileKind, FileWanted
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.link import LinkKind, LinkWanted
from playbooks.kinds.venv import VenvKind, VenvWanted
from playbooks.session import Session
from tests.playbooks.kinds.conftest import converge, planned
from tests.support.lanhost import LanHost

pytestmark = pytest.mark.slow

ODD = "/srv/-odd '$(id)' é"


def file(content: bytes = b"text\n", path: str = ODD, mode: int = 0o640, **more: str) -> Resource:
    wanted = FileWanted(content, mode, owner="plain", group="www-data", **more)  # type: ignore[arg-type]
    return Resource(FileKind("5a17", "root"), path, wanted)


def folder(path: str = ODD, **more: str) -> Resource:
    return Resource(FolderKind(account="root"), path, FolderWanted(0o750, **more))  # type: ignore[arg-type]


def access(server: LanHost, path: str) -> str:
    return server.run(f"stat -c '%a %U %G' -- \"$(cat <<'end'\n{path}\nend\n)\"").strip()


def test_a_file_belongs_to_its_account(held: Session, server: LanHost) -> None:
    converge(held, file())
    assert access(server, ODD) == "640 plain www-data"
    server.run("chown root:root /srv/-odd*")
    assert planned(held, file()) == ["update its owner differs"]
    converge(held, file())
    assert access(server, ODD) == "640 plain www-data"
    converge(held, Resource(file().kind, ODD, None))


def test_what_an_account_swapped_for_a_link_is_not_given_to_it(held: Session, server: LanHost) -> None:
    """An account owns the folder above: the link that it put there is replaced or refused, never followed."""
    server.run("install -d -o plain /srv/plain; ln -s /etc/shadow /srv/plain/settings; ln -s /etc /srv/plain/data")
    before = server.run("stat -c '%a %U' /etc/shadow /etc")
    converge(held, file(path="/srv/plain/settings"))
    with pytest.raises(HostError, match=r"folder:/srv/plain/data failed .*there is something else in its place"):
        converge(held, folder("/srv/plain/data", owner="plain"))
    assert server.run("stat -c '%a %U' /etc/shadow /etc") == before


def test_an_account_that_is_not_there_is_named(held: Session) -> None:
    wanted = Resource(FileKind("5a17", "root"), "/srv/x", FileWanted(b"", owner="nobody-yet"))
    with pytest.raises(HostError, match=r"file:/srv/x failed .*invalid user: 'nobody-yet'"):
        converge(held, wanted)


def test_a_folder_belongs_to_its_account(held: Session, server: LanHost) -> None:
    converge(held, folder(owner="plain", group="www-data"))
    assert access(server, ODD) == "750 plain www-data"
    server.run("chown root:adm /srv/-odd*")
    assert planned(held, folder(owner="plain")) == ["update its owner differs"]
    converge(held, folder(owner="plain"))
    assert access(server, ODD) == "750 plain adm"
    converge(held, Resource(FolderKind(account="root"), ODD, None))


def test_a_link_belongs_to_its_account(held: Session, server: LanHost) -> None:
    link = Resource(LinkKind(account="root"), "/srv/current", LinkWanted("releases/-b", "plain", "plain"))
    converge(held, link)
    assert access(server, "/srv/current") == "777 plain plain"
    server.run("chown -h root /srv/current")
    assert planned(held, link) == ["update its owner differs"]
    converge(held, link)
    converge(held, Resource(link.kind, link.key, None))


def test_what_was_edited_is_kept_aside_a_few_times(held: Session, server: LanHost) -> None:
    converge(held, folder("/srv/kept"), file(b"first\n", keep_aside="/srv/kept"))
    assert server.run("ls /srv/kept") == ""
    converge(held, file(b"second\n", keep_aside="/srv/kept"))
    assert server.run("cat /srv/kept/*").splitlines() == ["first"]
    own = "$(ls -d /srv/kept/*Z | sed 's/[.]2.*//')"
    server.run(f'umask 077; own={own}; for n in $(seq {KEPT + 5}); do echo old >"$own.2020$n"; done')
    converge(held, file(b"third\n", keep_aside="/srv/kept"))
    kept = server.run("cd /srv/kept; cat ./*; stat -c '%a %U' ./* | sort -u").splitlines()
    assert kept == [*["old"] * (KEPT - 2), "first", "second", "600 root"]
    converge(held, Resource(file().kind, ODD, None))


def wheel(name: str) -> bytes:
    """Return a wheel with one module."""
    files = {
        f"{name}.py": "WHO = __name__\n",
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{name}-1.0.dist-info/RECORD"
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for path, text in {**files, record: "".join(f"{path},,\n" for path in (*files, record))}.items():
            archive.writestr(path, text)
    return sink.getvalue()


def test_an_environment_from_a_folder_that_others_may_run(held: Session, server: LanHost) -> None:
    content = wheel("crmhost_sample")
    lock = f"crmhost_sample==1.0 --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"
    wheels = Resource(
        FileKind("5a17", "root"), "/srv/our wheels/crmhost_sample-1.0-py3-none-any.whl", FileWanted(content)
    )
    above = [
        Resource(FolderKind(account="root"), path, FolderWanted(0o755)) for path in ("/srv/our wheels", "/srv/art")
    ]
    wanted = VenvWanted(lock, ((3, 10), (3, 20)), wheels="/srv/our wheels", shared=True)
    venv = Resource(VenvKind(account="root"), "/srv/art/ab", wanted, (wheels.id, *(one.id for one in above)))
    wheels = Resource(wheels.kind, wheels.key, wheels.want, tuple(one.id for one in above))
    converge(held, *above, wheels, venv)
    shown = server.run("cd /; runuser -u plain -- /srv/art/ab/bin/python -c 'import crmhost_sample as c; print(c.WHO)'")
    assert shown.strip() == "crmhost_sample"
    assert server.run("find /srv/art -not -type l -perm /022") == ""


def test_an_environment_of_what_is_not_in_the_folder(held: Session, server: LanHost) -> None:
    server.run("install -d '/srv/our wheels'")
    absent = VenvWanted("six==1.17.0 --hash=sha256:00\n", ((3, 10), (3, 20)), wheels="/srv/our wheels")
    with pytest.raises(HostError, match=r"(?s)venv:/srv/art/no failed.*No matching distribution found for six"):
        converge(held, Resource(VenvKind(account="root"), "/srv/art/no", absent))


@pytest.mark.parametrize("name", ["a:b", "-a", "a b", "a\n", "1", "é"])
def test_owners_that_cannot_be(name: str) -> None:
    for make in (
        lambda: FileWanted(b"", owner=name),
        lambda: FolderWanted(group=name),
        lambda: LinkWanted("x", owner=name),
    ):
        with pytest.raises(ValueError, match="is no name of an account or group"):
            make()


def test_what_does_not_go_together() -> None:
    with pytest.raises(ValueError, match="a folder that may be a link has no owner of its own"):
        FolderWanted(linkable=True, owner="plain")
    with pytest.raises(ValueError, match="is an absolute path"):
        VenvWanted("", ((3, 10), (3, 12)), wheels="wheels")
