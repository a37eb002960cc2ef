"""The protocol: what Pulumi asks of a provider, answered by the resources' handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

import grpc
import requests
from docker.errors import DockerException
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from tests.support.docker_provider.connect import Engines, access
from tests.support.docker_provider.diff import Difference
from tests.support.docker_provider.failures import Failed, Unfinished
from tests.support.docker_provider.served import Type, reread
from tests.support.docker_provider.values import Properties, properties, struct

VERSION = "5.1.0"
T = TypeVar("T")

_KINDS_OF_CHANGE = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
}


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The service; `served` are the types of resource, `environment` may name the engine."""

    def __init__(self, served: Mapping[str, Type], environment: Mapping[str, str]) -> None:
        self._served = served
        self._environment = environment
        self._engines = Engines(access({}, environment))

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:  # noqa: N802
        """Tell the version of upstream's plugin whose habits these are."""
        del request, context
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(  # noqa: N802
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Take the settings as they are; upstream adds the host that the environment names."""
        del context
        news = properties(request.news)
        return provider_pb2.CheckResponse(
            inputs=struct({**news, "host": access(news, self._environment, strict=False).host})
        )

    def DiffConfig(  # noqa: N802
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Let changed settings update the provider; they replace nothing, not even another host."""
        del context
        olds, news = properties(request.old_inputs or request.olds), properties(request.news)
        changed = sorted(name for name in {*olds} | {*news} if olds.get(name) != news.get(name))
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=changed)

    def Configure(  # noqa: N802
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Take the settings; the engine is asked at once, in a preview too, unless it is reached over ssh."""
        settings = properties(request.args)
        try:
            self._engines = Engines(access(settings, self._environment))
            if not self._engines.access.by_ssh:
                self._engines.client()
        except Failed as failure:
            known = str(failure).startswith("Error pinging")
            context.abort(grpc.StatusCode.UNKNOWN, "failed to connect to any docker daemon" if known else str(failure))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:  # noqa: N802
        """Return the inputs with their defaults, or what is wrong with them."""
        kind = self._kind(request.urn, context)
        logical = request.urn.rpartition("::")[2]
        try:
            inputs, failures = kind.check(
                logical, request.randomSeed, properties(request.olds), properties(request.news)
            )
        except Failed as failure:
            _abort(context, failure)
        return provider_pb2.CheckResponse(
            inputs=struct(inputs),
            failures=[provider_pb2.CheckFailure(reason=one) for one in failures],
        )

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:  # noqa: N802
        """Say what the inputs change, and how."""
        kind = self._kind(request.urn, context)
        found = kind.diff(properties(request.olds), properties(request.news))
        response = provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found.changes else provider_pb2.DiffResponse.DIFF_NONE,
            hasDetailedDiff=bool(found.changes),
            deleteBeforeReplace=found.deletes_first,
            diffs=_tops(found),
            replaces=_tops(found, only_replacing=True),
            stables=kind.stable,
        )
        for change in found.changes:
            response.detailedDiff[change.path].kind = _KINDS_OF_CHANGE[change.what, change.replaces]
        return response

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:  # noqa: N802
        """Make the resource, or say in a preview what is known of it."""
        kind = self._kind(request.urn, context)
        inputs = properties(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=struct(kind.preview({}, inputs)))
        made = self._do(context, lambda: kind.handler.create(self._engines.client(), inputs), request.urn)
        return provider_pb2.CreateResponse(id=made.identity, properties=struct(_with_id(made.state, made.identity)))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:  # noqa: N802
        """Look at the resource; an empty answer says that it is gone."""
        kind = self._kind(request.urn, context)
        state, inputs = properties(request.properties), properties(request.inputs)
        found = self._do(context, lambda: kind.handler.read(self._engines.client(), request.id, state))
        if found is None:
            return provider_pb2.ReadResponse()
        identity, state = found
        return provider_pb2.ReadResponse(
            id=identity, properties=struct(_with_id(state, identity)), inputs=struct(reread(inputs, state))
        )

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:  # noqa: N802
        """Change the resource in place, or say in a preview what is known of it."""
        kind = self._kind(request.urn, context)
        olds, news = properties(request.olds), properties(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=struct(kind.preview(olds, news)))
        state = self._do(context, lambda: kind.handler.update(self._engines.client(), request.id, olds, news))
        return provider_pb2.UpdateResponse(properties=struct(_with_id(state, request.id)))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802
        """Remove the resource."""
        kind = self._kind(request.urn, context)
        state = properties(request.properties)
        self._do(context, lambda: kind.handler.delete(self._engines.client(), request.id, state))
        return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802
        """Do nothing: what is under way is finished first, as with upstream."""
        del request, context
        return empty_pb2.Empty()

    def close(self) -> None:
        """Remove what was written for the connections."""
        self._engines.close()

    def _kind(self, urn: str, context: grpc.ServicerContext) -> Type:
        name = urn.split("::")[2].rpartition("$")[2]
        kind = self._served.get(name)
        if kind is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the stand-in provider does not know {name}")
        return kind

    def _do(self, context: grpc.ServicerContext, act: Callable[[], T], urn: str = "") -> T:
        try:
            return act()
        except (Failed, Unfinished) as failure:
            _abort(context, failure, urn)
        except (DockerException, requests.RequestException, OSError) as error:
            _abort(context, Failed(str(error)))


def _with_id(state: Properties, identity: str) -> Properties:
    return {**state, "id": identity}


def _tops(found: Difference, *, only_replacing: bool = False) -> list[str]:
    if not found.by_name:
        return []
    return sorted({change.top for change in found.changes if change.replaces or not only_replacing})


def _abort(context: grpc.ServicerContext, failure: Failed | Unfinished, urn: str = "") -> NoReturn:
    """End the call; what was made all the same goes with it, or Pulumi would lose it."""
    prefix = f"creating {urn}: " if isinstance(failure, Unfinished) else ""
    listed = f"{prefix}1 error occurred:\n\t* {failure}\n\n"
    if isinstance(failure, Unfinished):
        detail = any_pb2.Any()
        detail.Pack(
            provider_pb2.ErrorResourceInitFailed(
                id=failure.identity,
                properties=struct(_with_id(failure.state, failure.identity)),
                reasons=[listed],
            )
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=listed, details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, listed)
