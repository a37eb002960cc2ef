"""A site's certificate by ACME: the units that get and renew it, and what nginx shows the authority. Pure.

Debian's certbot asks the authority as a user of its own that exists only while it runs, in a sandbox that sees nothing
of any customer. Two lines of the same unit run as root: whether anything is due, and putting what was issued where
nginx reads it. Certificate and key are one file, so that no restart ever meets the one without the other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from playbooks.kind import Resource
from playbooks.kinds.certificate import RENEWED, CertificateKind, CertificateWanted
from playbooks.kinds.file import FileWanted
from playbooks.kinds.unit import UnitKind, UnitWanted
from playbooks.lan import units
from playbooks.lan.layout import Layout
from playbooks.shell import Sh, sh

PACKAGES = ("certbot", "openssl")
"""The Debian packages that a server needs which gets its certificates by ACME."""
WELL_KNOWN = "/.well-known/acme-challenge/"
_STATE = "crmhost-tls"
_NAME = "site"  # of the certificate among certbot's own
_SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class Acme:
    """An ACME authority, and what it is asked for.

    directory: its URL; host: the name in the site's URL; email: where it writes to, or empty; root: PEM of the
    authorities by which it and what it issues are believed, None: those that the server's system believes.
    """

    directory: str
    host: str
    email: str = ""
    root: str | None = field(default=None, repr=False)

    @property
    def authority(self) -> str | None:
        """Return what clients are handed out to trust."""
        return self.root

    @property
    def digest(self) -> str:
        """Return what tells one such question from another; nothing of it is secret."""
        return hashlib.sha256(f"{self.directory}\0{self.host}".encode()).hexdigest()[:16]


def site_file(layout: Layout) -> str:
    """Return the file of the certificate, what is between it and its authority, and its key."""
    return f"{layout.tls}/acme.pem"


def root_file(layout: Layout) -> str:
    """Return the file of the certificates that the authority is believed by, which nginx hands out."""
    return f"{layout.public}/{layout.contract}.crt"


def unit(layout: Layout, sort: str = "service") -> str:
    """Return the unit that gets the certificate, or its timer; no process of a release is called so."""
    return f"crmhost-{layout.contract}.tls.{sort}"


def challenge_root(layout: Layout) -> str:
    """Return the folder below which nginx finds the answers to the authority; it is there while one is asked."""
    return f"/run/{_STATE}/{layout.contract}"


def leaf(layout: Layout) -> Sh:
    """Return shell that prints the SHA-256 (hex) of the certificate that the server has."""
    return sh("openssl x509 -in {file} -outform DER | sha256sum | cut -d' ' -f1", file=site_file(layout))


def script(layout: Layout, acme: Acme) -> Sh:
    """Return what runs as root around certbot: `due` succeeds when one is to be got, `install` puts it in place."""
    return sh(
        _SCRIPT,
        site=site_file(layout),
        by=acme.digest,
        live=f"/var/lib/private/{_STATE}/{layout.contract}/live/{_NAME}",
        host=acme.host,
        third=RENEWED,
    )


def service(layout: Layout, acme: Acme) -> str:
    """Return the service that gets the certificate where that is due."""
    state, run = f"/var/lib/{_STATE}/{layout.contract}", f"{_STATE}/{layout.contract}"
    contact = ("--email", acme.email) if acme.email else ("--register-unsafely-without-email",)
    around = f"+/bin/sh {layout.tls}/renew"
    client = units.words(
        (
            *("/usr/bin/certbot", "certonly", "--non-interactive", "--agree-tos", "--no-eff-email", *contact),
            *("--server", acme.directory, "--webroot", "--webroot-path", challenge_root(layout)),
            *("--cert-name", _NAME, "--domain", acme.host, "--renew-with-new-domains", "--force-renewal"),
            *(
                "--key-type",
                "ecdsa",
                "--config-dir",
                state,
                "--work-dir",
                f"{state}/work",
                "--logs-dir",
                f"{state}/log",
            ),
            *("--max-log-backups", "20"),
        )
    )
    return f"""\
[Unit]
Description={layout.contract}: the certificate of its site, by ACME
Wants=network-online.target
After=network-online.target nginx.service

