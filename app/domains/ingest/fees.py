"""The fees of a reported trade: one amount in the settle asset, or a list of amounts by asset."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from app.api.schemas import Input
from app.domains.ingest.items import Asset
from app.domains.trading.fees import MOST_ASSETS, stored_text
from app.domains.trading.fields import Amount, quickly

NOTHING = Decimal(0)
_AMOUNT: TypeAdapter[Decimal] = TypeAdapter(Amount)


class Fee(Input):
    """A fee in one asset."""

    asset: Annotated[Asset, Field(examples=["BNB"])]
    amount: Annotated[Amount, Field(description="Positive if paid, negative if earned.")]


_FeeList = Annotated[list[Fee], Field(max_length=MOST_ASSETS)]


class _OneAmountOrSeveral:
    """An annotation of a list of fees that one amount may stand in the place of.

    A union would put the names of its members into the place of each fault.
    """

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        del source
        return core_schema.no_info_wrap_validator_function(
            self._read, handler.generate_schema(_FeeList)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [_AMOUNT.json_schema(), handler(schema)]}

    @staticmethod
    def _read(value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, list):
            fees = handler(value)
            if len({fee.asset for fee in fees}) < len(fees):
                raise ValueError("must name each asset once")
            return fees
        return quickly(value, _amount)


ReportedFees = Annotated[Decimal | list[Fee], _OneAmountOrSeveral()]


def _amount(value: Any) -> Decimal:
    try:
        return _AMOUNT.validate_python(value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise PydanticCustomError(fault["type"], fault["msg"]) from None


def by_asset(fees: Sequence[Fee], *, but: str | None = None) -> str | None:
    """Return the text to store of the fees in other assets than `but`."""
    return stored_text({fee.asset: fee.amount for fee in fees if fee.asset != but})


def in_asset(fees: Sequence[Fee], asset: str) -> Decimal:
    return next((fee.amount for fee in fees if fee.asset == asset), NOTHING)
