"""Runs on the host: asks a site through the web server that serves it here, until the answer is the expected one.

Standard input is a JSON object: `method`, `path`, `headers`, `expect` (a pattern, searched with DOTALL), `patience`
(seconds), `host` and `port` of the site, which is asked at this host's loopback, and `certificate`: None for plain
HTTP, or the SHA-256 (hex) of the one that has to be shown. Prints one JSON line: `held`, `answer`, `seconds`, `died`.
"""

import hashlib
import http.client
import json
import re
import socket
import ssl
import sys
import time
from typing import Any

BODY, SHOWN = 1 << 20, 4000
"""How many bytes of a page are read, and how many characters of them are told."""
_PAUSE, _LONGEST = 0.2, 1.0  # seconds between the first two questions, and at the most


def fetch(spec: "dict[str, Any]", timeout: float) -> str:
    """Return `STATUS BODY`, or why there was no answer; another certificate is none."""
    connection = http.client.HTTPConnection(spec["host"], spec["port"], timeout=timeout)
    try:
        connection.sock = wire = socket.create_connection(("127.0.0.1", spec["port"]), timeout)
        if spec["certificate"] is not None:
            secured = unverified().wrap_socket(wire, server_hostname=spec["host"])
            connection.sock = secured
            shown = secured.getpeercert(binary_form=True) or b""
            if hashlib.sha256(shown).hexdigest() != spec["certificate"]:
                return "another certificate is shown"
        connection.request(spec["method"], spec["path"], headers=spec["headers"])
        response = connection.getresponse()
        return f"{response.status} {response.read(BODY).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {type(error).__name__}: {error}"
    finally:
        connection.close()


def unverified() -> ssl.SSLContext:
    """Return what leaves the certificate to `fetch`, which knows the one that has to be shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def main() -> None:
    """Read the question, print the answer."""
    spec = json.load(sys.stdin)
    begun, pause = time.monotonic(), _PAUSE
    while True:
        left = spec["patience"] - (time.monotonic() - begun)
        got = fetch(spec, max(1.0, min(10.0, left)))
        held = re.search(spec["expect"], got, re.DOTALL) is not None
        if held or left <= 0:
            break
        time.sleep(min(pause, left))
        pause = min(_LONGEST, pause * 1.5)
    seconds = round(time.monotonic() - begun, 3)
    print(json.dumps({"held": held, "answer": got[:SHOWN], "seconds": seconds, "died": None}))  # noqa: T201 - the answer
