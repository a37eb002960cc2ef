"""Rules of a web host: what serves, and where the data is kept, must go together."""

from collections.abc import Iterator

from contract.explain import Finding
from contract.given import same_database
from contract.sections import Sections
from contract.target import HostDatabase, WebHost

_OF_A_FILE = "delete it, or write 'kind: mysql': a file has neither server nor name"


def check(sections: Sections) -> Iterator[Finding]:
    """Yield what cannot be meant together in a target of the kind webhost."""
    target = sections.target
    if isinstance(target, WebHost):
        yield from _front(target)
        yield from _database(target.database)


def _front(target: WebHost) -> Iterator[Finding]:
    if target.front == "process":
        return
    if target.listen is not None:
        yield Finding(
            ("target", "listen"),
            f"delete it: with 'front: {target.front}' the host's own web server serves, and nothing listens",
        )
    if target.document_root is None:
        yield Finding(
            ("target",),
            "add the folder that the host serves for this URL, as in 'document-root: public_html'",
            f"'front: {target.front}' and no 'document-root'",
        )


def _database(database: HostDatabase) -> Iterator[Finding]:
    path = ("target", "database")
    if database.kind == "mysql":
        for key in ("name", "user"):
            if getattr(database, key) is None:
                yield Finding(path, f"add the one that the host gave, as in '{key}: acme_crm'", f"no '{key}'")
        yield from _scratch(database)
        return
    if database.host != "localhost":
        yield Finding((*path, "host"), _OF_A_FILE)
    for key in ("port", "name", "user"):
        if getattr(database, key) is not None:
            yield Finding((*path, key), _OF_A_FILE)
    if database.scratch is not None:
        yield Finding(
            (*path, "scratch"),
            "delete it: where the data is a file, a copy for trials has a file of its own",
            "a database for trials beside a file",
        )


def _scratch(database: HostDatabase) -> Iterator[Finding]:
    scratch = database.scratch
    if scratch is None or database.name is None:
        return
    if same_database((scratch.host or database.host, scratch.name), (database.host, database.name)):
        yield Finding(
            ("target", "database", "scratch", "name"),
            "name a second database, made in the host's panel for this alone: what proves a backup empties it, and here"
            " that would be the customer's own",
            f"'{scratch.name}', the database in which the customer works",
        )
