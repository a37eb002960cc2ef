"""A rollout is one release, or one and its candidate; it is recorded without a secret in the public part."""

import json
from dataclasses import replace

import pytest

from crm.errors import CrmhostError, Refused
from infra.rollout import Limits, Service, UploadFile, decode, encode
from tests.support.rollouts import LIMITS, NEW, OLD, SECRET, placed, rollout


def test_the_candidate_is_the_release_that_does_not_serve() -> None:
    assert rollout(OLD, NEW, serving=OLD).candidate == NEW
    assert rollout(OLD, NEW, serving=OLD).served == OLD
    assert rollout(NEW, serving=NEW).candidate is None
    assert rollout(NEW, serving=None).candidate == NEW


def test_of_a_candidate_only_the_web_process_runs() -> None:
    both = rollout(OLD, NEW, serving=OLD)
    assert [runs.name for runs in both.running(OLD)] == ["web", "jobs"]
    assert [runs.name for runs in both.running(NEW)] == ["web"]


def test_a_third_release_is_refused() -> None:
    with pytest.raises(Refused, match=r"one release and one candidate, not creme-2\.8\.5"):
        rollout(OLD, NEW, placed("2.8.7", "2", "a"), serving=OLD)


def test_two_releases_in_one_slot_are_refused() -> None:
    with pytest.raises(Refused, match=r"are both in slot a"):
        rollout(OLD, replace(NEW, slot="a"), serving=OLD)


def test_what_serves_must_be_in_the_stack() -> None:
    with pytest.raises(Refused, match=r"creme-2\.8\.5-000000000000 is to serve, but the stack holds creme-2\.8\.6"):
        rollout(NEW, serving=OLD)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../b", "a//b", "./a", ".", ""])
def test_a_file_stays_in_its_volume(path: str) -> None:
    with pytest.raises(ValueError, match="no relative path"):
        UploadFile(path, 0o400, "")


def test_processors_are_written_as_the_provider_reads_them_back() -> None:
    assert Limits(64, "1").cpus == "1.0"
    assert Limits(64, "0.50").cpus == "0.5"


def test_it_is_recorded_whole_and_the_public_part_holds_no_secret() -> None:
    both = replace(rollout(OLD, NEW, serving=OLD), previous=OLD, redis=Service("sha256:redis", LIMITS))
    public, secret = encode(both)
    assert decode(public, secret) == both
    assert SECRET not in public + repr(both)
    assert secret.count(SECRET) == 5
    assert encode(decode(public, secret)) == (public, secret)


def test_without_the_secret_part_only_the_contents_of_files_are_missing() -> None:
    one = rollout(OLD, serving=OLD)
    empty = tuple(replace(file, content="") for file in OLD.files)
    public, _ = encode(one)
    assert decode(public, None).releases == (replace(OLD, files=empty),)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1}', '{"version": "x"}'])
def test_what_crmhost_did_not_record_is_an_error_with_a_remedy(text: str) -> None:
    with pytest.raises(CrmhostError, match="does not hold a rollout") as error:
        decode(text, None)
    assert error.value.remedy


def test_what_a_newer_crmhost_recorded_is_refused() -> None:
    public = json.loads(encode(rollout(OLD, serving=OLD))[0]) | {"version": 2}
    with pytest.raises(CrmhostError, match="recorded by a newer crmhost"):
        decode(json.dumps(public), None)
