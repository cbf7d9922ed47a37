"""Secrets that must be read again, unlike passwords: encrypted, so that a copy of the database alone holds none.

The key follows from settings.SECRET_KEY. What was sealed with one of SECRET_KEY_FALLBACKS is still read.
"""

from base64 import urlsafe_b64encode
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"nexora.accounts.sealing"


class Unreadable(Exception):
    """Sealed with a key that is neither SECRET_KEY nor among its fallbacks."""


def seal(text):
    return _fernet().encrypt(text.encode()).decode()


def unseal(sealed):
    try:
        return _fernet().decrypt(sealed).decode()
    except InvalidToken as error:
        raise Unreadable("No key in use opens this secret.") from error


def reseal(sealed):
    """The same secret, sealed with the key of now: a former one is needed until everybody has signed in once."""
    return _fernet().rotate(sealed).decode()


def _fernet():
    return _of_keys(settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@cache
def _of_keys(*keys):
    return MultiFernet([Fernet(urlsafe_b64encode(_derived(key))) for key in keys])


def _derived(key):
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(key.encode())
