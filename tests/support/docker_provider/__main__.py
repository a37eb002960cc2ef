"""The plugin's entry point; its one argument is the address of the Pulumi engine."""

import sys

sys.modules["paramiko"] = None  # type: ignore[assignment]  # docker-py's own ssh, not used: a quarter of the start

from tests.support.docker_provider.serve import main  # noqa: E402

main()
