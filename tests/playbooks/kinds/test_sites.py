"""Sites of a real nginx: proved, loaded without a request that fails, refused with the old one back, removed."""

from __future__ import annotations

import pytest

from crm.errors import HostError
from playbooks.kind import Resource
from playbooks.kinds.folder import FolderKind, FolderWanted
from playbooks.kinds.site import SiteKind, SiteWanted
from playbooks.kinds.upstream import UpstreamKind, UpstreamWanted
from playbooks.session import Session
from tests.playbooks.kinds.conftest import converge, planned
from tests.support.lanhost import LanHost
from tests.support.until import until

pytestmark = pytest.mark.slow

FILE = "/etc/nginx/conf.d/crmhost-acme.conf"


def site(answer: str, more: str = "", **options: str) -> Resource:
    content = f"server {{ listen 127.0.0.1:8123; {more} location / {{ return 200 '{answer}'; }} }}\n"
    return Resource(SiteKind(), "acme", SiteWanted(content, **options))


def page(server: LanHost) -> str:
    """Return what the site answers, or nothing where nobody listens."""
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8123/').read().decode())"
    return server.run(f'python3 -c "{ask}" 2>/dev/null', check=False).strip()


def test_a_site_answers_until_it_is_not_wanted(held: Session, server: LanHost) -> None:
    kept = Resource(FolderKind("folder", "root"), "/var/lib/crmhost/kept", FolderWanted())
    wanted = site("one", keep_aside=kept.key)
    converge(held, kept, wanted)
    until(lambda: page(server) == "one", "it answers")
    server.run(f"sed -i s/one/mine/ {FILE}; nginx -s reload")
    until(lambda: page(server) == "mine", "somebody changed it")
    assert planned(held, wanted) == ["update its content differs"]
    converge(held, wanted)
    until(lambda: page(server) == "one", "it answers again")
    assert "'mine'" in server.run(f"cat {kept.key}/crmhost-acme.conf-*")
    server.run(f"chmod 600 {FILE}")
    assert planned(held, wanted) == ["update its mode or owner differs"]
    converge(held, wanted)
    converge(held, Resource(SiteKind(), "acme", None))
    until(lambda: page(server) == "", "nobody answers")


def test_no_request_fails_while_it_is_loaded(held: Session, server: LanHost) -> None:
    converge(held, site("one"))
    until(lambda: page(server) == "one", "it answers")
    watch = """\
import itertools, pathlib, urllib.request as u
for n in itertools.count():
    if pathlib.Path("/run/enough").exists(): break
    assert u.urlopen("http://127.0.0.1:8123/").status == 200
    pathlib.Path("/run/asked").write_text(str(n))
pathlib.Path("/run/passed").touch()
"""
    server.run(f"cat >/run/watch.py <<'end'\n{watch}end\nsystemd-run -q --unit=watch python3 /run/watch.py")
    for answer in ("two", "three"):
        converge(held, site(answer))
    server.run("touch /run/enough")
    until(lambda: server.run("systemctl is-active watch", check=False).strip() != "active", "it ends")
    assert server.run("ls /run/passed", check=False).strip() == "/run/passed"
    assert int(server.run("cat /run/asked")) > 20
    converge(held, Resource(SiteKind(), "acme", None))


def test_requests_over_a_connection_that_is_kept_go_where_the_link_leads(held: Session, server: LanHost) -> None:
    """nginx is not reloaded, so it ends no connection."""
    folder = Resource(FolderKind("folder", "root"), "/var/lib/crmhost/upstreams", FolderWanted(0o755))
    ports = "".join(f"server {{ listen 127.0.0.1:{port}; return 200 {port}; }}\n" for port in (8125, 8126))
    content = f"""\
{ports}server {{
    listen 127.0.0.1:8123;
    root /var/lib/crmhost/upstreams/acme/now;
    location / {{
        if ($realpath_root ~ "/closed$") {{ return 503; }}
        set $port "";
        if ($realpath_root ~ "/([0-9]+)$") {{ set $port $1; }}
        proxy_pass http://127.0.0.1:$port;
    }}
}}
"""
    leads = [Resource(UpstreamKind(), "acme", UpstreamWanted(port)) for port in (8125, 8126, None, 8125)]
    converge(held, folder, leads[0], Resource(SiteKind(), "acme", SiteWanted(content)))
    watch = """\
import http.client, pathlib
line, seen = http.client.HTTPConnection("127.0.0.1", 8123), []
while not pathlib.Path("/run/done").exists():
    line.request("GET", "/")
    answer = line.getresponse()
    body = answer.read().decode()
    what = body if answer.status == 200 else str(answer.status)
    if [what] != seen[-1:]:
        seen.append(what)
        pathlib.Path("/run/seen").write_text(" ".join(seen))
"""
    server.run(f"cat >/run/kept.py <<'end'\n{watch}end\nsystemd-run -q --unit=kept python3 /run/kept.py")
    for number, (lead, answers) in enumerate(zip(leads, ("8125", "8126", "503", "8125"), strict=True)):
        converge(held, lead)
        until(lambda: server.run("cat /run/seen", check=False).split()[number:] == [answers], f"{answers} answers")  # noqa: B023 -- within its turn
    server.run("touch /run/done")
    until(lambda: server.run("systemctl is-active kept", check=False).strip() == "inactive", "it ends well")
    server.run("chmod 700 /var/lib/crmhost/upstreams/acme")
    assert planned(held, leads[0]) == ["update nginx cannot follow it"]
    converge(held, leads[0])
    assert server.run("ls /var/lib/crmhost/upstreams/acme").split() == ["8125", "now"]
    converge(held, Resource(SiteKind(), "acme", None), Resource(UpstreamKind(), "acme", None))
    assert server.run("ls /var/lib/crmhost/upstreams") == ""


