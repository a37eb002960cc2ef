"""A backup that was made on one kind of host comes back on the other: SFTP alone, and SSH with the host's programs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crm.backup import differences
from playbooks import session
from playbooks.mover.copying import Ground
from playbooks.onhost.mysqltext import options
from playbooks.session import Session
from playbooks.sftponly.dumping import dump
from playbooks.sftponly.loading import load
from playbooks.webhost import hostdata
from tests.support.sftpdata import COUNTS, HERE, OWNER, WANT, database, files, give, sql, way
from tests.support.sftphost import SftpHost
from tests.support.sharedhost import DATABASE, DATABASE_PASSWORD, HOME, SharedHost, give_database

pytestmark = pytest.mark.slow
ACCESS = f"{HOME}/access.json"
GROUND = Ground("acme", "python3", "", f"{HOME}/data", f"{HOME}/log")


@contextmanager
def held(host: SharedHost) -> Iterator[Session]:
    with host.reach() as reached, session.lock(reached, "acme", "a test", "ann@test") as held:
        yield held


def test_there_and_back_again(own_host: SftpHost, sharedhost: SharedHost) -> None:
    """What the host's own programs wrote is filled in by PHP in several requests, each with a session of its own."""
    own_host.run("sed -i 's/^max_execution_time.*/max_execution_time = 1/' /etc/php/8.2/apache2/php.ini")
    own_host.restart()
    give(own_host)
    sql(own_host, "insert into many select seq, repeat(md5(seq), 9) from seq_20001_to_120000;")
    sql(own_host, "update hard set f = 1.25 where f is not null;")  # of which the programs keep every digit
    before = database(own_host), files(own_host)
    first, second = io.BytesIO(), io.BytesIO()
    with way(own_host) as here:
        made = dump(here, WANT, OWNER, first)
    give_database(sharedhost)
    given = {"kind": "mysql", "host": "localhost", "port": "3306", "name": DATABASE, "user": DATABASE}
    sharedhost.write(ACCESS, json.dumps({**given, "password": DATABASE_PASSWORD, "php": ["php"]}))
    sharedhost.run("mkdir -p data/sessions")
    first.seek(0)
    with held(sharedhost) as on:
        there = hostdata.load(on, GROUND, ACCESS, WANT.recipe.backup, first, ["uploads"])
    assert differences(made, there) == ()
    told: dict[str, object] = {**given, "password": DATABASE_PASSWORD}
    sharedhost.write(f"{HOME}/.my.cnf", options(told))
    asked = (
        "insert into parent values (3, 'three'); select said from log; select `dou``ble` from aa_upon;"
        " select name, `release` from crmhost_steps"
    )

    def ask(text: str) -> list[str]:
        sharedhost.write(f"{HOME}/asked.sql", text)
        return sharedhost.run(f"mariadb -N -B {DATABASE} <asked.sql").splitlines()

    assert ask(asked) == [
        '"three";',
        "again",
        "then",
        "2",
        "4",
        "6",
        "tables\tmemo-1.0-000000000000",
    ]
    ask("delete from parent where id = 3; truncate log;")
    with held(sharedhost) as on:
        again = hostdata.dump(on, GROUND, ACCESS, WANT.recipe.backup, WANT.secrets, second)
    assert again.tables == {**COUNTS, "many": 120_000, "crmhost_steps": 1}
    own_host.reset()
    own_host.run(f"install -d -o acme -m 700 {HERE}")
    second.seek(0)
    with way(own_host) as here:
        assert differences(again, load(here, WANT, second)) == ()
    own_host.run(f"rm -r {HERE}/data/sessions")
    assert (database(own_host), files(own_host)) == before
    assert sql(own_host, "select name, made_by from crmhost_steps; select version, needs from crmhost_schema;") == (
        "tables\tmemo-1.0-000000000000\n1.0\t1\n"
    )
