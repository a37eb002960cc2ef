"""What is wrong with a bucket is one error that names it, with its remedy; a secret is in none of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crm.errors import CrmhostError
from crmhost.backup.bucket import Bucket, Credentials
from crmhost.backup.store import store_of
from crmhost.settings import Backups

pytestmark = pytest.mark.slow


def test_a_bucket_that_is_not_there_is_named(s3: Credentials) -> None:
    nowhere = Bucket("s3://nowhere/crm/acme", s3)
    with pytest.raises(CrmhostError, match="s3://nowhere/crm/acme: is not there") as caught:
        nowhere.entries()
    assert "backups.to" in caught.value.remedy
    with (
        pytest.raises(CrmhostError, match=r"s3://nowhere/crm/acme/x\.age: is not there"),
        nowhere.writing("x.age") as file,
    ):
        file.write(b"x")


def test_a_service_that_does_not_answer_is_named(s3: Credentials) -> None:
    silent = Bucket("s3://some/acme", replace(s3, endpoint="http://127.0.0.1:9/"))
    with pytest.raises(CrmhostError, match="s3://some/acme: did not answer as it should") as caught:
        silent.entries()
    assert "backups.endpoint" in caught.value.remedy


def test_credentials_come_from_the_environment_and_show_no_secret() -> None:
    found = Credentials.of(
        Backups(to="s3://some/prefix"),
        {
            "AWS_ACCESS_KEY_ID": "AK",
            "AWS_SECRET_ACCESS_KEY": "hidden",
            "AWS_SESSION_TOKEN": "hidden",
            "AWS_REGION": "eu",
        },
    )
    assert (found.key, found.secret, found.token, found.region) == ("AK", "hidden", "hidden", "eu")
    assert "hidden" not in repr(found)


def test_each_contract_has_a_place_of_its_own(tmp_path: Path) -> None:
    assert store_of(Backups(to="s3://some/prefix/"), "acme", tmp_path, {}).place == "s3://some/prefix/acme"
    assert store_of(Backups(), "acme", tmp_path, {}).place == str(tmp_path / ".crmhost" / "backups" / "acme")
    assert store_of(Backups(to="/srv/backups"), "acme", tmp_path, {}).place == "/srv/backups/acme"
