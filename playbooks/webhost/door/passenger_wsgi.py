"""Written by crmhost: where Passenger finds the release that serves. Changes made by hand are written over.

It runs under whatever Python the host gives Passenger, until it has found the release's own.
"""

import json
import os
import pathlib
import runpy
import sys
from typing import Any

CURRENT = pathlib.Path("@CURRENT@")
"""The link to the release that serves."""


def nothing(_environ: Any, start_response: Any) -> Any:  # noqa: ANN401 - as in PEP 3333
    """Answer while no release serves."""
    start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "120")])
    return [b"Nothing serves here yet.\n"]


def release(folder: pathlib.Path) -> Any:  # noqa: ANN401 - as in PEP 3333
    """Return the application of the release that serves, once this process runs under that release's Python."""
    python = json.loads((folder / "crmhost_wsgi.json").read_text("utf-8"))["python"]
    if os.environ.get("CRMHOST_DOOR") != str(folder):
        os.environ["CRMHOST_DOOR"] = str(folder)
        os.execl(python, python, *sys.argv)  # noqa: S606 - the release's own Python, started as Passenger started this
    return runpy.run_path(str(folder / "crmhost_wsgi.py"), run_name="crmhost_wsgi")["served"]()


application = release(CURRENT.resolve()) if (CURRENT / "crmhost_wsgi.json").exists() else nothing
