"""The provider's process: one port on standard output, and an end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Literal

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc

from tests.support.docker_provider.built import Images
from tests.support.docker_provider.container import Containers
from tests.support.docker_provider.image import RemoteImages, Tags
from tests.support.docker_provider.kinds import KINDS
from tests.support.docker_provider.network import Networks
from tests.support.docker_provider.served import Handler, Log, Served, Type
from tests.support.docker_provider.server import Provider
from tests.support.docker_provider.volume import Volumes

_LARGEST = 400 * 1024 * 1024  # bytes of one message, as Pulumi's own
_AT_ONCE = 64


def served(log: Log) -> Mapping[str, Type]:
    """Return the types of resource with what acts on them; `log` gets what upstream tells Pulumi besides."""
    handlers: Mapping[str, Handler] = {
        "container:Container": Containers(log),
        "network:Network": Networks(),
        "volume:Volume": Volumes(),
        "remoteImage:RemoteImage": RemoteImages(),
        "tag:Tag": Tags(),
    }
    described: Mapping[str, Type] = {
        f"docker:index/{name}": Served(KINDS[f"docker:index/{name}"], handler) for name, handler in handlers.items()
    }
    return {**described, "docker:index/image:Image": Images(log)}


def started(environment: Mapping[str, str], log: Log) -> tuple[grpc.Server, Provider, int]:
    """Start the service on a free port of the loopback interface."""
    limits = [("grpc.max_receive_message_length", _LARGEST), ("grpc.max_send_message_length", _LARGEST)]
    server = grpc.server(ThreadPoolExecutor(max_workers=_AT_ONCE), options=limits)
    provider = Provider(served(log), environment)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, provider, port


def logging_to(arguments: list[str]) -> Log:
    """Return what tells the Pulumi engine a line; its address is the plugin's one argument."""
    if not arguments:
        return lambda _, __: None
    engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(arguments[0]))

    def log(level: Literal["debug", "info"], line: str) -> None:
        severity = engine_pb2.DEBUG if level == "debug" else engine_pb2.INFO
        with suppress(grpc.RpcError):  # nobody listens any more
            engine.Log(engine_pb2.LogRequest(severity=severity, message=line))

    return log


def main() -> None:
    """Serve until Pulumi says so, or is gone: upstream's plugin would outlive a killed Pulumi."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    parent = os.getppid()
    server, provider, port = started(os.environ, logging_to(sys.argv[1:]))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not over.wait(0.5):
        if os.getppid() != parent:
            break
    server.stop(grace=0).wait()
    provider.close()
    os._exit(0)  # calls that are still under way would keep the process
