"""Routes of the sign-in that every dashboard has: who is signed in, signing out, and links."""

from fastapi import APIRouter, Request, Response

from app.api.json_response import json_answer
from app.auth.cookies import CLEARED, is_same_origin
from app.auth.errors import SessionExpired, TokenFault, Unauthenticated
from app.auth.principal import UserPrincipal, account_id
from app.auth.scopes import USER_SCOPES
from app.dashboard.sign_in.one_time_links import PATH, OneTimeLink
from app.dashboard.sign_in.page import Message, button_page, message_page, problem_page, redirect
from app.dashboard.sign_in.site import address_of, site_of
from app.domains.sessions.opening import ProofUsed
from app.errors import AppError, NotFound
from botkeys.addresses import is_loopback

router = APIRouter(prefix="/auth", include_in_schema=False)

_USELESS = Message(
    "This link cannot be used",
    "It was used before, is older than 15 minutes, or belongs to another service. "
    "`botkeys dashboard --account NAME` prints a new one, with the service's BOTKEYS_DATA_DIR.",
    ("Open the dashboard", "/"),
    status=410,
)


@router.get("/session")
async def get_session(request: Request) -> Response:
    """Return who is signed in with this browser, and until when."""
    found = await site_of(request).authentication.signed_in(request)
    user = found.user
    return json_answer(
        {
            "session_id": user.session_id,
            "account_id": user.account_id,
            "subject": user.subject,
            "scopes": sorted(user.scopes),
            "created_at": user.issued_at,
            "expires_at": found.expires_at,
        }
    )


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End the browser's session; answer where the page goes next.

    A session that is over already is no error: the browser forgets its cookie.
    """
    site = site_of(request)
    if not is_same_origin(request.scope["headers"]):
        raise Unauthenticated(TokenFault.NO_SESSION)
    try:
        user = (await site.authentication.signed_in(request)).user
    except SessionExpired:
        pass
    else:
        if user.session_id is not None:
            await site.end(request, user, user.session_id)
    elsewhere = None if site.flow is None else await site.flow.end_url()
    response = json_answer({"location": elsewhere or "/"})
    for cookie in CLEARED:
        response.headers.append("Set-Cookie", cookie)
    return response


@router.get("/link/{token}")
async def show_link(request: Request, token: str) -> Response:
    """Show a button: a program that only looks at links does not use this one up."""
    try:
        await _link(request, token)
    except AppError as error:
        return _refused(error)
    return button_page(
        Message(
            "Sign in to Botkeys",
            "This link signs this browser in, once.",
            ("Sign in", f"{PATH}/{token}"),
            status=200,
        )
    )


@router.post("/link/{token}")
async def use_link(request: Request, token: str) -> Response:
    """Sign in with a link, if a person pressed the button on our page."""
    site = site_of(request)
    try:
        link = await _link(request, token)
        user = _user_of(link)
        if request.headers.getlist("sec-fetch-site") != ["same-origin"]:
            raise NotFound
        former = site.claimed_session(request)
        cookie = await site.begin(request, user, link.proof, former=former)
    except (AppError, ProofUsed) as error:
        return _refused(error)
    return redirect("/", cookie)


async def _link(request: Request, token: str) -> OneTimeLink:
    """Return what a link says; raise `NotFound` for any that is not to be used from there."""
    site = site_of(request)
    await site.admit(request)
    link = None
    if site.links is not None and is_loopback(address_of(request)):
        link = site.links.read(token)
    if link is None:
        raise NotFound
    return link


def _user_of(link: OneTimeLink) -> UserPrincipal:
    return UserPrincipal(
        account_id=account_id(link.issuer, link.account),
        issuer=link.issuer,
        subject=link.account,
        scopes=USER_SCOPES,
        token_id=None,
        issued_at=link.made_at,
        actor="user",
        acting_service=None,
    )


def _refused(error: AppError | ProofUsed) -> Response:
    """Return the page of a refusal: nobody who follows a link can read a problem document."""
    if isinstance(error, ProofUsed | NotFound):
        return message_page(_USELESS)
    return problem_page(error, ("Open the dashboard", "/"))
