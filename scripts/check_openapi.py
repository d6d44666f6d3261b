"""Does `openapi/openapi.json` equal what the application says? Exits with 1 where not."""

import json
import sys
from pathlib import Path

from app.documentation import openapi_document
from app.main import create_app
from app.settings import Mode, Settings

COMMITTED = Path(__file__).resolve().parents[1] / "openapi" / "openapi.json"


def main() -> int:
    said = openapi_document(create_app(Settings(mode=Mode.DEVELOPMENT)))
    if json.loads(COMMITTED.read_text()) != json.loads(json.dumps(said)):
        print("openapi/openapi.json is out of date: run `make openapi`.", file=sys.stderr)
        return 1
    print("OpenAPI: as committed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
