"""`python -m shifts_api`: the service on its own."""

import sys

import uvicorn
from pydantic import ValidationError

from shifts_api.app import create_app
from shifts_api.settings import ApiSettings


def main() -> None:
    """Serves until told to stop; a bad setting is one line and exit code 1."""
    try:
        settings = ApiSettings()
    except ValidationError as error:
        first = error.errors()[0]
        sys.exit(f"shifts_api: SHIFTS_{str(first['loc'][0]).upper()}: {first['msg']}")
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        timeout_graceful_shutdown=4,
        access_log=False,
    )


if __name__ == "__main__":
    main()
