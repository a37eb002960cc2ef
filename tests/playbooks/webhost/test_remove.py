"""What leaves the host and what stays, done for real in a folder."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from crm.plan import Release
from crm.slots import Filled
from playbooks.kept import Kept, Place, past
from playbooks.leaving import drop_artifacts, drop_release, retired
from playbooks.manifest import Manifest, Runs, encode
from playbooks.shell import Sh
from playbooks.webhost.layout import Layout
from playbooks.webhost.remove import drop_contract, forget, left_over

RUN = Runs("web", Filled(("web",), {}, "/"), 1)


def kept(version: str, proven: str = "", artifact: str = "a1") -> Kept:
    release = Release("smallapp", version, version.ljust(64, "0"), "1")
    return Kept(Manifest(release, artifact, "127.0.0.1:1", (RUN,), RUN, ()), proven)


def run(script: Sh) -> str:
    return subprocess.run(["/bin/sh", "-c", script.text], capture_output=True, check=True, text=True).stdout


def put(layout: Layout, *releases: Kept) -> None:
    for one in releases:
        folder = Path(layout.release(one.id))
        folder.mkdir(parents=True)
        (folder / "release.json").write_text(encode(one.manifest))
        Path(layout.run(one.manifest.release)).mkdir(parents=True)
        for path in (layout.artifact(one.manifest.artifact), layout.data):
            Path(path).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a layout in a home whose name needs quoting."""
    return Layout(str(tmp_path / "it's a home"), "acme")


def test_the_last_three_proven_releases_stay_and_failed_candidates_go() -> None:
    all_kept = (kept("5", "t5"), kept("4", "t4"), kept("3", "t3"), kept("2", "t2"), kept("9"))
    gone = past(all_kept, ("half",), all_kept[0].id)
    assert gone == (kept("2").id, kept("9").id, "half")


def test_after_a_rollback_the_serving_one_stays_whatever_its_age() -> None:
    all_kept = (kept("5", "t5"), kept("4", "t4"), kept("3", "t3"), kept("2", "t2"))
    assert past(all_kept, (), all_kept[3].id) == (all_kept[2].id,)


def test_a_release_goes_with_its_sockets_and_nothing_else(layout: Layout) -> None:
    old, new = kept("1"), kept("2")
    put(layout, old, new)
    run(drop_release(layout, old, forget(layout, old.id)))
    assert [path.name for path in Path(layout.releases).iterdir()] == [new.id]
    assert [str(path) for path in Path(layout.runs).iterdir()] == [layout.run(new.manifest.release)]


def test_the_sockets_folder_stays_while_another_version_of_the_same_configuration_is_kept(layout: Layout) -> None:
    bad, good = kept("9"), kept("2", "t2")
    release = replace(good.manifest.release, config=bad.manifest.release.config)
    good = replace(good, manifest=replace(good.manifest, release=release))
    put(layout, bad)
    Path(layout.release(good.id)).mkdir()
    run(retired(layout, Place(good.id, (good, bad), ()), good.id, lambda _: Sh(":")))
    assert not Path(layout.release(bad.id)).exists()
    assert Path(layout.run(release)).is_dir()


def test_an_artifact_stays_while_any_contract_of_the_account_names_it(layout: Layout) -> None:
    other = Layout(layout.home, "globex")
    put(layout, kept("1", artifact="a1"))
    put(other, kept("1", artifact="a2"))
    Path(layout.artifact("a3")).mkdir()
    Path(layout.templates).mkdir()
    for name in ("a2-x", "a3-y"):
        Path(layout.template(name)).touch()
    run(drop_artifacts(layout, ["a1", "a2", "a3", "a4"]))
    assert sorted(path.name for path in Path(layout.artifacts).iterdir()) == ["a1", "a2"]
    assert [path.name for path in Path(layout.templates).iterdir()] == ["a2-x.sqlite3"]
    run(drop_artifacts(layout, []))


def test_the_last_contract_takes_the_accounts_folder_with_it(layout: Layout) -> None:
    other = Layout(layout.home, "globex")
    put(layout, kept("1"))
    put(other, kept("1"))
    run(drop_contract(other, keep_data=False))
    assert not Path(other.root).exists()
    assert Path(layout.artifact("a1")).exists()
    run(drop_contract(layout, keep_data=False))
    assert not Path(layout.account).exists()
    run(drop_contract(layout, keep_data=False))
    assert run(left_over(layout, keep_data=False)) == ""


def test_data_that_is_kept_is_all_that_is_kept(layout: Layout) -> None:
    put(layout, kept("1"))
    assert layout.releases in run(left_over(layout, keep_data=True))
    run(drop_contract(layout, keep_data=True))
    assert [path.name for path in Path(layout.root).iterdir()] == ["data"]
    assert run(left_over(layout, keep_data=True)) == ""
    assert layout.data in run(left_over(layout, keep_data=False))
