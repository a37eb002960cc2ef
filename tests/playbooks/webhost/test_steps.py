"""What a host says of the records in a customer's database; which steps are due then says tests/crm/test_due.py."""

from __future__ import annotations

import json

import pytest

from crm.errors import HostError
from crm.steps import Records
from playbooks.webhost.steps import parse


def test_what_the_host_says_is_read_strictly() -> None:
    good = {"steps": {"seed": ["finished", "r", "t"]}, "schema": ["smallapp", "1.0", "1"], "others": 2, "error": None}
    assert parse(json.dumps(good), "/db") == Records({"seed": "finished"}, ("smallapp", "1.0", "1"), 2)
    tried = {**good, "trial": ["acme_try", "1f"]}
    assert parse(json.dumps(tried), "/db").trial == ("acme_try", "1f")
    for bad in ("", "[]", "{}", json.dumps({**good, "steps": {"seed": ["half", "r", "t"]}})):
        with pytest.raises(HostError, match="/db: its records of steps read"):
            parse(bad, "/db")
    with pytest.raises(HostError, match="could not be read: file is not a database"):
        parse(json.dumps({**good, "error": "file is not a database"}), "/db")
