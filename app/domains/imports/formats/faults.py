"""Faults of a record as sentences that name places and kinds, and no values."""

from pydantic import BaseModel, ValidationError

from app.domains.imports.formats.row import Refusal
from app.domains.ingest.items import sentence_of

NO_RECORD = Refusal(
    "invalid_item", "The row is not a record of this format: not an object, or not as many cells."
)


def of_validation(error: ValidationError, model: type[BaseModel]) -> Refusal:
    known = {field.alias or name for name, field in model.model_fields.items()}
    return Refusal("invalid_item", sentence_of(error, known))
