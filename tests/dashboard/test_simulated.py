"""The credentials with which a developer fills the form of the dashboard."""

from app.dashboard.simulated import PATH
from app.main import create_app
from app.settings import Mode, Role, Settings


def served(settings: Settings, role: Role = Role.ALL) -> bool:
    return any(getattr(route, "path", "") == PATH for route in create_app(settings, role).routes)


def test_only_a_service_of_development_with_simulated_exchanges_gives_credentials() -> None:
    assert served(Settings(mode=Mode.DEVELOPMENT))
    assert not served(Settings(mode=Mode.DEVELOPMENT), Role.RUNTIME)
    assert not served(Settings(mode=Mode.DEVELOPMENT, dashboard=False))
    assert not served(Settings(mode=Mode.DEVELOPMENT, exchanges="real"))


def test_a_production_service_has_no_such_route() -> None:
    production = Settings(mode=Mode.DEVELOPMENT).model_copy(
        update={"mode": Mode.PRODUCTION, "exchanges": "real", "dashboard": True}
    )
    assert not served(production, Role.API)
