"""The plugin's entry point; its one argument, the address of the Pulumi engine, is not needed."""

from tests.support.docker_provider.serve import main

main()
