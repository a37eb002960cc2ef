"""The Pulumi program, where `Pulumi.yaml` of the repository is used; a stack's own folder calls the same."""

from infra.byhand import main

main()
