"""Copies the libraries of the dashboard from their npm packages into the page's folder.

The page has no build step: a browser loads these modules as they stand. Only two things are changed
in a copy: a bare module name becomes the address of the file beside it, for which a page would need
an inline import map, and the note that names a source map goes.

    python -m scripts.vendor          compare the copies with the installed packages
    python -m scripts.vendor --write  copy them again (after `make page` has installed the packages)
"""

import hashlib
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "scripts" / "dashboard" / "node_modules"
VENDOR = ROOT / "app" / "dashboard" / "static" / "vendor"

FILES = {
    "preact.js": "preact/dist/preact.mjs",
    "hooks.js": "preact/hooks/dist/hooks.mjs",
    "signals-core.js": "@preact/signals-core/dist/signals-core.mjs",
    "signals.js": "@preact/signals/dist/signals.mjs",
    "htm.js": "htm/dist/htm.mjs",
    "uplot.js": "uplot/dist/uPlot.esm.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
}
"""The file in the page's folder, and where its package has it."""

_ADDRESSES = {
    "preact": "./preact.js",
    "preact/hooks": "./hooks.js",
    "@preact/signals-core": "./signals-core.js",
}
_IMPORTED = re.compile(rf"""(\bfrom ?)"({"|".join(sorted(map(re.escape, _ADDRESSES)))})\"""")
_SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=.*\n?")


def package_of(source: str) -> str:
    """Return the package that has a file."""
    return "/".join(source.split("/")[: 2 if source.startswith("@") else 1])


def copies() -> dict[str, str]:
    """Return the content of every file of the vendor folder by its name."""
    made = {name: _adapted((PACKAGES / source).read_text()) for name, source in FILES.items()}
    packages = sorted({package_of(source) for source in FILES.values()})
    for package in packages:
        licence = (PACKAGES / package / "LICENSE").read_text()
        made[f"LICENSE.{package.removeprefix('@').replace('/', '-')}.txt"] = licence
    made["versions.json"] = json.dumps(_versions(made), indent=2) + "\n"
    return made


def _adapted(code: str) -> str:
    code = _SOURCE_MAP.sub("\n", code)
    code = _IMPORTED.sub(lambda found: f'{found[1]}"{_ADDRESSES[found[2]]}"', code)
    return code.rstrip() + "\n"


def _versions(made: dict[str, str]) -> dict[str, dict[str, str]]:
    return {
        name: {
            "package": package_of(source),
            "version": _manifest(package_of(source))["version"],
            "license": _manifest(package_of(source))["license"],
            "sha256": hashlib.sha256(made[name].encode()).hexdigest(),
        }
        for name, source in FILES.items()
    }


def _manifest(package: str) -> dict[str, str]:
    manifest: dict[str, str] = json.loads((PACKAGES / package / "package.json").read_text())
    return manifest


def main(arguments: list[str]) -> int:
    made = copies()
    if "--write" in arguments:
        VENDOR.mkdir(parents=True, exist_ok=True)
        for name, content in made.items():
            (VENDOR / name).write_text(content)
        return 0
    # The modules' types are written by hand; each only names the package that has them.
    found = {file.name: file.read_text() for file in VENDOR.iterdir() if ".d.ts" not in file.name}
    differing = sorted(
        {name for name in made.keys() | found.keys() if made.get(name) != found.get(name)}
    )
    for name in differing:
        print(f"{VENDOR.relative_to(ROOT)}/{name} is not what its package gives", file=sys.stderr)
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
