"""Certificates of a server's site, believed by a real TLS client for the one host alone."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crm.errors import Refused
from crmhost.lancertificate import EARLY, Pair, authority, checked, issue, renewed

NOW = datetime.now(UTC)
HOST = "crm.acme.lan"


def shaken(folder: Path, pair: Pair, root: Pair, name: str) -> str:
    """Serve one TLS handshake with the pair, and return what a client that believes the authority says of it."""
    (folder / "chain.pem").write_text(pair.certificate)
    (folder / "key.pem").write_text(pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    client = ssl.create_default_context(cadata=root.certificate)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            wire, _ = listener.accept()
            with wire:
                try:
                    server.wrap_socket(wire, server_side=True).close()
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), 10) as wire:
                client.wrap_socket(wire, server_hostname=name).close()
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        finally:
            thread.join(10)
    return "believed"


@pytest.mark.parametrize("host", [HOST, "192.0.2.10"])
def test_what_the_authority_signs_is_believed_for_its_host(tmp_path: Path, host: str) -> None:
    root = authority(host, NOW)
    assert shaken(tmp_path, issue(root, host, NOW), root, host) == "believed"


def test_it_is_believed_for_no_other_host_even_when_the_authority_signs_it(tmp_path: Path) -> None:
    root = authority(HOST, NOW)
    assert "subtree" in shaken(tmp_path, issue(root, "bank.example", NOW), root, "bank.example")
    assert "mismatch" in shaken(tmp_path, issue(root, HOST, NOW), root, "other.lan")


def test_one_is_made_anew_before_it_ends_and_when_the_host_changes() -> None:
    root = authority(HOST, NOW)
    site = issue(root, HOST, NOW)
    end = NOW + timedelta(days=397)
    for pair in (root, site):
        assert not renewed(pair, HOST, NOW)
        assert renewed(pair, "new.lan", NOW)
    assert not renewed(site, HOST, end - EARLY - timedelta(hours=1))
    assert renewed(site, HOST, end - EARLY + timedelta(hours=1))
    assert renewed(Pair("no certificate", site.key), HOST, NOW)


def test_a_certificate_of_the_customer_s_own_is_taken_when_it_would_be_believed() -> None:
    root = authority(HOST, NOW)
    site, other = issue(root, HOST, NOW), issue(root, HOST, NOW)
    chain = Pair(site.certificate + root.certificate, site.key)
    assert checked(chain, HOST, NOW, "acme: its certificate") == chain
    for pair, host, now, what in (
        (Pair("x", site.key), HOST, NOW, "is no PEM text"),
        (Pair(site.certificate, "x"), HOST, NOW, "is no PEM text"),
        (Pair(site.certificate, other.key), HOST, NOW, "does not belong to the key"),
        (site, "other.lan", NOW, "is not for other.lan"),
        (site, HOST, NOW + timedelta(days=400), "is valid from .* and not now"),
    ):
        with pytest.raises(Refused, match=f"acme: its certificate.*{what}"):
            checked(pair, host, now, "acme: its certificate")
