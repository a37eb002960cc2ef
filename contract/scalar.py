"""The plain scalars of a contract file: texts, whole numbers, yes or no, names, addresses.

Every reader here takes the file's text or an exact Python value, and returns the exact value; it raises what
`contract.base.wrong` makes for anything else.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from contract.base import wrong

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_DATABASE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_$.-]{0,63}$"
_DATABASE = re.compile(_DATABASE_NAME[1:-1])
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_EMAIL = re.compile(r"[^@\s<>,;:]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Z]{2}|[0-9]{3}))?")
_NUMBER = re.compile(r"[0-9]{1,15}")
RESERVED = frozenset(
    {"artifacts", "releases", "templates", "contracts", "secrets", "crmhost", "fleet", "current", "edge", "ingress"}
)
"""Names that crmhost's own things have on hosts and in fleets; no contract can have one."""


def text(value: object) -> str:
    """Return a text that is not empty and is one line."""
    if not isinstance(value, str) or not value.strip():
        raise wrong("write a text")
    if len(value) > 1000:
        raise wrong("write at most 1000 characters", f"{len(value)} characters")
    return value


def ask_text(value: object, remedy: str) -> str:
    """Return the value as a stripped text, or raise with the remedy."""
    if not isinstance(value, str) or not value.strip():
        raise wrong(remedy)
    return value.strip()


