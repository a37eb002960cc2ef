"""The grammar of `cloud:` in `crmhost.yaml`: what holds for all Docker hosts of a fleet."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from contract.base import Model, wrong
from contract.scalar import Email, Port, Text, ask_text, number_schema, whole

_REFERENCE = re.compile(r"(sha256:[0-9a-f]{64}|[a-z0-9][A-Za-z0-9._:/-]*@sha256:[0-9a-f]{64})")
_BACKEND = re.compile(r"file|(file|s3|gs|azblob|postgres)://\S+")
_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")


def _image(value: object) -> str:
    remedy = "write an image by its digest, as in python:3.13-slim@sha256:…, or its id on the host (sha256:…)"
    written = ask_text(value, remedy)
    if not _REFERENCE.fullmatch(written):
        raise wrong(remedy)
    return written


def _backend(value: object) -> str:
    remedy = "write file (beside the fleet), or where Pulumi is to keep its state: s3://bucket/prefix, postgres://…"
    written = ask_text(value, remedy)
    if not _BACKEND.fullmatch(written):
        raise wrong(remedy)
    return written


def _address(value: object) -> str:
    remedy = "write host:port, as in 192.0.2.10:443"
    written = ask_text(value, remedy)
    found = _ADDRESS.fullmatch(written)
    if found is None or not 0 < int(found["port"]) < 65536:
        raise wrong(remedy)
    return written


Image: TypeAlias = Annotated[str, PlainValidator(_image), WithJsonSchema({"type": "string", "pattern": "sha256:"})]
Backend: TypeAlias = Annotated[str, PlainValidator(_backend), WithJsonSchema({"type": "string"})]
Address: TypeAlias = Annotated[str, PlainValidator(_address), WithJsonSchema({"type": "string", "pattern": ":"})]
Parallel: TypeAlias = Annotated[int, PlainValidator(lambda value: whole(value, 1, 64)), number_schema(1, 64)]


class State(Model):
    """Where Pulumi keeps what it knows of each stack."""

    backend: Backend = Field("file", description="file, or s3://…, postgres://…")


class Images(Model):
    """The images that crmhost does not build."""

    python: Image = Field(description="The base of the CRMs' own images")
    postgresql: Image = Field(description="Customers' databases")
    redis: Image = Field(description="Customers' brokers and caches")
    ingress: Image = Field(description="Caddy, through which customers come in")
    ca: Text | None = Field(None, description="A file of certificates that packages are fetched with, inspected TLS")
    network: Text = Field("default", description="The Docker network that images are built in")


class Registry(Model):
    """Where built images are pushed. Absent: they are built on each host and stay there."""

    url: Text = Field(description="registry.example:5000/crm")


class Ingress(Model):
    """How customers come in to a host."""

    certificates: Literal["acme", "internal"] = Field("acme", description="acme (public) or internal (own authority)")
    email: Email | None = Field(None, description="Whom the public authority writes to")
    http: Port = Field(80, description="The port for http on the host")
    https: Port = Field(443, description="The port for https on the host")
    bind: Text = Field("0.0.0.0", description="The host's address that both listen on")  # noqa: S104 -- customers
    address: Address | None = Field(None, description="host:port at which this machine reaches it, instead of DNS")
    authority: Text | None = Field(None, description="A file of authorities to believe instead of the system's")


class Cloud(Model):
    """Docker hosts."""

    state: State = Field(default_factory=State, description="Where Pulumi's state is")
    images: Images = Field(description="The images that crmhost does not build")
    registry: Registry | None = Field(None, description="Where built images are pushed")
    ingress: Ingress = Field(default_factory=Ingress, description="How customers come in")
    tls: Text | None = Field(None, description="A folder with ca.pem, cert.pem and key.pem, for tcp:// hosts")
    parallel: Parallel = Field(8, description="How many resources Pulumi changes at once on a host")
