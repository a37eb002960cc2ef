"""compile.py FOLDER: compiles every module below the folder; what is no module for this Python is left as it is."""

import compileall
import py_compile
import sys

compileall.compile_dir(
    sys.argv[1],
    quiet=2,
    workers=0,
    maxlevels=50,
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
)
