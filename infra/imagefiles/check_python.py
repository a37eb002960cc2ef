"""check_python.py FROM BELOW: fails, saying why, where this Python is older than FROM or not older than BELOW."""

import sys

oldest, too_new = (tuple(int(part) for part in text.split(".")) for text in sys.argv[1:])
if not oldest <= sys.version_info[:2] < too_new:
    sys.exit(
        f"the base image has Python {sys.version.split()[0]}; the CRM needs {sys.argv[1]} or newer, below {sys.argv[2]}"
    )
