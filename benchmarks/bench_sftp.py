"""A CRM of 15,000 files on a host that gives SFTP alone: deployed, and its archive merely sent; one file changed.

The line to the host is held to 20 Mbit/s, where this machine can do so, as a customer's web host is not next door.
"""

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.measure import show
from crm.plan import Event
from crm.recipe import Archive
from crmhost import deploy
from crmhost.public import check
from crmhost.sequence import Means
from playbooks.sftponly.sftp import Files
from tests.support.engine import start
from tests.support.memo.recipe import files_of, memo_want, packed
from tests.support.sftphost import SftpHost, bring, serving

FILES = 15_000
RATE = "20mbit"


def main() -> None:
    """Deploy it three times: first, with nothing to do, with one file changed."""
    engine = start()
    with tempfile.TemporaryDirectory() as folder, closing(engine.client()) as client:
        archive = _Archives(Path(folder))
        for version in ("1.0", "1.1"):
            archive(memo_want(version).recipe.artifacts[version])  # type: ignore[arg-type] # it has no other kind
        with serving(client, bring(engine), Path(folder) / "host") as host, _slow(host) as rate:
            size = archive.path("1.0").stat().st_size
            raw = _timed(lambda: _send(host, archive.path("1.0")))
            first, sent = _deploy(host, archive, "1.0")
            nothing, _ = _deploy(host, archive, "1.0")
            second, changed = _deploy(host, archive, "1.1")
    beside = f"the archive sent raw {raw:.1f} s, {size / 1e6:.1f} MB, {rate}"
    show(
        [
            (f"first deploy, {FILES} files", f"{first:.1f} s ({first / raw:.2f} x)", beside, "1.5 x"),
            ("its bytes", f"{sent / 1e6:.1f} MB ({sent / size:.2f} x)", f"{size / 1e6:.1f} MB", "1.5 x"),
            ("one file changed", f"{second:.1f} s", f"{changed} bytes ({100 * changed / sent:.3f} %)", "1 %"),
            ("nothing to do, every digest compared", f"{nothing:.1f} s", "", ""),
        ]
    )


def _deploy(host: SftpHost, archives: "_Archives", version: str) -> tuple[float, int]:
    """Return how long it took, in seconds, and how many bytes were uploaded."""
    uploads = []

    def tell(event: Event) -> None:
        if (event.subject, event.state) == ("upload", "done"):
            uploads.append(int(event.detail.split()[0]))

    def run() -> None:
        with host.driver(archives, tell) as driver:
            means = Means(lambda _: None, lambda want: check(want, host.door))
            deploy.deploy(driver, memo_want(version), means, confirm=lambda _: True)

    return _timed(run), sum(uploads)


def _send(host: SftpHost, path: Path) -> None:
    with host.reach() as reached, path.open("rb") as source:
        files = Files(reached)
        for _ in files.upload(iter(lambda: source.read(1 << 20), b""), "/site/raw", 0):
            pass
        files.drop("/site/raw")


def _timed(act: Callable[[], None]) -> float:
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


class _Archives:
    """Makes the archives: sources of programs compress to about a half."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, version: str) -> Path:
        return self._folder / f"memo-{version}.tar.gz"

    def __call__(self, archive: Archive) -> Path:
        version = archive.url.rpartition("-")[2].removesuffix(".tar.gz")
        if not self.path(version).exists():
            chance = random.Random(1)  # noqa: S311 -- the same files in each version
            more = {
                f"htdocs/lib/{number % 150}/part{number}.php": chance.randbytes(chance.randrange(5000)).hex().encode()
                for number in range(FILES)
            }
            self.path(version).write_bytes(packed({**files_of(version), **more}))
        return self.path(version)


@contextmanager
def _slow(host: SftpHost) -> Iterator[str]:
    """Hold what goes to the host to the rate while the block runs, and give a word on it."""
    link = host.run("cat /sys/class/net/eth0/iflink").strip()
    names = [path.parent.name for path in Path("/sys/class/net").glob("*/ifindex") if path.read_text().strip() == link]
    tool = shutil.which("tc")
    if not names or tool is None:
        yield "loopback"
        return
    limit = ["tbf", "rate", RATE, "burst", "64kb", "latency", "400ms"]
    subprocess.run([tool, "qdisc", "replace", "dev", names[0], "root", *limit], check=True)
    yield RATE  # the interface ends with the container


if __name__ == "__main__":
    main()
