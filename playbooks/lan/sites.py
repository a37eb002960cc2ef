"""The text of a customer's site in nginx: TLS ends here, and requests go on to the release that serves. Pure.

The text is the same for every release: where requests go, nginx sees at each of them (`playbooks.kinds.upstream`).
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from crm.errors import Refused
from crm.maintenance import RETRY_AFTER, page
from playbooks.kinds.upstream import CLOSED, FOLDER
from playbooks.lan import acme
from playbooks.lan.acme import Acme
from playbooks.lan.layout import Layout

AUTHORITY = "/crmhost-ca.crt"
"""Where a server with an authority of its own hands out that authority's certificate, over plain HTTP too."""
UPLOADS_MB = 200
"""The largest request that is passed on."""
READ = 120
"""Seconds that the CRM may stay silent."""
AUTHORITY_SECRETS = ("tls-authority", "tls-authority-key")
"""The secrets, certificate and key, of an authority that crmhost made for a site."""
_AWAY = 10
"""Seconds after which somebody comes back whose request met no process, as while it is restarted."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the site shows of itself: PEM texts. authority: of the server's own authority, which clients may fetch."""

    chain: str
    authority: str | None = None

    @property
    def digest(self) -> str:
        """Return what tells that nginx must read the files again; nothing of it is secret."""
        return hashlib.sha256(f"{self.chain}\0{self.authority}".encode()).hexdigest()[:16]

    @property
    def leaf(self) -> str:
        """Return the SHA-256 (hex) of the certificate itself, without what is between it and its authority."""
        end = "-----END CERTIFICATE-----"
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.chain.partition(end)[0].strip() + f"\n{end}\n")).hexdigest()


@dataclass(frozen=True, slots=True)
class Address:
    """What of the customer's URL nginx must know; raises Refused for a URL that no site can have."""

    host: str
    port: int
    secure: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """Return the address of a URL."""
        parts = urlsplit(url)
        if parts.path not in ("", "/"):
            raise Refused(
                f"crm.url: {url} has a path, and a site on a server begins at its name",
                "write the URL without the path, as in https://crm.acme.example/",
            )
        secure = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if secure else 80), secure)


Secured: TypeAlias = Certificate | Acme
"""Whose certificate an https site shows: one that a deploy brings, or one that the server gets by itself."""


def site(layout: Layout, url: str, certificate: Secured | None) -> str:
    """Return the site of a customer, whichever release serves, and whether or not customers are let in."""
    address = Address.of(url)
    body = f"""\
    if ($host != "{address.host}") {{
        return 421;
    }}
    client_max_body_size {UPLOADS_MB}m;
{_passed_on(layout)}"""
    parts = [f"# crmhost writes this file: what is changed here by hand is lost.\n# contract: {layout.contract}\n"]
    if address.secure and certificate is not None:
        parts.append(f"# certificate: {certificate.digest}\n")
        if address.port == 443 or isinstance(certificate, Acme):
            parts.append(_plain_http(layout, address, certificate))
        body = _tls(layout, certificate) + body
    parts.append(_server(address.port, address.host, body, "ssl" if address.secure else ""))
    return "".join(parts)


def interim(layout: Layout, url: str, *, serves: bool) -> str:
    """Return the site at port 80 while the first certificate is asked for, beside whatever serves the name.

    serves: a release is served over plain HTTP now; otherwise who comes is told to come back, or is sent on by
    `sent_on`.
    """
    nobody = f"    location / {{\n{_answer(RETRY_AFTER)}    }}\n"
    return _server(80, Address.of(url).host, _challenge(layout) + (_passed_on(layout) if serves else nobody))


def sent_on(layout: Layout, url: str) -> str:
    """Return the interim site of a name that is served over TLS already."""
    address = Address.of(url)
    return _server(80, address.host, _challenge(layout) + _redirect(address))


def _challenge(layout: Layout) -> str:
    """Return where the authority finds what proves that the name leads here."""
    return f"""\
    location ^~ {acme.WELL_KNOWN} {{
        root {acme.challenge_root(layout)};
        default_type text/plain;
    }}
"""


def _redirect(address: Address) -> str:
    place = address.host if address.port == 443 else f"{address.host}:{address.port}"
    return f"    location / {{\n        return 308 https://{place}$request_uri;\n    }}\n"


def _server(port: int, host: str, body: str, how: str = "") -> str:
    ending = f" {how}" if how else ""
    return f"""
server {{
    listen {port}{ending};
    listen [::]:{port}{ending};
    server_name {host};
    server_tokens off;
{body}}}
"""


def _plain_http(layout: Layout, address: Address, certificate: Secured) -> str:
    asked = _challenge(layout) if isinstance(certificate, Acme) else ""
    offered = (
        f"""\
    location = {AUTHORITY} {{
        alias {authority_file(layout)};
        types {{ }}
        default_type application/x-x509-ca-cert;
    }}
"""
        if certificate.authority is not None
        else ""
    )
    return _server(80, address.host, asked + offered + _redirect(address))


def _tls(layout: Layout, certificate: Secured) -> str:
    ours = isinstance(certificate, Acme)
    chain, key = (acme.site_file(layout),) * 2 if ours else (chain_file(layout), key_file(layout))
    return f"""\
    ssl_certificate {chain};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_prefer_server_ciphers off;
    ssl_session_cache shared:crmhost:5m;
    ssl_session_timeout 1d;
    ssl_session_tickets off;
"""


def _passed_on(layout: Layout) -> str:
    """Return where requests go: to the port that the contract's link leads to at that moment, or to nobody."""
    return f"""\
    root {FOLDER}/{layout.contract}/now;
    location / {{
        if ($realpath_root ~ "/{CLOSED}$") {{
            return 503;
        }}
        set $crmhost_port "";
        if ($realpath_root ~ "/([0-9]+)$") {{
            set $crmhost_port $1;
        }}
        proxy_pass http://127.0.0.1:$crmhost_port;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Connection "";
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_connect_timeout 5s;
        proxy_read_timeout {READ}s;
        proxy_send_timeout {READ}s;
        proxy_redirect off;
    }}
    error_page 502 = @away;
    location @away {{
{_answer(_AWAY)}    }}
    error_page 503 = @closed;
    location @closed {{
{_answer(RETRY_AFTER)}    }}
"""


def _answer(seconds: int) -> str:
    text = page().replace("\\", "\\\\").replace("'", "\\'").replace("\n", "")
    return f"""\
        default_type "text/html; charset=utf-8";
        add_header Retry-After {seconds} always;
        add_header Cache-Control no-store always;
        return 503 '{text}';
"""


def chain_file(layout: Layout) -> str:
    """Return the file of the certificate and what is between it and its authority."""
    return f"{layout.tls}/chain.pem"


def key_file(layout: Layout) -> str:
    """Return the file of the certificate's private key."""
    return f"{layout.tls}/key.pem"


def authority_file(layout: Layout) -> str:
    """Return the file of the authority's certificate, which nginx hands out."""
    return acme.root_file(layout)
