"""Documents generated from the code: the OpenAPI document, tables of settings and exchanges.

`python -m scripts.documents` checks that the committed ones match the code, and exits with 1 if one
does not; with `--write` it writes them.
"""

import json
import sys
from pathlib import Path
from typing import Any

from app.api.openapi import openapi_document
from app.main import create_app
from app.settings import PREFIX, Mode, Settings
from botkeys.exchanges.model import ExchangeProfile
from botkeys.exchanges.registry import EXCHANGES

ROOT = Path(__file__).resolve().parents[1]

_BEGIN = "<!-- what stands here up to the end mark is made by `make documents` -->"
_END = "<!-- end -->"
_TABLE_HEAD = (
    "| exchange | live | testnet | contracts | margin modes | leverage | credentials "
    "| permissions to give |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n"
)

_SETTINGS_HEAD = f"""\
# Settings

Every setting is an environment variable. A variable that begins with `{PREFIX}` and is none of
these is refused at start, with the name that was probably meant. This page is made by
`make documents`.

| variable | default | meaning |
| --- | --- | --- |
"""


def openapi() -> str:
    document = openapi_document(create_app(Settings(mode=Mode.DEVELOPMENT)))
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def settings() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        default = _default(field.get_default(call_default_factory=True))
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {meaning} |\n")
    return _SETTINGS_HEAD + "".join(rows)


def _default(value: Any) -> str:
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, tuple):
        return f"`{' '.join(value)}`"
    return f"`{value}`"


def exchanges() -> str:
    """Return docs/exchanges.md with the table of what each exchange offers renewed."""
    before, _, rest = (ROOT / "docs/exchanges.md").read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    rows = [_exchange_row(profile) for profile in EXCHANGES.values()]
    return "".join([before, _BEGIN, "\n\n", _TABLE_HEAD, *rows, "\n", _END, after])


def _exchange_row(profile: ExchangeProfile) -> str:
    environments = [
        ": ".join(filter(None, [place.availability, place.note]))
        for place in profile.environments.values()
    ]
    cells = [
        f"{profile.name} `{profile.exchange}`",
        *environments,
        ", ".join(profile.contract_types),
        f"{', '.join(profile.margin_modes)} (per {profile.margin_mode_scope})",
        profile.leverage.replace("_", " "),
        ", ".join(f"`{field.name}`" for field in profile.credential_fields),
        "; ".join(profile.required_permissions),
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


DOCUMENTS = {
    "openapi/openapi.json": openapi,
    "docs/settings.md": settings,
    "docs/exchanges.md": exchanges,
}


def main(arguments: list[str]) -> int:
    stale = []
    for name, make in DOCUMENTS.items():
        path = ROOT / name
        content = make()
        if "--write" in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != content:
            stale.append(name)
    if stale:
        print(f"Out of date: {', '.join(stale)}. Run `make documents`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
