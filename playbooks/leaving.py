"""What leaves a host once a release has proven itself: older ones, failed candidates, and what nobody names. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from playbooks.folders import Folders
from playbooks.kept import Kept, Place, artifacts_of, past
from playbooks.shell import Sh, lines, sh


def retired(layout: Folders, place: Place, serving: str, forget: Callable[[str], Sh]) -> Sh:
    """Return the script that writes down that a release has proven itself, and removes what is past the last few.

    forget: returns the script that forgets what was derived for a release.
    """
    gone = past(place.kept, place.torn, serving)
    kept = [one for one in place.kept if one.id in gone]
    still = {one.manifest.artifact for one in place.kept if one.id not in gone}
    shared = {layout.run(one.manifest.release) for one in place.kept if one.id not in gone}
    proven = layout.proven(serving)
    return lines(
        sh("set -e"),
        sh("date -u +%Y-%m-%dT%H:%M:%SZ >{new} && mv -f {new} {proven}", new=f"{proven}.new", proven=proven),
        *(drop_release(layout, one, forget(one.id), shared) for one in kept),
        *(sh("rm -rf {folder}", folder=layout.release(name)) for name in place.torn if name in gone),
        *((sh("rm -rf {folders}", folders=layout.unproven),) if layout.unproven else ()),
        drop_artifacts(layout, [digest for digest in artifacts_of(kept) if digest not in still]),
    )


def drop_release(layout: Folders, kept: Kept, forget: Sh, shared: Collection[str] = ()) -> Sh:
    """Return the script that removes a release with its records. shared: what another version of it still uses."""
    folders = [layout.release(kept.id), layout.run(kept.manifest.release)]
    return lines(forget, sh("rm -rf {folders}", folders=[one for one in folders if one not in shared]))


def drop_artifacts(layout: Folders, digests: Sequence[str]) -> Sh:
    """Return the script that removes those of the artifacts that no release on the host names, with their templates.

    A release's manifest is written before its artifact is looked for, so what is in use is always named. What is being
    removed is first renamed: a copy that is half gone is never taken for whole.
    """
    one = sh(
        """\
for digest in {digests}; do
  if ! grep -qsF "\\"artifact\\": \\"$digest\\"" {customers}/*/releases/*/release.json; then
    rm -f {templates}/"$digest"-*
    if [ -e {artifacts}/"$digest" ]; then
      mv {artifacts}/"$digest" {artifacts}/".gone-$digest-$$" && rm -rf {artifacts}/".gone-$digest-$$"
    fi
  fi
done""",
        digests=digests,
        customers=layout.customers,
        artifacts=layout.artifacts,
        templates=layout.templates,
    )
    return one if digests else sh(":")


def left_but_data(layout: Folders) -> Sh:
    """Return the script that prints what is still in the contract's folder, beside the data that is kept."""
    return sh(
        "if [ -d {root} ]; then find {root} -mindepth 1 -maxdepth 1 ! -name data | head -n 20; fi", root=layout.root
    )
