"""How soon the command line answers, beside Python doing nothing at all."""

import sys
from pathlib import Path

from benchmarks.measure import medians, show

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Time `--help` and `check` of one contract."""
    program = str(Path(sys.executable).with_name("crmhost"))
    contract = str(min((ROOT / "examples" / "contracts").glob("*.yaml")))
    taken = medians(
        {
            "floor": [sys.executable, "-c", "pass"],
            "help": [program, "--help"],
            "check": [program, "check", contract],
        },
        rounds=15,
    )
    floor = taken["floor"]
    beside = f"python -c pass {floor:.3f} s"
    show(
        [
            ("crmhost --help", f"{taken['help']:.3f} s ({taken['help'] / floor:.1f} x)", beside, "0.15 s"),
            (
                "crmhost check, one contract",
                f"{taken['check']:.3f} s ({taken['check'] / floor:.1f} x)",
                beside,
                "0.35 s",
            ),
        ]
    )


if __name__ == "__main__":
    main()
