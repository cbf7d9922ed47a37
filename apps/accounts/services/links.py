"""Links that are signed and stored nowhere."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import Token

from nexora.kernel import clock, scope
from nexora.kernel.errors import Invalid

# What following the link confirms: that a sign-up is its owner's, or just that an account's address is.
SIGN_UP, ADDRESS = "sign_up", "address"


class LinkNotValid(Invalid):
    """The link has been used, has expired, was cut short, or belongs to another address or organisation."""

    code = "link_not_valid"
    title = "Link not valid"

    def __init__(self, remedy):
        message = f"This link is not valid, or no longer so: it may have been used already. {remedy}"
        super().__init__(message, fields={"token": [message]})


class EmailToken(Token):
    token_type = "email_verification"  # noqa: S105  (a kind of token, not one)
    lifetime = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class EmailClaims:
    user_id: UUID
    email: str
    purpose: str


def email_token(*, user, purpose):
    """Text that proves, for 72 hours, that its holder reads the mail of `user`'s present address."""
    token = EmailToken()
    token.set_exp(from_time=clock.now())
    token["sub"] = str(user.pk)
    token["email"] = user.email
    token["tenant"] = str(user.tenant_id)
    token["purpose"] = purpose
    return str(token)


def read_email_token(text):
    """The EmailClaims of a token of the tenant in scope, or None."""
    try:
        token = EmailToken(text)
        if token["tenant"] != str(scope.current_tenant_id()):
            return None
        return EmailClaims(UUID(token["sub"]), token["email"], token["purpose"])
    except (TokenError, KeyError, ValueError, TypeError, AttributeError):
        return None
