"""What is recorded of a host's own stack in its folder, so that plain `pulumi up` there makes just that. Pure."""

from __future__ import annotations

import json

from crm.errors import CrmhostError
from infra.settings import HostSettings, Images, Ingress
from infra.workfolder import reach_from, reach_to


def host_to(settings: HostSettings) -> str:
    """Return, as JSON, what the host's program reads of the settings; nothing in it is secret.

    How this machine itself reaches the ingress is left out: it makes no resource another one.
    """
    ingress = settings.ingress
    said = {
        "certificates": ingress.certificates,
        "email": ingress.email,
        "http": ingress.http,
        "https": ingress.https,
        "bind": ingress.bind,
    }
    return json.dumps({"reach": reach_to(settings.reach), "image": settings.images.ingress, "ingress": said})


def host_from(text: str) -> HostSettings:
    """Return what `host_to` wrote, without what is not in it; raises CrmhostError for anything else."""
    try:
        raw = json.loads(text)
        images = Images("", "", "", raw["image"])
        return HostSettings(reach_from(raw["reach"]), images, Ingress(**raw["ingress"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CrmhostError(
            f"the stack's configuration does not hold a Docker host ({type(error).__name__}: {error})",
            "It is written by crmhost alone; remove that line and let crmhost write it: crmhost host up ADDRESS",
        ) from error
