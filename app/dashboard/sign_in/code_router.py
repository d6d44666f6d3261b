"""Routes of the sign-in with an issuer: to it and back."""

from dataclasses import replace
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from app.auth.code_flow import CALLBACK, CodeFlow, SignInRefused
from app.auth.cookies import read_cookie, set_cookie
from app.dashboard.sign_in.page import Message, message_page, problem_page, redirect
from app.dashboard.sign_in.return_paths import HOME, return_path
from app.dashboard.sign_in.site import SignInSite, address_of, site_of
from app.dashboard.sign_in.states import LIFETIME, SignInState, is_browser, new_browser
from app.domains.sessions.opening import ProofUsed
from app.errors import AppError, InvalidRequest

router = APIRouter(include_in_schema=False)

LOGIN = "/auth/login"
_LONGEST = 4096
_PARAMETERS = ("state", "code", "iss", "error")
_SENTENCES = {
    "access_denied": "You did not sign in, or your sign-in service did not allow it.",
    "login_required": "You are not signed in at your sign-in service.",
    "interaction_required": "Your sign-in service needs you to do something first.",
    "consent_required": "Your sign-in service needs your consent first.",
    "temporarily_unavailable": "Your sign-in service is busy. Try again in a moment.",
    "error": "Your sign-in service answered with an error. Sign in again.",
    "server_error": "Your sign-in service had a problem. Try again in a moment.",
}
"""The errors of RFC 6749 and OpenID Connect that a person can do something about, and any other."""

_NO_ISSUER = Message(
    "Sign in with a link",
    "This service has no sign-in service. In development, the last line of `make run` is a link "
    "that signs you in, and `botkeys dashboard --account alice` prints another.",
    ("Back", HOME),
    status=404,
)
_STALE = Message(
    "This sign-in is over",
    "It was finished before, took longer than ten minutes, or began in another browser.",
    ("Sign in", LOGIN),
)
_FOREIGN, _USED = "foreign_state", "used_state"
_REFUSED = "The answer of your sign-in service cannot be accepted. Sign in again."


@router.get(LOGIN)
async def log_in(request: Request) -> Response:
    """Send the browser to the issuer, and have it come back to where it was."""
    site = site_of(request)
    if site.flow is None:
        return message_page(_NO_ISSUER)
    back = return_path(request.query_params.get("return_to"))
    try:
        await site.admit(request)
        sent = read_cookie(request.scope["headers"], site.state_cookie_name)
        browser = sent if sent is not None and is_browser(sent) else new_browser()
        state = site.states.begin(browser, back, site.claimed_session(request))
        address = await site.flow.start_url(
            state=state.text, nonce=state.nonce, challenge=state.challenge
        )
    except AppError as error:
        return problem_page(error, ("Try again", _login(back)))
    # Lax: the issuer sends the browser back, which is a navigation from another site.
    cookie = set_cookie(site.state_cookie_name, browser, seconds=LIFETIME, same_site="Lax")
    return redirect(address, cookie)


@router.get(CALLBACK)
async def come_back(request: Request) -> Response:
    """Sign in whom the issuer names, and go where the browser was."""
    site = site_of(request)
    if site.flow is None:
        return message_page(_NO_ISSUER)
    back = HOME
    try:
        await site.admit(request)
        answer = _answer(request)
        state = _state(request, site, answer)
        back = state.return_to
        cookie = await _session(request, site, site.flow, state, answer)
    except SignInRefused as error:
        site.security.warn("sign_in_refused", reason=error.reason, address=address_of(request))
        return _refused(error, back)
    except AppError as error:
        return problem_page(error, ("Try again", _login(back)))
    return redirect(back, cookie)


def _state(request: Request, site: SignInSite, answer: dict[str, str]) -> SignInState:
    """Return what began in this browser; raise `SignInRefused`."""
    browser = read_cookie(request.scope["headers"], site.state_cookie_name)
    state = site.states.read(browser, answer.get("state", ""))
    if state is None:
        raise SignInRefused(_FOREIGN)
    return state


async def _session(
    request: Request, site: SignInSite, flow: CodeFlow, state: SignInState, answer: dict[str, str]
) -> str:
    """Return the Set-Cookie of a new session; raise `SignInRefused`."""
    await flow.check_sender(answer.get("iss"))
    if "error" in answer:
        known = answer["error"]
        raise SignInRefused(known if known in _SENTENCES else "error")
    if not answer.get("code"):
        raise SignInRefused("no_code")
    user, id_token = await flow.redeem(answer["code"], verifier=state.verifier, nonce=state.nonce)
    # By our own clock, which also says when an account was closed.
    user = replace(user, issued_at=state.began_at)
    try:
        return await site.begin(request, user, state.proof, former=state.former, id_token=id_token)
    except ProofUsed:
        raise SignInRefused(_USED) from None


def _answer(request: Request) -> dict[str, str]:
    """Return the parameters of the issuer's answer; raise `InvalidRequest` if one is sent twice."""
    sent = [pair for pair in request.query_params.multi_items() if pair[0] in _PARAMETERS]
    answer = dict(sent)
    if len(answer) != len(sent) or any(len(value) > _LONGEST for value in answer.values()):
        fault = {"loc": ["query"], "type": "repeated", "msg": "Sent twice, or too long"}
        raise InvalidRequest([fault], _REFUSED)
    return answer


def _refused(error: SignInRefused, back: str) -> Response:
    if error.reason in (_FOREIGN, _USED):
        return message_page(_STALE)
    sentence = _SENTENCES.get(error.reason, _REFUSED)
    return message_page(
        Message("You are not signed in", sentence, ("Sign in", _login(back)), status=401)
    )


def _login(back: str) -> str:
    return f"{LOGIN}?return_to={quote(back, safe='')}"
