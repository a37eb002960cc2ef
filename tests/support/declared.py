"""What a Pulumi program declares, options included, without an engine: the mocks of the SDK show only the inputs."""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import mocks
from pulumi.runtime.proto import resource_pb2

_SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105 -- the mark of a special value on the wire
_IS_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105


@dataclass(frozen=True)
class Declared:
    """A resource as the engine is told of it; `secret` holds the texts that are marked as secrets, out of `inputs`."""

    kind: str
    name: str
    parent: str
    inputs: dict[str, Any]
    secret: tuple[str, ...]
    depends_on: tuple[str, ...]
    protect: bool
    delete_before_replace: bool
    replace_on_changes: tuple[str, ...]
    ignore_changes: tuple[str, ...]


def declared(program: Callable[[], None]) -> tuple[Declared, ...]:
    """Run a program against the SDK's mock engine and return its resources, in the order of their names."""
    recorder = _Recorder(_Mocks())

    def run() -> None:
        mocks.set_mocks(_Mocks(), project="crmhost", stack="acme", preview=False, monitor=recorder)
        pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]

    contextvars.copy_context().run(run)
    return tuple(sorted(recorder.seen, key=lambda each: (each.kind, each.name)))


class _Mocks(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        ended = {"exitCode": 0} if args.inputs.get("attach") else {}
        return f"{args.name}-id", {**args.inputs, **ended}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program reads {args.token}")


class _Recorder(mocks.MockMonitor):
    def __init__(self, given: mocks.Mocks) -> None:
        super().__init__(given)
        self.seen: list[Declared] = []

    def RegisterResource(  # noqa: N802 -- the protocol's name
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        raw = json.loads(json_format.MessageToJson(request.object))
        secrets: list[str] = []
        self.seen.append(
            Declared(
                kind=request.type.rpartition(":")[2],
                name=request.name,
                parent=request.parent.rpartition("::")[2],
                inputs={key: _open(value, secrets) for key, value in raw.items()},
                secret=tuple(secrets),
                depends_on=tuple(sorted(urn.rpartition("::")[2] for urn in request.dependencies)),
                protect=request.protect,
                delete_before_replace=request.deleteBeforeReplace,
                replace_on_changes=tuple(request.replaceOnChanges),
                ignore_changes=tuple(request.ignoreChanges),
            )
        )
        answer: resource_pb2.RegisterResourceResponse = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        return answer


def _open(value: object, secrets: list[str]) -> object:
    """Return the value with `<secret>` in place of every secret, which is put into the list."""
    if isinstance(value, dict):
        if value.get(_SECRET) == _IS_SECRET:
            secrets.append(json.dumps(value["value"]))
            return "<secret>"
        return {key: _open(each, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [_open(each, secrets) for each in value]
    return value
