"""The entry point of the `crmhost` command."""

import os
import sys
from collections.abc import Sequence

# Looking for plugins of pydantic reads the metadata of every installed package; crmhost has none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 fine, 2 `plan` found changes, 1 anything else."""
    from crmhost.cli.run import run

    return run(list(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
