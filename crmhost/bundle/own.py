"""crmhost itself as files of a bundle: its wheel, what it depends on, and the program that installs both.

The same crmhost makes the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from crm.errors import CrmhostError

ROOMS = ("contract", "crm", "infra", "playbooks", "monitor", "crmhost")
PROGRAM_PARTS = (
    "crm/__init__.py",
    "crm/errors.py",
    "crmhost/__init__.py",
    "crmhost/bundle/__init__.py",
    "crmhost/bundle/boot.py",
    "crmhost/bundle/ed25519.py",
    "crmhost/bundle/format.py",
    "crmhost/bundle/ground.py",
)
"""What `install.pyz` holds: nothing but what the standard library can run."""
_MAIN = b"import sys\n\nfrom crmhost.bundle.boot import main\n\nsys.exit(main(sys.argv[1:]))\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: crmhost\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_TOP = Path(__file__).parents[2]


def version() -> str:
    """Return the version of this crmhost."""
    return importlib.metadata.version("crmhost")


def installer() -> str:
    """Return the hashed requirement of pip, which installs the wheels."""
    return _text("pip.txt")


def lock() -> str:
    """Return the hashed requirements of crmhost, with the installer among them."""
    return _text("run.txt") + installer()


def write_wheel(folder: Path) -> Path:
    """Write the wheel of the crmhost that runs here, and return its path."""
    about = importlib.metadata.distribution("crmhost")
    name = f"crmhost-{about.version}"
    texts = {file: about.read_text(file) for file in ("METADATA", "entry_points.txt", "licenses/LICENSE")}
    contents = {path: file.read_bytes() for path, file in _code()}
    contents |= {f"{name}.dist-info/{file}": text.encode() for file, text in texts.items() if text is not None}
    contents[f"{name}.dist-info/WHEEL"] = _WHEEL.encode()
    record = f"{name}.dist-info/RECORD"
    lines = [f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in sorted(contents.items())]
    contents[record] = ("".join(lines) + f"{record},,\n").encode()
    path = folder / f"{name}-py3-none-any.whl"
    _zip(path, contents)
    return path


def write_program(path: Path) -> None:
    """Write `install.pyz`, which Python runs as it is."""
    _zip(path, {part: (_TOP / part).read_bytes() for part in PROGRAM_PARTS} | {"__main__.py": _MAIN})


def _text(name: str) -> str:
    path = Path(__file__).parent / name
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise CrmhostError(f"{path}: cannot be read: {error.strerror}", "Install crmhost again.") from error


def _code() -> Iterator[tuple[str, Path]]:
    for room in ROOMS:
        for file in sorted((_TOP / room).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file.relative_to(_TOP).as_posix(), file


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _zip(path: Path, contents: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name)  # of 1980-01-01
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
