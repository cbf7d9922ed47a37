"""Standard Webhooks 1.0: whoever has the secret can tell that a message is ours, whole and recent; and we, theirs.

Secrets are stored nowhere: each follows from settings.SECRET_KEY, what it is for, whose it is and a serial number. The
next serial is a new secret. Messages signed with one of SECRET_KEY_FALLBACKS are still taken.
"""

import base64
import re
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.crypto import constant_time_compare
from standardwebhooks import Webhook

from nexora.kernel.errors import NexoraError

TOLERANCE = timedelta(minutes=5)
# Without a dot, which parts the id from what follows it in the signed text.
MESSAGE_ID = re.compile(r"[!-\-/-~]{1,200}")

_TIMESTAMP = re.compile(r"[0-9]{1,11}")


class BadSignature(NexoraError):
    """The message is not signed with the secret, or not lately. Sign it by Standard Webhooks, with the clock right."""

    status = 401
    code = "bad_signature"
    title = "Not signed by its secret"


def secret_for(purpose, owner_id, serial):
    """The secret, "whsec_…", by which the owner's messages for one purpose are signed.

    purpose   the subject of a feature, such as "workflows.trigger": other features have other secrets
    owner_id  UUID of the record that has the secret
    serial    its number; the next one makes a new secret
    """
    return _derived(settings.SECRET_KEY, purpose, owner_id, serial)


def sign(message_id, body, *, secret, at):
    """The three headers that sign `body` (bytes of UTF-8) at an aware datetime.

    secret    "whsec_…", or the bytes of a key
    """
    at = at.astimezone(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
    }


def verify(headers, body, *, purpose, owner_id, serial, now):
    """The id of a message that came in; raises BadSignature.

    The same id is the same message: a sender that got no answer sends it again, and so may whoever overheard it.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if not MESSAGE_ID.fullmatch(message_id):
        raise BadSignature("The header webhook-id must be 1 to 200 visible ASCII characters without a dot.")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise BadSignature("The header webhook-timestamp must be the seconds since 1970.")
    at = datetime.fromtimestamp(int(timestamp), UTC)
    if abs(now - at) > TOLERANCE:
        raise BadSignature(f"The message was signed at {at:%Y-%m-%d %H:%M:%S} UTC, more than 5 minutes from now.")
    if not _is_signed(signatures, message_id, body, at, (purpose, owner_id, serial)):
        raise BadSignature("The header webhook-signature holds no v1 signature of this message by its secret.")
    return message_id


def _is_signed(signatures, message_id, body, at, whose):
    given = signatures.split()
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            expected = sign(message_id, body, secret=_derived(key, *whose), at=at)["webhook-signature"]
        except UnicodeDecodeError:  # only text is signed
            return False
        if any(constant_time_compare(expected, signature) for signature in given):
            return True
    return False


def _derived(key, purpose, owner_id, serial):
    info = "\0".join(("nexora.kernel.signatures", purpose, str(owner_id), str(serial))).encode()
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.encode())
    return f"whsec_{base64.b64encode(derived).decode()}"