def whole(value: object, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`."""
    remedy = f"write a whole number from {low} to {high}"
    if isinstance(value, bool):
        raise wrong(remedy)
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise wrong(remedy)
        value = int(value)
    if not isinstance(value, int) or not low <= value <= high:
        raise wrong(remedy)
    return value


def yes_no(value: object) -> bool:
    """Return true for `true` and `yes`, false for `false` and `no`."""
    if isinstance(value, bool):
        return value
    answer = {"true": True, "yes": True, "false": False, "no": False}.get(ask_text(value, "write true or false"))
    if answer is None:
        raise wrong("write true or false")
    return answer


def label(value: object) -> str:
    """Return a name of lower-case letters, digits and hyphens, at most 63 long (a DNS label)."""
    remedy = "write lower-case letters, digits and hyphens (at most 63, none at either end), as in acme-2"
    name = ask_text(value, remedy)
    if not _LABEL.fullmatch(name):
        raise wrong(remedy)
    return name


def contract_id(value: object) -> str:
    """Return a contract's id: a label that nothing of crmhost's own has as its name."""
    name = label(value)
    if name in RESERVED:
        raise wrong(f"choose another name: crmhost itself has something called {name}")
    return name


def host(value: object) -> str:
    """Return a host name or an IP address."""
    remedy = "write a host name or an IP address, without user, port or slashes, as in crm.acme.example"
    name = ask_text(value, remedy)
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        if not _HOST.fullmatch(name) or re.fullmatch(r"[0-9.]+", name):
            raise wrong(remedy) from None
    return name.lower()


def user(value: object) -> str:
    """Return the name of an account on a host."""
    remedy = "write the name of an account, as in deploy"
    name = ask_text(value, remedy)
    if not _USER.fullmatch(name):
        raise wrong(remedy)
    return name


def hop(value: object) -> str:
    """Return a jump host as `[user@]host[:port]`; an IPv6 address with a port is in brackets."""
    remedy = "write a jump host as user@host or user@host:port"
    written = ask_text(value, remedy)
    name, at, address = written.rpartition("@")
    bare = re.fullmatch(r"\[(.+)\](?::([^:]+))?|([^:]+)(?::([^:]+))?", address)
    place, port = (bare[1] or bare[3], bare[2] or bare[4]) if bare else (address, None)
    try:
        if at:
            user(name)
        host(place)
        if port is not None:
            whole(port, 1, 65535)
    except PydanticCustomError:
        raise wrong(remedy) from None
    return written


def loopback(value: object) -> str:
    """Return `host:port` on the loopback interface."""
    remedy = "write a loopback address with a port, as in 127.0.0.1:8000"
    written = ask_text(value, remedy)
    name, _, port = written.rpartition(":")
    if name not in {"127.0.0.1", "localhost", "[::1]"} or not _NUMBER.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise wrong(remedy)
    return written


def remote_folder(value: object) -> str:
    """Return a folder on a host: absolute, or relative to the account's home, without `..`."""
    remedy = "write a folder on the host, absolute or inside the home folder, as in public_html"
    written = ask_text(value, remedy).rstrip("/") or "/"
    parts = written.split("/")
    if written == "/" or ".." in parts or "~" in written or any(ord(c) < 32 for c in written):
        raise wrong(remedy)
    return written


def database_word(value: object) -> str:
    """Return the name of a database or of an account on it, as hosts give them: `acme_crm`."""
    remedy = "write the name that the host gave, as in acme_crm"
    written = ask_text(value, remedy)
    if not _DATABASE.fullmatch(written):
        raise wrong(remedy)
    return written


def _split(value: object, remedy: str) -> SplitResult:
    written = ask_text(value, remedy)
    if re.search(r"[\s\\]", written):
        raise wrong(remedy)
    try:
        parts = urlsplit(written)
        _ = parts.port
    except ValueError:
        raise wrong(remedy) from None
    return parts


def url(value: object) -> str:
    """Return an http(s) URL with a host, without credentials, query or fragment; its path ends in a slash."""
    remedy = "write the address that the customer opens, as in https://crm.acme.example/"
    parts = _split(value, remedy)
    if parts.username is not None or parts.password is not None:
        raise wrong(
            "take user and password out of the URL: contracts are read by many people", "a URL with credentials"
        )
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise wrong(remedy)
    if parts.query or parts.fragment:
        raise wrong("leave out what follows '?' or '#'", "a URL with a query or a fragment")
    host(parts.hostname)
    path = parts.path if parts.path.endswith("/") else parts.path + "/"
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}"


def http_path(value: object) -> str:
    """Return the path of a page, with a query where one is wanted."""
    remedy = "write a path that begins with '/', as in /login/"
    written = ask_text(value, remedy)
    if not written.startswith("/") or written.startswith("//") or re.search(r"[\s#\\]", written):
        raise wrong(remedy)
    return written


def docker_url(value: object) -> str:
    """Return the address of a Docker engine: ssh:// or tcp://, or unix:// for this machine's own."""
    remedy = "write the Docker engine's address, as in ssh://deploy@docker.acme.example"
    parts = _split(value, remedy)
    if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
        return f"unix://{parts.path}"
    if parts.password is not None:
        raise wrong("take the password out: a key or a certificate proves who comes", "an address with a password")
    more = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in {"ssh", "tcp"} or not parts.hostname or more:
        raise wrong(remedy)
    host(parts.hostname)
    if parts.username is not None:
        user(parts.username)
    return f"{parts.scheme}://{parts.netloc}"


def email(value: object) -> str:
    """Return an e-mail address."""
    remedy = "write an e-mail address, as in it@acme.example"
    written = ask_text(value, remedy)
    if not _EMAIL.fullmatch(written):
        raise wrong(remedy)
    return written


def language(value: object) -> str:
    """Return a BCP 47 language tag (language, script, region)."""
    remedy = "write a language tag, as in en, vi, fa, zh-Hans or pt-BR"
    written = ask_text(value, remedy)
    if not _LANGUAGE.fullmatch(written):
        raise wrong(remedy)
    return written


def country(value: object) -> str:
    """Return an ISO 3166 country code; whether its holidays are known is `contract.rules`' question."""
    remedy = "write a country's two letters, as in VN, IR or CN"
    written = ask_text(value, remedy)
    if not re.fullmatch(r"[A-Z]{2}", written):
        raise wrong(remedy)
    return written


def control(value: object) -> str:
    """Return `host:port` of a place that answers whenever the vantage's own network works."""
    remedy = "write host:port, as in 1.1.1.1:443"
    written = ask_text(value, remedy)
    place, _, port = written.rpartition(":")
    if not place or not _NUMBER.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise wrong(remedy)
    host(place.removeprefix("[").removesuffix("]"))
    return written


def exact_version(value: object) -> str:
    """Return one exact version, no range."""
    remedy = "write one exact version, as in 2.8.6"
    written = ask_text(value, remedy)
    if not re.fullmatch(r"[0-9][0-9A-Za-z.+-]{0,63}", written):
        raise wrong(remedy)
    return written


def public_key(value: object) -> str:
    """Return an Ed25519 public key: 64 hexadecimal digits, in lower case."""
    remedy = "write the 64 hexadecimal digits of an Ed25519 public key"
    written = ask_text(value, remedy).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", written):
        raise wrong(remedy)
    return written


def _plain(description: str, *examples: str, pattern: str | None = None) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": ["string", "number"], "description": description, "examples": list(examples)}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


def number_schema(low: int, high: int) -> WithJsonSchema:
    """Return the JSON Schema of a whole number."""
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


_LABELS = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_ID = rf"^(?!({'|'.join(sorted(RESERVED))})$){_LABELS[1:]}"
Text: TypeAlias = Annotated[str, PlainValidator(text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
YesNo: TypeAlias = Annotated[
    bool, PlainValidator(yes_no), WithJsonSchema({"enum": [True, False, "yes", "no"], "examples": [True]})
]
Label: TypeAlias = Annotated[str, PlainValidator(label), _plain("A short name", "hcm", pattern=_LABELS)]
ContractId: TypeAlias = Annotated[
    str, PlainValidator(contract_id), _plain("The contract's id, also its file's name", "acme", pattern=_ID)
]
Host: TypeAlias = Annotated[
    str, PlainValidator(host), _plain("A host name or an IP address", "crm.acme.example", pattern=r"^[A-Za-z0-9:.-]+$")
]
User: TypeAlias = Annotated[str, PlainValidator(user), _plain("An account on the host", "deploy")]
Hop: TypeAlias = Annotated[str, PlainValidator(hop), _plain("A jump host", "ops@bastion.acme.example")]
Loopback: TypeAlias = Annotated[
    str,
    PlainValidator(loopback),
    _plain("A loopback address", "127.0.0.1:8000", pattern=r"^(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}$"),
]
Folder: TypeAlias = Annotated[
    str, PlainValidator(remote_folder), _plain("A folder on the host", "public_html", pattern=r"^(?!.*(\.\.|~))")
]
DatabaseWord: TypeAlias = Annotated[
    str, PlainValidator(database_word), _plain("A name that the host gave", "acme_crm", pattern=_DATABASE_NAME)
]
Url: TypeAlias = Annotated[
    str,
    PlainValidator(url),
    _plain(
        "An http(s) URL",
        "https://crm.acme.example/",
        pattern=r"^[hH][tT][tT][pP][sS]?://([^\s/?#@:]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,4}|:[1-6][0-9]{4})?(/[^\s?#]*)?$",
    ),
]
HttpPath: TypeAlias = Annotated[
    str, PlainValidator(http_path), _plain("A page's path", "/login/", pattern=r"^/[^\s#]*$")
]
DockerUrl: TypeAlias = Annotated[
    str,
    PlainValidator(docker_url),
    _plain("A Docker engine", "ssh://deploy@docker.acme.example", pattern="^(ssh|tcp|unix)://"),
]
Email: TypeAlias = Annotated[str, PlainValidator(email), _plain("An e-mail address", "it@acme.example", pattern="@")]
Language: TypeAlias = Annotated[
    str, PlainValidator(language), _plain("A language tag", "en", "vi", "fa", "zh-Hans", pattern="^[a-z]{2,3}(-|$)")
]
Country: TypeAlias = Annotated[str, PlainValidator(country), _plain("A country code", "VN", pattern="^[A-Z]{2}$")]
Control: TypeAlias = Annotated[str, PlainValidator(control), _plain("A place that always answers", "1.1.1.1:443")]
PublicKey: TypeAlias = Annotated[
    str,
    PlainValidator(public_key),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-fA-F]{64}$", "description": "An Ed25519 public key"}),
]
ExactVersion: TypeAlias = Annotated[
    str, PlainValidator(exact_version), _plain("One exact version", "2.8.6", pattern="^[0-9]")
]
Port: TypeAlias = Annotated[int, PlainValidator(lambda v: whole(v, 1, 65535)), number_schema(1, 65535)]
Count: TypeAlias = Annotated[int, PlainValidator(lambda v: whole(v, 1, 1_000_000)), number_schema(1, 1_000_000)]
Confirm: TypeAlias = Annotated[int, PlainValidator(lambda v: whole(v, 1, 100)), number_schema(1, 100)]
Status: TypeAlias = Annotated[int, PlainValidator(lambda v: whole(v, 100, 599)), number_schema(100, 599)]
