"""The verbs of the installer, as people read them in an error. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from crm.errors import HostError
from playbooks.terminal import safe

TO: Mapping[str, str] = {
    "look": "look at PHP and at its own folder",
    "digest": "read what was uploaded",
    "check": "compare a release's files with their list",
    "records": "read the records of steps",
    "value": "ask the database",
    "fresh": "let PHP look at its files anew",
    "bye": "delete itself",
    "unpack_tree": "unpack what was uploaded",
    "mend": "write altered files anew",
    "remove": "remove a folder",
    "mark": "record a step",
    "take_trial": "take the database for trials",
    "forget": "take away records of steps",
    "others": "see who else uses the database",
    "clear": "empty the database",
    "rename_all": "show or take away the maintenance page",
    "dump": "dump the database",
    "make_room": "empty the database for a backup",
    "fill": "fill the database from a backup",
    "counted": "count the rows of the database",
    "arrange": "arrange the files of a backup",
    "swap": "put the files of a backup in their place",
}
"""What each verb of the installer does."""
_SHOWN = 600


def refused(verb: str, why: object) -> HostError:
    """Return the error of what it could not do. why: as PHP or the database said it."""
    said = safe(str(why), _SHOWN)
    return HostError(f"the page of crmhost on the host, asked to {TO[verb]}, says: {said}", "Nothing more was done.")


def stuck(verb: str) -> HostError:
    """Return the error of what it does in several requests, and does not get on with."""
    return HostError(
        f"the page of crmhost on the host, asked to {TO[verb]}, does not get on within PHP's time for one request",
        "Raise max_execution_time in the control panel, or ask when the host has less to do.",
    )
