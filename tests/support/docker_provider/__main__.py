"""The plugin's entry point; its one argument is the address of the Pulumi engine."""

from tests.support.docker_provider.serve import main

main()
