"""Archives: which names are refused, and what a host that has one tree lacks of another."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.errors import CrmhostError, Refused
from playbooks.sftponly.pack import MAGIC, Base, make
from playbooks.sftponly.stage import batches
from playbooks.sftponly.tree import Delta, Member, Tree, check_name, delta, listing, parse
from tests.support.memo.recipe import packed

HOSTILE = (
    "../up",
    "a/../../up",
    "/etc/passwd",
    "a//b",
    "./a",
    "a/.",
    "it's",
    'a"b',
    "a`id`",
    "a\\b",
    "c:d",
    "a*",
    "a?",
    "a|b",
    "a<b",
    "new\nline",
    "bell\x07",
    "nul\x00",
    "del\x7f",
    "a\u2028b",
    "\u202egnp.php",
    "a" * 1001,
    "",
)


def _allowed(name: str) -> bool:
    try:
        check_name(name)
    except Refused:
        return False
    return True


names = st.text("abc-/.", min_size=1, max_size=8).filter(_allowed)
trees = st.dictionaries(names, st.sampled_from(["1" * 64, "2" * 64, "3" * 64]), max_size=6)


@pytest.mark.parametrize("name", [*HOSTILE, "\udce4"])
def test_hostile_names(name: str) -> None:
    with pytest.raises(Refused, match="not unpacked on a host"):
        check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        ".htaccess",
        "a b/c (1)+.php",
        "x/.well-known/~y",
        "-rf",
        "js/-owl.min.js",
        "Agnès Rambaud.png",
        "ایران",
        "a,b@c=d;e[1]{2}%20&$!#^_",
    ],
)
def test_names_that_archives_have(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a link or a device"),
        (tarfile.LNKTYPE, "a link or a device"),
        (tarfile.CHRTYPE, "a link or a device"),
        (tarfile.FIFOTYPE, "a link or a device"),
    ],
)
def test_what_is_no_file(tmp_path: Path, kind: bytes, said: str) -> None:
    with pytest.raises(Refused, match=said):
        Tree(_archive(tmp_path, ("app/x", kind, b"")))


def test_hostile_names_in_an_archive_are_refused(tmp_path: Path) -> None:
    for name in ("app/../../x", "app/new\nline", "app/it's"):
        with pytest.raises(Refused, match="not unpacked"):
            Tree(_archive(tmp_path, (name, tarfile.REGTYPE, b"x")))
    with pytest.raises(Refused, match="twice"):
        Tree(_archive(tmp_path, ("x", tarfile.REGTYPE, b"1"), ("x", tarfile.REGTYPE, b"2")))


def test_a_torn_archive(tmp_path: Path) -> None:
    path = tmp_path / "torn.tar.gz"
    path.write_bytes(packed({"a": b"x" * 5000})[:-40])
    with pytest.raises(CrmhostError, match="is no whole"):
        Tree(path)


def test_what_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed({"uploads/x": b"", "uploads2/x": b"", "conf.php": b"", "a": b"text"}))
    with Tree(path, ["uploads", "conf.php"]) as tree:
        assert sorted(tree.listing.members) == ["a", "uploads2/x"]
        assert parse(tree.listing.text, "here") == tree.listing


@given(old=trees, new=trees, spoilt=st.sets(names, max_size=3))
def test_a_delta_makes_the_wanted_tree(old: dict[str, str], new: dict[str, str], spoilt: set[str]) -> None:
    want = listing(Member(path, sha256, 1) for path, sha256 in new.items())
    base = listing(Member(path, sha256, 1) for path, sha256 in old.items())
    found = delta(want, base, spoilt)
    made = {path: one for path, one in base.members.items() if path not in found.gone}
    made |= {one.path: one for one in found.files}
    assert made == want.members
    sent = {one.path for one in found.files}
    assert sent == {path for path in new if path in spoilt or old.get(path) != new[path]}


def test_a_pack_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed({"a": b"text", "b/c": b"more" * 400_000}))
    digests = set()
    for _ in range(2):
        with Tree(path) as tree:
            pack = make(tree, tree.listing, delta(tree.listing, None), Base("t", "l"))
            file = io.BytesIO(b"".join(pack.pieces()))
            digests.add((pack.name, file.getvalue()))
            assert file.read(8) == MAGIC
            pieces = []
            while size := file.read(4):
                pieces.append(gzip.decompress(file.read(int.from_bytes(size, "big"))))
            assert b"".join(pieces[1:]) == b"text" + b"more" * 400_000
            assert [len(piece) for piece in pieces[1:]] == [1 << 20, 4 + 1_600_000 - (1 << 20)]
            for cut in (1, 100, len(file.getvalue())):
                assert pack.prefix(cut) == hashlib.sha256(file.getvalue()[:cut]).hexdigest()
                assert b"".join(pack.pieces(cut)) == file.getvalue()[cut:]
            assert pack.prefix(len(file.getvalue()) + 1) is None
    assert len(digests) == 1


def test_batches_are_neither_many_nor_large() -> None:
    files = [Member(str(number), "0" * 64, 1 << 20) for number in range(20)] + [Member("large", "0" * 64, 1 << 30)]
    found = list(batches(files))
    assert [len(batch) for batch in found] == [8, 8, 4, 1]
    assert [len(batch) for batch in batches([Member(str(number), "0" * 64, 1) for number in range(401)])] == [
        200,
        200,
        1,
    ]
    assert Delta((), (), None).bytes == 0


def _archive(folder: Path, *members: tuple[str, bytes, bytes]) -> Path:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "target"
            tar.addfile(info, io.BytesIO(content))
    path = folder / "hostile.tar.gz"
    path.write_bytes(out.getvalue())
    return path
