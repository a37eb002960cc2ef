from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.errors import CrmhostError
from monitor.settling import settle_due
from monitor.shelf import export, kept_statements
from monitor.statement.canonical import MAX_BYTES, Json, canonical
from monitor.statement.document import Files, sign
from monitor.statement.signature import BadKey
from monitor.statement.verify import verify, verify_files
from monitor.store.database import reading
from tests.support.settled import KEY, OTHER_KEY, World


@dataclass(frozen=True)
class Kept:
    """One signed statement, what travels beside it, and the one before it."""

    raw: bytes
    files: Files
    previous: bytes
    folder: Path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("world")
    world = World(folder).two_months()
    list(settle_due(world.settling, [world.agreed]))
    with reading(world.engine) as connection:
        september, october = kept_statements(connection, "acme")
        path = export(connection, october, folder / "out")
    beside = path.parent
    files = Files(
        contract=(beside / "contract.yaml").read_bytes(),
        calendar=(beside / "calendar.json").read_bytes(),
        evidence=(beside / "evidence.jsonl").read_bytes(),
    )
    return Kept(path.read_bytes(), files, september.raw, path)


def test_a_statement_is_proven_by_its_key_and_its_files(kept: Kept) -> None:
    verdict = verify(kept.raw, KEY.public, kept.files, kept.previous)
    assert verdict.accepted, verdict.reason
    assert verdict.chained
    assert len(verdict.checked) == 5


def test_what_was_exported_verifies_where_it_lies(kept: Kept) -> None:
    verdict = verify_files(kept.folder, f"ed25519:{KEY.public}")
    assert verdict.accepted, verdict.reason
    assert not verdict.chained


@pytest.mark.slow
@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_any_byte_of_the_statement_changed_is_rejected(kept: Kept, flip: int) -> None:
    for place in range(len(kept.raw)):
        changed = bytearray(kept.raw)
        changed[place] ^= flip
        verdict = verify(bytes(changed), KEY.public, kept.files)
        assert not verdict.accepted, place
        assert verdict.reason


def test_any_byte_of_the_statement_left_out_or_doubled_is_rejected(kept: Kept) -> None:
    for place in range(len(kept.raw)):
        without = kept.raw[:place] + kept.raw[place + 1 :]
        doubled = kept.raw[: place + 1] + kept.raw[place:]
        assert not verify(without, KEY.public, kept.files).accepted
        assert not verify(doubled, KEY.public, kept.files).accepted
    assert not verify(kept.raw + b"\n", KEY.public, kept.files).accepted


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_byte_of_what_travels_beside_it_changed_is_rejected_by_name(kept: Kept, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["contract", "calendar", "evidence"]))
    content = bytearray(getattr(kept.files, name))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    verdict = verify(kept.raw, KEY.public, replace(kept.files, **{name: bytes(content)}))
    assert not verdict.accepted
    assert verdict.reason.startswith(f"{name}: ")


def test_signed_again_by_another_key_is_rejected(kept: Kept) -> None:
    statement = {name: value for name, value in json.loads(kept.raw)["statement"].items() if name != "key"}
    forged = sign(statement, OTHER_KEY)
    assert verify(forged, OTHER_KEY.public, kept.files).accepted
    verdict = verify(forged, KEY.public, kept.files)
    assert not verdict.accepted
    assert verdict.reason.startswith("signature: ")


def _signed(kept: Kept, **changes: Json) -> bytes:
    statement = {name: value for name, value in json.loads(kept.raw)["statement"].items() if name != "key"}
    return sign({**statement, **changes}, KEY)


def test_figures_that_do_not_follow_from_the_evidence_are_rejected_though_the_signature_holds(kept: Kept) -> None:
    figures = {**json.loads(kept.raw)["statement"]["figures"], "down_us": 1}
    verdict = verify(_signed(kept, figures=figures), KEY.public, kept.files)
    assert verdict.reason == "figures: `down_us` is 1, and the evidence gives 60000000000"


def test_a_credit_that_is_not_that_of_the_figures_is_rejected(kept: Kept) -> None:
    credit = {**json.loads(kept.raw)["statement"]["credit"], "seconds": 1}
    assert verify(_signed(kept, credit=credit), KEY.public, kept.files).reason.startswith("credit: ")
    assert verify(_signed(kept, credit=None), KEY.public, kept.files).reason.startswith("credit: ")


def test_another_period_with_the_same_evidence_is_rejected(kept: Kept) -> None:
    assert verify(_signed(kept, period="2026-09"), KEY.public, kept.files).reason.startswith("figures: ")
    assert verify(_signed(kept, period="no month"), KEY.public, kept.files).reason.startswith("figures: ")


def test_another_version_is_not_judged(kept: Kept) -> None:
    assert verify(_signed(kept, version=2), KEY.public, kept.files).reason.startswith("version: ")


def test_a_broken_chain_is_rejected(kept: Kept) -> None:
    assert verify(kept.raw, KEY.public, kept.files, kept.raw).reason.startswith("chain: ")
    assert verify(kept.raw, KEY.public, kept.files, b"{}").reason.startswith("chain: ")
    chain = {**json.loads(kept.raw)["statement"]["chain"], "sequence": 7}
    assert "number before" in verify(_signed(kept, chain=chain), KEY.public, kept.files, kept.previous).reason


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"a":1,"a":1}', "one key twice"),
        (b'{"a":1.5}', "integers and texts only"),
        (b'{"a":NaN}', "integers and texts only"),
        (b'{"a":1e3}', "integers and texts only"),
        (b'{"a":"\\ud800"}', "no canonical form"),
        (b'{"a":123456789012345678901234567890}', "no canonical form"),
        (b'{"b":1,"a":1}', "not the canonical form"),
        (b'{"a": 1}', "not the canonical form"),
        (b'{"a":"\\u0041"}', "not the canonical form"),
        (b"{}", "holds `signature` and `statement`"),
        (b'{"signature":"x","statement":[]}', "holds `signature` and `statement`"),
        (b'{"signature":"x","statement":{}}', "signature: "),
        (b" " * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_statement_is_rejected_with_its_reason(kept: Kept, raw: bytes, says: str) -> None:
    verdict = verify(raw, KEY.public, kept.files)
    assert not verdict.accepted
    assert says in verdict.reason


@pytest.mark.parametrize("key", ["", "x" * 64, "ab" * 31, "ab" * 33])
def test_what_is_no_key_is_said_so(kept: Kept, key: str) -> None:
    with pytest.raises(BadKey, match="64 hexadecimal digits"):
        verify(kept.raw, key, kept.files)


def test_a_missing_file_is_named(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "statement.json").write_bytes(kept.raw)
    with pytest.raises(CrmhostError, match=r"contract\.yaml: cannot be read"):
        verify_files(tmp_path / "statement.json", KEY.public)


def test_the_secret_key_stays_out_of_what_is_printed() -> None:
    assert bytes(range(32)).hex() not in repr(KEY)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(max_codepoint=127)) | TEXTS


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    )
)
def test_the_canonical_form_says_what_was_meant_and_is_that_of_rfc_8785(value: Json) -> None:
    assert json.loads(canonical(value)) == value
    assert canonical(value) == rfc8785.dumps(cast(dict[str, str], value))
