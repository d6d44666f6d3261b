"""What a bot says of itself, and what it is told."""

from typing import Annotated

from pydantic import ConfigDict, Field

from app.schemas import Document, Input


class Heartbeat(Input):
    """That the bot lives. No body at all says the same."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class HeartbeatAnswer(Document):
    """`config_version` differs from the bot's own where the configuration has changed since."""

    config_version: Annotated[str, Field(examples=["5d41402abc4b2a76b9719d911017c592"])]
    may_open_positions: bool
