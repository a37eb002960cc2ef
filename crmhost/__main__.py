"""The entry point of the `crmhost` command."""

import gc
import os
import sys
from collections.abc import Sequence

# Looking for plugins of pydantic reads the metadata of every installed package; crmhost has none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 fine, 2 `plan` found changes, 1 anything else."""
    # Importing makes many objects and no garbage: looking for some less often saves a tenth of a short command's time.
    gc.set_threshold(20_000, 20, 20)
    from crmhost.cli.run import run

    return run(list(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
