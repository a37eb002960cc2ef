"""PostgreSQL roles: they may log in and nothing else. The server knows who they are by their account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm.plan import Change
from playbooks.kind import Account, Act, Row
from playbooks.kinds import places, postgres
from playbooks.kinds.postgres import State, checked, identifier, literal, sql
from playbooks.shell import Sh, sh
from playbooks.terminal import safe_line

_RIGHTS = {
    "login": "rolcanlogin",
    "superuser": "rolsuper",
    "createdb": "rolcreatedb",
    "createrole": "rolcreaterole",
    "replication": "rolreplication",
    "bypassrls": "rolbypassrls",
    "password": "rolpassword IS NOT NULL",
    "expires": "rolvaliduntil < 'infinity'",
    "member": "EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)",
}


@dataclass(frozen=True, slots=True)
class RoleWanted:
    """A role that may log in. connections: how many at once; -1: as many as the server has."""

    connections: int = -1

    def __post_init__(self) -> None:
        """Refuse what is no number of connections; raises ValueError."""
        if self.connections < -1:
            raise ValueError(f"{self.connections}: a role has a number of connections, or -1 for any")


@dataclass(frozen=True, slots=True)
class RoleSeen:
    """What the server knows. rights: those of `login`, `superuser`, … that it has; detail: why the server is down."""

    state: State
    rights: tuple[str, ...] = ()
    connections: int = -1
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RoleKind:
    """Keys are names of roles. Not wanted: the role goes; what still owns something is left, and the act fails."""

    name: str = "role"
    account: Account = "root"

    def ask(self, wants: Mapping[str, RoleWanted | None]) -> Sh:
        """Print a row KEY there RIGHTS CONNECTIONS, KEY absent, KEY no-tool '' or KEY down DETAIL for each."""
        each = sh('p=$1; shift; if [ -n "$b" ]; then row "$p" there "$a" "$b"; else row "$p" absent; fi')
        return postgres.ask(_query(tuple(wants)), tuple(wants), each)

    def read(self, rows: Sequence[Row]) -> Mapping[str, RoleSeen]:
        """Return what the server knows of each; raises HostError for a row of another shape."""
        return {row[0]: self._seen(row) for row in rows}

    def _seen(self, row: Row) -> RoleSeen:
        match row[1:]:
            case ("absent",):
                return RoleSeen("absent")
            case ("no-tool" | "down" as state, detail):
                return RoleSeen(state, detail=detail)
            case ("there", rights, limit) if limit.removeprefix("-").isdecimal():
                return RoleSeen("there", tuple(rights.split(",")) if rights else (), int(limit))
            case _:
                raise places.malformed(self.name, row)

    def diff(self, key: str, want: RoleWanted | None, seen: RoleSeen | None) -> Change | None:
        """Return what would change; where the server is down, that is decided when it answers."""
        name, there = f"{self.name}:{checked(self.name, key)}", seen or RoleSeen("absent")
        if want is None:
            if there.state == "down":
                return Change(name, "delete", postgres.DOWN, (safe_line(there.detail),))
            return Change(name, "delete", "it is not wanted") if there.state == "there" else None
        if there.state != "there":
            return Change(name, "create", *postgres.why(there.state, there.detail))
        rights = tuple(f"- {right}" for right in there.rights if right != "login")
        lacks = () if "login" in there.rights else ("+ login",)
        if rights or lacks:
            return Change(name, "update", "its rights differ", (*rights, *lacks))
        if there.connections != want.connections:
            lines = (f"connections {there.connections} -> {want.connections}",)
            return Change(name, "update", "its limit of connections differs", lines)
        return None

    def act(self, key: str, want: RoleWanted | None, seen: RoleSeen | None) -> Act:  # noqa: ARG002 - the shape
        """Make the role when it is not there, and take from it what it should not have."""
        role = identifier(checked(self.name, key))
        if want is None:
            return Act(postgres.tell(f"DROP ROLE IF EXISTS {role};"), guard=postgres.answers(_query([key]), "|"))
        made = sql(
            _MADE, key=literal(key), create=literal(f"CREATE ROLE {role}"), role=role, limit=str(want.connections)
        )
        return Act(postgres.tell(made), guard=postgres.answers(_query([key]), f"login|{want.connections}"))


_MADE = """\
SELECT {create} WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {key}) \\gexec
ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD NULL
  VALID UNTIL 'infinity' CONNECTION LIMIT {limit};
SELECT format('REVOKE %I FROM %I', g.rolname, r.rolname)
  FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
  WHERE r.rolname = {key} \\gexec"""


def _query(names: Sequence[str]) -> str:
    """Return SQL that answers RIGHTS|CONNECTIONS for each name, in this order; both are empty for what is not there."""
    rights = ", ".join(f"CASE WHEN {condition} THEN '{right}' END" for right, condition in _RIGHTS.items())
    values = [
        sql("({number}, {name})", number=str(number), name=literal(checked("role", name)))
        for number, name in enumerate(names)
    ]
    return sql(
        """\
SELECT concat_ws(',', {rights}), rolconnlimit
  FROM (VALUES {values}) AS w (i, name) LEFT JOIN pg_authid r ON r.rolname = w.name ORDER BY w.i;""",
        rights=rights,
        values=", ".join(values),
    )
