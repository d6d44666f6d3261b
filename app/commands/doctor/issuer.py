"""The issuer of users' tokens: its discovery document, its keys, its algorithms, its clock."""

from collections.abc import AsyncIterator, Sequence

from app.auth.issuer_metadata import parse_metadata
from app.auth.key_sets import BadKeySet, VerificationKey, matching, parse_key_set
from app.auth.remote_keys import DISCOVERY_PATH, BadAnswer, is_trustworthy
from app.auth.strict_json import NotAnObject, read_object
from app.commands.doctor.clocks import skew
from app.commands.doctor.finding import Finding, fault, ok, warning
from app.commands.doctor.part import Subject
from app.process.outbound import outbound_of
from app.process.startup import require_trustworthy_issuer
from app.settings import SettingsError
from botkeys.transport.client import HttpAnswer, HttpTransport, TransportError, TransportLimits

NAME = "issuer"
_OK = 200
_LIMITS = TransportLimits(attempts=1, connect_timeout=2, read_timeout=2, total_timeout=2)
_REMEDY = "Compare BOTKEYS_OIDC_ISSUER with the `iss` of a token, and try its address from here."


async def look(subject: Subject) -> AsyncIterator[Finding]:
    settings = subject.settings
    if subject.role is None:
        return
    issuer = settings.oidc_issuer
    if issuer is None:
        if subject.in_development:
            yield ok(NAME, "Development has its own.")
        else:
            yield fault(
                NAME,
                "BOTKEYS_OIDC_ISSUER is not set, but production has no issuer of its own.",
                "Set it to the `iss` of your users' tokens.",
            )
        return
    try:
        require_trustworthy_issuer(settings)
        outbound = outbound_of(settings)
    except SettingsError as error:
        yield fault(NAME, str(error), "See docs/deployment.md, The issuer and The way out.")
        return
    async with HttpTransport(_LIMITS, outbound=outbound) as transport:
        try:
            answer, keys = await _fetch(transport, subject, issuer)
        except TransportError as error:
            reason = (error.explanation or error.cause).removesuffix(".")
            yield fault(NAME, f"It cannot be reached ({reason}).", _REMEDY)
            return
        except (BadAnswer, BadKeySet, NotAnObject) as error:
            sentence = str(error) or "the response is not a JSON object"
            yield fault(NAME, f"Its answer cannot be used: {sentence}.", _REMEDY)
            return
    yield _algorithms(settings.oidc_algorithms, keys)
    yield _clock(settings.oidc_leeway, skew(answer))


def _algorithms(accepted: Sequence[str], keys: Sequence[VerificationKey]) -> Finding:
    usable = [name for name in accepted if matching(keys, None, name)]
    if usable:
        return ok(NAME, f"Its keys are for {', '.join(usable)}.")
    return fault(
        NAME,
        "None of its keys is for an algorithm in BOTKEYS_OIDC_ALGORITHMS.",
        "Add the algorithm that it signs with, which is in the header of a token.",
    )


def _clock(leeway: int, apart: float | None) -> Finding:
    if apart is None:
        return warning(NAME, "It does not state its time, so clocks were not compared.")
    if abs(apart) > leeway:
        return fault(
            NAME,
            f"Its clock and this machine's are {abs(apart):.0f} s apart, more than "
            "BOTKEYS_OIDC_LEEWAY.",
            "Synchronize this machine's clock (NTP).",
        )
    return ok(NAME, "Its clock and this machine's agree.")


async def _fetch(
    transport: HttpTransport, subject: Subject, issuer: str
) -> tuple[HttpAnswer, tuple[VerificationKey, ...]]:
    """Return the answer with the keys, and the keys; read the discovery document where it is used.

    Raises TransportError, BadAnswer, BadKeySet and NotAnObject.
    """
    settings = subject.settings
    url = settings.oidc_jwks_url
    if url is None or settings.serves_dashboard:
        found = await _get(transport, issuer.rstrip("/") + DISCOVERY_PATH)
        document = read_object(found.body)
        if document.get("issuer") != issuer:
            raise BadAnswer("the discovery document names another issuer")
        if settings.serves_dashboard:
            parse_metadata(document, issuer)
        if url is None:
            url = document.get("jwks_uri")
    if not isinstance(url, str) or not is_trustworthy(url):
        raise BadAnswer("the discovery document's jwks_uri is not an https URL")
    answer = await _get(transport, url)
    return answer, parse_key_set(answer.body)


async def _get(transport: HttpTransport, url: str) -> HttpAnswer:
    answer = await transport.request("GET", url, headers={"Accept": "application/json"})
    if answer.status != _OK:
        raise BadAnswer(f"it responded with status {answer.status}")
    return answer
