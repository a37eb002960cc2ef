"""The signature check of the standard library alone says what the library says that everything else uses."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crmhost.bundle import ed25519
from monitor.statement.signature import SigningKey, signature_holds

RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_vectors_of_the_standard_hold(public: str, message: str, signature: str) -> None:
    assert ed25519.holds(bytes.fromhex(message), signature, public)
    assert not ed25519.holds(bytes.fromhex(message) + b"\0", signature, public)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 127), st.integers(1, 15))
@settings(max_examples=25, deadline=None)
def test_it_agrees_with_the_library_on_what_holds_and_what_was_changed(
    seed: bytes, raw: bytes, at: int, by: int
) -> None:
    key = SigningKey(seed)
    signature = key.sign(raw)
    spoilt = signature[:at] + f"{int(signature[at], 16) ^ by:x}" + signature[at + 1 :]
    assert ed25519.holds(raw, signature, key.public)
    assert ed25519.holds(raw, spoilt, key.public) is signature_holds(raw, spoilt, key.public) is False


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
@settings(max_examples=50, deadline=None)
@example(bytes(32), bytes(64))
def test_it_agrees_with_the_library_on_noise(public: bytes, signature: bytes) -> None:
    """A key of small order, which nobody has made, lets some noise pass with both."""
    assert ed25519.holds(b"raw", signature.hex(), public.hex()) is signature_holds(
        b"raw", signature.hex(), public.hex()
    )


@pytest.mark.parametrize("number", [2**255 - 19, 2**255 - 1, 2**255 + 1])
def test_a_point_that_is_none_is_refused(number: int) -> None:
    assert not ed25519.holds(b"", "00" * 64, number.to_bytes(32, "little").hex())


def test_a_scalar_beyond_the_order_is_refused() -> None:
    key = SigningKey(bytes(32))
    signature = bytes.fromhex(key.sign(b"raw"))
    order = 2**252 + 27742317777372353535851937790883648493
    larger = int.from_bytes(signature[32:], "little") + order
    assert not ed25519.holds(b"raw", (signature[:32] + larger.to_bytes(32, "little")).hex(), key.public)


@pytest.mark.parametrize(("signature", "public"), [("", ""), ("A" * 128, "0" * 64), ("0" * 128, "g" * 64)])
def test_what_is_not_hexadecimal_is_refused(signature: str, public: str) -> None:
    assert not ed25519.holds(b"", signature, public)
