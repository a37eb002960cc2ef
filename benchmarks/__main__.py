"""Run every benchmark, or those that are named, and print one table after another."""

import runpy
import sys
from pathlib import Path


def main(names: list[str]) -> int:
    """Run the benchmarks; returns 1 when a name is unknown."""
    known = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 1
    for name in names or known:
        print(f"\n{name}", flush=True)
        runpy.run_module(f"benchmarks.bench_{name}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
