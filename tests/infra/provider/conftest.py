"""A real engine, its images, and the docker provider: the stand-in, or upstream's where one is named."""

from tests.support.engine import docker_client, engine
from tests.support.images import images
from tests.support.provider import provider_path

__all__ = ["docker_client", "engine", "images", "provider_path"]
