"""Rollouts of a customer who does not exist, for what looks at programs and never runs one."""

from __future__ import annotations

from crm.plan import Release
from infra.rollout import PASSWORD, SUPERUSER_PASSWORD, Limits, Placed, Rollout, Runs, Service, Slot, UploadFile

SECRET = "correct horse battery staple"  # noqa: S105
LIMITS = Limits(256, "1")
DATABASE = Service(
    "sha256:postgresql", LIMITS, (UploadFile(SUPERUSER_PASSWORD, 0o400, SECRET), UploadFile(PASSWORD, 0o400, SECRET))
)
REDIS = Service("sha256:redis", Limits(64, "0.5"))


def placed(version: str, digit: str, slot: Slot) -> Placed:
    return Placed(
        release=Release("creme", version, digit * 64, "2.8"),
        image=f"sha256:crm-{version}",
        slot=slot,
        host="crm.acme.example",
        processes=tuple(Runs(name, ("python", name), {"A": "1"}, "/release", 45, LIMITS) for name in ("web", "jobs")),
        health=("python", "probe.py"),
        files=(UploadFile("settings.py", 0o400, f"{SECRET} {version}"),),
    )


OLD = placed("2.8.5", "0", "a")
NEW = placed("2.8.6", "1", "b")


def rollout(*releases: Placed, serving: Placed | None, redis: Service | None = None) -> Rollout:
    return Rollout("acme", DATABASE, redis, releases, None if serving is None else serving.release.id)
