"""What the story needs around it: a web host, a billing receiver, a fleet's folder; and the end of all of them."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crmhost.demo.commands import Commands
from crmhost.receiver import Receiver, server
from crmhost.sandbox.host import Sandbox
from crmhost.sandbox.ports import free_port
from crmhost.vault import make_identity

REUSED = ("artifacts", "templates")
"""What a web host keeps for the next customer: environments by digest, initialised databases by release."""


@dataclass(frozen=True)
class Scene:
    """The stage is set. `left` collects what is still there at the end."""

    folder: Path
    host: Sandbox
    receiver: Receiver
    receiver_url: str
    receiver_secret: str = field(repr=False)
    commands: Commands
    site: int
    metrics: int


@contextmanager
def set_scene(environment: Mapping[str, str]) -> Iterator[Scene]:
    """Start the web host and the receiver in a new temporary folder, and end both, and all that runs there, at the end.

    The folder itself stays: whoever called decides what of it is kept.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="crmhost-demo-"))
        (folder / "fleet").mkdir()
        host_root = folder / "host"
        _reuse(host_root / "home", _cache(environment))
        secret = _webhook_secret()
        receiver = Receiver(folder / "billing.sqlite3", (secret,))
        host = stack.enter_context(Sandbox(host_root))
        url = stack.enter_context(_served(receiver))
        make_identity(folder / "age.key")
        yield Scene(
            folder=folder,
            host=host,
            receiver=receiver,
            receiver_url=url,
            receiver_secret=secret,
            commands=Commands(folder / "fleet", _clean(environment, folder / "age.key")),
            site=free_port(),
            metrics=free_port(),
        )


def sweep(folder: Path, *, keep_fleet: bool) -> None:
    """Remove the story's folder, all but the fleet where that is to be looked at."""
    if keep_fleet:
        shutil.rmtree(folder / "host", ignore_errors=True)
        return
    shutil.rmtree(folder, ignore_errors=True)


def _cache(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".cache")
    return Path(base) / "crmhost" / "demo-host"


def _reuse(home: Path, cache: Path) -> None:
    """Give the host what it would have kept from earlier customers, so that a second story is quicker."""
    place = home / ".crmhost"
    place.mkdir(mode=0o700, parents=True)
    for name in REUSED:
        (cache / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        (place / name).symlink_to(cache / name)


def _webhook_secret() -> str:
    import base64

    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


@contextmanager
def _served(receiver: Receiver) -> Iterator[str]:
    listening = server(receiver)
    thread = threading.Thread(target=listening.serve_forever, name="receiver", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}{receiver.base}"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def _clean(environment: Mapping[str, str], identity: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's own fleets is found."""
    kept = {name: value for name, value in environment.items() if not name.startswith("CRMHOST_")}
    return {**kept, "CRMHOST_AGE_KEY_FILE": str(identity)}
