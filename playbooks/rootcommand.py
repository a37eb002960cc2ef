"""The command that starts a program as root, from any account that may: it is root, or sudo lets it. Pure.

What is sent is a fixed command; which of the three ways it is, the host finds out. Standard input begins with a nonce,
the password (or an empty line) twice, and the nonce again; then comes the program's own. The first of the two is tried
on a program that does nothing, in a pipe that ends after it, so that a wrong one is counted once and sudo finds nothing
else to take for a second. The other one is read by the sudo that starts the program: sudo reads a line byte by byte, so
the rest stays to be read. Where sudo wanted none, the program's own shell skips it. Without a password no sudo is ever
started that could read standard input for one.

The answer begins with a line `NONCE WORD`. The word is a Way, or `missing`, `wants` or `refused` and the reason.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from playbooks.shell import sh

HOME = "/var/lib/crmhost/engine"
"""The home folder of what runs as root: the engine's own, so that root's is left alone. The lock's keeper makes it."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Way: TypeAlias = Literal["root", "sudo", "password"]
"""The account is root; sudo lets it without a password; sudo wants its password."""

_ROOT = sh(
    """\
while IFS= read -r l; do [ "$l" = "$1" ] && break; done; unset l; umask 077; \
PATH={path}; HOME={home}; export PATH HOME; cd "$HOME" 2>/dev/null || cd /; \
echo; echo "$1 $2"; exec sh -c "$3\"""",
    path=PATH,
    home=HOME,
)
"""Run by root: skips what is left of the password, and starts the program. Has the nonce, the way and the program."""

_LOGIN = sh(
    """\
unset p; IFS= read -r n; case $n in crmhost-*) ;; *) exit 1 ;; esac; IFS= read -r p; \
say() {{ echo; echo "$n $1"; }}; \
if [ "$(id -u)" = 0 ]; then exec sh -c "$1" crmhost "$n" root "$2"; fi; \
command -v sudo >/dev/null 2>&1 || {{ say missing; exit 1; }}; \
case $3 in sudo) ;; password) false ;; *) e=$(LC_ALL=C sudo -k -n sh -c : 2>&1 </dev/null) ;; esac && \
exec sudo -k -n sh -c "$1" crmhost "$n" sudo "$2"; \
[ -n "$p" ] || {{ say wants; printf "%s" "$e"; exit 1; }}; \
e=$(printf "%s\\n" "$p" | LC_ALL=C sudo -k -S -p "" sh -c : 2>&1) || {{ say refused; printf "%s" "$e"; exit 1; }}; \
p=; exec sudo -k -S -p "" sh -c "$1" crmhost "$n" password "$2\""""
)
"""Run by the account's login shell, whichever that is: one line, without a single quote.

Has _ROOT, the program, and the way, once it was found out: sudo is not asked again then whether it wants a password.

A profile that reads standard input must not make it take the password for the nonce, which is an argument.
"""


def command(program: str, way: Way | None) -> str:
    """Return the command that starts a program as root, from any account that may; way: None where it is not known."""
    words = (_LOGIN.text, "crmhost", _ROOT.text, program, way or "")
    return sh("sh -c {words}", words=words).text
