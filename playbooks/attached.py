"""Running a command on a host with this process's own streams, line by line."""

from __future__ import annotations

import secrets
import shlex
import threading
from typing import BinaryIO

from crm.errors import HostError
from playbooks.host import Host, Stream
from playbooks.shell import Sh, sh

_LONGEST = 86_400.0  # seconds


def attached(host: Host, command: Sh, stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Run shell on the host and return its exit code; its output comes line by line, both streams as one."""
    mark = secrets.token_hex(8)
    script = sh('{command} 2>&1; printf "\\n%s %s\\n" {mark} "$?"', command=command, mark=mark)
    stream = host.start(Sh(f"sh -c {shlex.quote(script.text)}"))
    threading.Thread(target=_feed, args=(stdin, stream), daemon=True).start()
    pending: bytes | None = None
    try:
        while (line := stream.line(_LONGEST)) is not None:
            if line.startswith(mark.encode() + b" "):
                if pending:
                    stdout.write(pending)
                    stdout.flush()
                return int(line.rpartition(b" ")[2])
            if pending is not None:
                stdout.write(pending + b"\n")
                stdout.flush()
            pending = line
    finally:
        stream.close()
    raise HostError("the command's end was not seen: the connection was lost", "look on the host whether it still runs")


def _feed(stdin: BinaryIO, stream: Stream) -> None:
    """Send what is typed or piped, until its end or that of the command."""
    try:
        while data := stdin.read1(65536) if hasattr(stdin, "read1") else stdin.read(65536):
            stream.send(data)
        stream.end()
    except (HostError, OSError, ValueError):
        return
