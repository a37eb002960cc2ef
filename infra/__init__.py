"""The cloud driver: Pulumi programs, a stack for each customer."""
