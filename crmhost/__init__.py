"""The fleet, its secrets, the command line, and the one sequence of deploying."""
