"""What is written for systemd and nginx, as files; and that names and ports never meet."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.errors import HostError, Refused
from crm.plan import Release
from crm.slots import Filled
from playbooks.lan import acme, units
from playbooks.lan.acme import Acme
from playbooks.lan.issuing import Present, present, read_site, refused
from playbooks.lan.layout import USER_BYTES, Layout
from playbooks.lan.sites import Address, Certificate, interim, sent_on, site
from playbooks.lan.slots import PORTS, free_port
from playbooks.manifest import Manifest, Runs, Timed

GOLDEN = Path(__file__).parent / "golden"
ACME = Layout("acme")
RELEASE = Release("notes", "1.0", "0123456789abcdef" * 4, "1")
WEB = Runs("web", Filled(("/opt/python", "-m", "notes", 'a b%c$d"e\\f'), {"LANG": "x y"}, "/srv/acme"), 30, 512, "1.5")
JOB = Timed("mail", Filled(("/opt/python", "mail.py"), {}, "/srv/acme"), 5, 64)
MANIFEST = Manifest(RELEASE, "ab", "127.0.0.1:20001", (WEB,), WEB, (JOB,))
OURS = Certificate("chain", "authority")
ASKED = Acme("https://ca.acme.lan/dir", "crm.acme.lan", "it@acme.lan", "root")


def texts() -> dict[str, str]:
    """Return every text by the name of its file."""
    url = "https://crm.acme.lan"
    return {
        "web.service": units.process_unit(ACME, MANIFEST, WEB, 252),
        "web-backing-off.service": units.process_unit(ACME, MANIFEST, WEB, 255),
        "job.service": units.job_unit(ACME, MANIFEST, JOB),
        "job.timer": units.timer_unit(ACME, MANIFEST, JOB),
        "https.conf": site(ACME, url, OURS),
        "https-own.conf": site(ACME, url, Certificate("chain")),
        "https-8443.conf": site(ACME, f"{url}:8443", OURS),
        "https-acme.conf": site(ACME, url, ASKED),
        "https-acme-8443.conf": site(ACME, f"{url}:8443", replace(ASKED, root=None)),
        "interim-first.conf": interim(ACME, url, serves=False),
        "interim-secured.conf": sent_on(ACME, url),
        "interim-plain.conf": interim(ACME, url, serves=True),
        "tls.service": acme.service(ACME, ASKED),
        "tls-public.service": acme.service(ACME, Acme("https://acme.example/directory", "crm.acme.lan")),
        "tls.timer": acme.timer(ACME),
        "renew.sh": f"{acme.script(ACME, ASKED).text}\n",
        "http.conf": site(ACME, "http://crm.acme.lan", None),
    }


@pytest.mark.parametrize("name", sorted(texts()))
def test_a_text_is_as_the_file_says(name: str) -> None:
    assert texts()[name] == (GOLDEN / name).read_text()


def test_every_file_is_a_text() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(texts())


def test_another_certificate_lets_nginx_read_its_files_again() -> None:
    renewed = site(ACME, "https://crm.acme.lan", Certificate("renewed", "authority"))
    assert renewed != texts()["https.conf"]


@pytest.mark.parametrize(
    ("printed", "what", "remedy"),
    [
        ("  Type:   dns\n  Detail: NXDOMAIN\n", ": dns: NXDOMAIN", "Let the customer's DNS send crm.acme.lan to"),
        ("Type: connection\nDetail: refused", ": connection: refused", "Let the authority reach port 80 of crm"),
        ("Type: unauthorized\nDetail: 404", ": unauthorized: 404", "Something else answers for crm.acme.lan"),
        (
            "x urn:ietf:params:acme:error:rateLimited :: There were too many requests :: wait\n",
            ": rateLimited: There were too many requests :: wait",
            "Wait as long as it says",
        ),
        ("SSLError(CERTIFICATE_VERIFY_FAILED)", "SSLError", "Name the certificate that the authority is believed by"),
        (
            "Starting …\nAn unexpected error occurred:\nrequests.exceptions.ConnectionError: ca.acme.lan\nAsk for help",
            "/dir: requests.exceptions.ConnectionError: ca.acme.lan",
            "Let the server reach the authority",
        ),
        ("Killed", "Killed", "Mend what it complains of."),
    ],
)
def test_a_certificate_that_is_not_issued_says_why_and_what_to_do(printed: str, what: str, remedy: str) -> None:
    error = refused(ASKED, HostError(f"host: certificate:x failed with exit code 1: {printed}", ""))
    assert error.what.startswith("crm.acme.lan: no certificate was issued by https://ca.acme.lan/dir: ")
    assert what in error.what
    assert "Starting" not in error.what
    assert error.remedy.startswith(remedy)


@pytest.mark.parametrize("name", ["https-acme.conf", "https.conf", "none"])
@pytest.mark.parametrize("there", [True, False], ids=["there", "gone"])
def test_what_a_site_is_before_an_authority_asks_it(tmp_path: Path, name: str, *, there: bool) -> None:
    file, certificate, active = tmp_path / "site", tmp_path / "acme.pem", tmp_path / "systemctl"
    active.write_text("#!/bin/sh\n")
    active.chmod(0o755)
    text = (GOLDEN / name).read_text() if name != "none" else None
    if text is not None:
        file.write_text(text.replace(acme.site_file(ACME), str(certificate)))
    certificate.write_text("x" if there else "")
    script = present(ACME, ASKED).text.replace(acme.site_file(ACME), str(certificate))
    script = script.replace("/etc/nginx/conf.d/crmhost-acme.conf", str(file))

    def seen() -> Present:
        said = subprocess.run(
            ["sh"], input=script, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
        )
        return read_site(said.stdout)

    asked = name == "https-acme.conf"
    assert seen() == Present(answers=asked, secured=text is not None, lost=False)
    active.write_text("#!/bin/sh\nexit 3\n")
    assert seen() == Present(answers=False, secured=text is not None, lost=asked and not there)


def test_a_url_with_a_path_is_refused() -> None:
    with pytest.raises(Refused, match="has a path, and a site on a server begins at its name"):
        Address.of("https://crm.acme.lan/crm")


@pytest.mark.parametrize("name", ["", "Acme", "a.b", "a/b", "-a", "a" * 64])
def test_a_name_that_is_no_contract_s_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="cannot be part of the names of units and accounts"):
        Layout(name)


IDS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


@given(IDS, IDS)
def test_no_two_contracts_share_a_user_or_a_unit(one: str, other: str) -> None:
    first, second = Layout(one), Layout(other)
    assert len(first.user) <= USER_BYTES
    assert (first.user == second.user) == (one == other)
    assert first.unit(RELEASE, "web").startswith(first.units.removesuffix("*"))
    assert one == other or not second.unit(RELEASE, "web").startswith(first.units.removesuffix("*"))


@given(IDS, st.sets(st.sampled_from(PORTS), max_size=50))
def test_a_port_is_always_the_same_and_never_one_that_is_taken(contract: str, taken: set[int]) -> None:
    layout = Layout(contract)
    port, usual = free_port(layout, RELEASE, taken), free_port(layout, RELEASE, ())
    assert port not in taken
    assert port in PORTS
    assert usual in taken or port == usual
    assert free_port(layout, RELEASE, {usual}) != usual


def test_a_server_whose_ports_are_all_taken_is_refused() -> None:
    with pytest.raises(Refused, match="all ports from 20000 to 29999 are taken"):
        free_port(ACME, RELEASE, PORTS)
