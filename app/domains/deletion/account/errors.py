"""Refusals that concern the closing of an account.

AppError
└── OpenPositions
    └── AccountHasPositions    409 open_positions, with `count`
"""

from app.domains.trading.errors import OpenPositions


class AccountHasPositions(OpenPositions):
    """The refusal to close an account in which positions are open."""

    sentence = (
        "The account has {count} open {noun}, which no bot will manage once it is closed. "
        "Close them first, or send `force=true`."
    )