def test_what_nginx_refuses_leaves_the_old_one(held: Session, server: LanHost) -> None:
    broken = site("two", "no_such_directive on;")
    with pytest.raises(
        HostError, match=r'(?s)site:acme failed .*unknown directive "no_such_directive".*the configuration that it has'
    ):
        converge(held, broken)
    assert "No such file" in server.run(f"ls {FILE} 2>&1", check=False)
    converge(held, site("one"))
    before = server.run(f"cat {FILE}")
    with pytest.raises(HostError, match="no_such_directive"):
        converge(held, broken)
    assert server.run(f"cat {FILE}; nginx -t -q") == before
    assert planned(held, site("one")) == ["update nginx runs without it, or whether it does is not known"]
    converge(held, site("one"))
    converge(held, Resource(SiteKind(), "acme", None))


def test_a_deploy_that_was_killed_before_nginx_was_asked(held: Session, server: LanHost) -> None:
    """The refused file lies in place, and the one that worked beside the record: it comes back."""
    converge(held, site("one"))
    broken = site("two", "no_such_directive on;")
    records = "/var/lib/crmhost/engine/.crmhost/.sites"
    server.run(f"cp {FILE} {records}/acme.worked; rm {records}/acme; cat >{FILE} <<'end'\n{broken.want.content}end")
    with pytest.raises(HostError, match="no_such_directive"):
        converge(held, broken)
    assert "'one'" in server.run(f"cat {FILE}; nginx -t -q")
    converge(held, site("three"))
    until(lambda: page(server) == "three", "it answers")
    converge(held, Resource(SiteKind(), "acme", None))


def test_a_port_that_another_program_has_is_noticed(held: Session, server: LanHost) -> None:
    """`nginx -t` does not see it; nginx goes on with its old configuration, and so the deploy fails."""
    server.run("systemd-run -q --unit=other python3 -m http.server -b 127.0.0.1 8124")
    until(lambda: server.run("ss -ltn").count("127.0.0.1:8124") == 1, "another program listens")
    taken = Resource(SiteKind(), "acme", SiteWanted("server { listen 127.0.0.1:8124; }\n"))
    with pytest.raises(HostError, match=r"(?s)site:acme failed .*8124.*Address already in use"):
        converge(held, taken)
    server.run("systemctl stop other")
    converge(held, taken)
    converge(held, Resource(SiteKind(), "acme", None))


def test_a_site_of_an_nginx_that_is_stopped(held: Session, server: LanHost) -> None:
    server.run("systemctl stop nginx")
    converge(held, site("one"))
    server.run("systemctl start nginx")
    until(lambda: page(server) == "one", "it answers")
    converge(held, Resource(SiteKind(), "acme", None))


@pytest.mark.parametrize("name", ["", "../x", "-x", ".x", "a b", "é", "A", "x" * 101])
def test_names_that_no_site_can_have(name: str) -> None:
    with pytest.raises(ValueError, match=r"^site:"):
        SiteKind().ask({name: None})


@pytest.mark.parametrize("name", ["", "../x", "-x", ".x", "a b", "é", "A", "x" * 101])
def test_names_that_no_link_can_have(name: str) -> None:
    with pytest.raises(ValueError, match=r"^upstream:"):
        UpstreamKind().ask({name: None})
