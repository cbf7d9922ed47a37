"""Which exceptions of a write are answers to the person who made it, and in which words."""

from django.db import DatabaseError, DataError, IntegrityError, ProgrammingError

from nexora.kernel.api.constraints import refused_by_database
from nexora.kernel.errors import Forbidden, Invalid, NexoraError

INSUFFICIENT_PRIVILEGE = "42501"


def refusal_of(error, *, deleting=False):
    """The NexoraError to show for `error`; None for what is a fault of ours and must surface."""
    match error:
        case NexoraError():
            return error if error.status < 500 else None
        case IntegrityError():
            return refused_by_database(error, deleting=deleting)
        case DataError():
            return Invalid("One of the values is too large, too long or of the wrong kind to be stored. Correct it.")
        case ProgrammingError() if getattr(error.__cause__, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
            return Forbidden("The database does not let your role change this. Ask the platform to do it.")
        case DatabaseError():
            return None
    return None