[Service]
Type=oneshot
ExecCondition={around} due
ExecStart={client}
ExecStartPost={around} install
TimeoutStartSec=5min
DynamicUser=yes
Environment=HOME={state}
Environment=REQUESTS_CA_BUNDLE={_SYSTEM if acme.root is None else root_file(layout)}
StateDirectory={run}
StateDirectoryMode=0700
RuntimeDirectory={run}
RuntimeDirectoryMode=0755
InaccessiblePaths=-/etc/letsencrypt
MemoryMax=256M
TasksMax={units.TASKS}
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
{units.SANDBOX}
SystemCallFilter=@chown
UMask=0022
"""


def timer(layout: Layout) -> str:
    """Return the timer that asks each hour, at a minute of this server's own, whether one is due."""
    return f"""\
[Unit]
Description={layout.contract}: when the certificate of its site is renewed

[Timer]
OnCalendar=hourly
RandomizedDelaySec=55min
FixedRandomDelay=yes
Unit={unit(layout)}

[Install]
WantedBy=timers.target
"""


def issued(layout: Layout, acme: Acme, renew: Resource) -> tuple[Resource, ...]:
    """Return the service and the certificate that it gets. renew: the script of both."""
    content = UnitWanted(service(layout, acme), enabled=None, active=None, keep_aside=layout.aside)
    needs = (renew.id, f"folder:{layout.aside}", *(f"package:{name}" for name in PACKAGES))
    asked = Resource(UnitKind(), unit(layout), content, needs)
    log = f"/var/lib/private/{_STATE}/{layout.contract}/log/letsencrypt.log"
    wanted = CertificateWanted(acme.host, acme.digest, acme.directory, unit(layout), log)
    return asked, Resource(CertificateKind(), site_file(layout), wanted, (asked.id, "service:nginx"))


def renewing(layout: Layout, acme: Acme | None, needs: tuple[str, ...]) -> tuple[Resource, ...]:
    """Return what renews the certificate of the site that serves; nothing does where it is not by ACME."""
    if acme is None:
        gone = Resource(UnitKind(), unit(layout, "timer"), None, needs)
        return gone, Resource(UnitKind(), unit(layout), None, (gone.id,))
    wanted = UnitWanted(timer(layout), keep_aside=layout.aside)
    return (Resource(UnitKind(), unit(layout, "timer"), wanted, needs),)


def renew_file(layout: Layout, acme: Acme) -> tuple[str, FileWanted]:
    """Return the path and the content of the script."""
    content = f"# crmhost writes this file: what is changed here by hand is lost.\n{script(layout, acme).text}\n"
    return f"{layout.tls}/renew", FileWanted(content.encode(), 0o700, owner="root", group="root")


def drop(layout: Layout) -> Sh:
    """Return the script that removes what certbot remembers for the contract, its account with the authority too."""
    return sh(
        """\
rm -rf {state} {link} {run}
rmdir {state_above} {link_above} {run_above} 2>/dev/null || true""",
        state=f"/var/lib/private/{_STATE}/{layout.contract}",
        link=f"/var/lib/{_STATE}/{layout.contract}",
        run=challenge_root(layout),
        state_above=f"/var/lib/private/{_STATE}",
        link_above=f"/var/lib/{_STATE}",
        run_above=f"/run/{_STATE}",
    )


_SCRIPT = """\
set -eu
umask 077
site={site}; by={by}; live={live}
dated() {{ t=$(openssl x509 -noout "-$1date" -in "$site") && date -d "${{t#*=}}" +%s; }}
load() {{
  if systemctl is-active --quiet nginx; then nginx -t -q && systemctl reload nginx || return 1; fi
  rm -f -- "$site.unread"
}}
case ${{1:-}} in
due)
  if [ -e "$site.unread" ]; then load || true; fi
  [ -s "$site" ] && [ "$(cat -- "$site.by" 2>/dev/null)" = "$by" ] || exit 0
  since=$(dated start) && until=$(dated end) || exit 0
  [ $(((until - $(date +%s)) * {third})) -lt $((until - since)) ] ;;
install)
  cert=$live/fullchain.pem; key=$live/privkey.pem
  case $(openssl x509 -noout -checkhost {host} -in "$cert") in
  *'does match'*) ;;
  *) echo 'what was issued is not for' {host}; exit 1 ;;
  esac
  if [ "$(openssl x509 -noout -pubkey -in "$cert")" != "$(openssl pkey -pubout -in "$key")" ]; then
    echo 'what was issued does not belong to its key'
    exit 1
  fi
  {{
    openssl pkey -in "$key"
    sed -n '/^-----BEGIN CERTIFICATE-----$/,/^-----END CERTIFICATE-----$/p' "$cert"
  }} >"$site.new"
  printf '%s\\n' "$by" >"$site.by.new"
  : >"$site.unread"
  sync "$site.new" "$site.by.new" "$site.unread"
  mv -fT -- "$site.new" "$site"
  mv -fT -- "$site.by.new" "$site.by"
  load ;;
*) exit 2 ;;
esac"""
