"""Migration operations for what Django's state does not hold. Each is reversible and changes the database only."""

from .arrays import ArrayElements
from .functions import CurrentTenantFunction, NewOwnerFunction, OwnerFunction
from .numbers import ScaledColumns
from .partitions import HashPartitions
from .protection import CRUD, Grant, ProtectTable
from .reports import TenantReport
from .search import SearchColumns

__all__ = [
    "CRUD",
    "ArrayElements",
    "CurrentTenantFunction",
    "Grant",
    "HashPartitions",
    "NewOwnerFunction",
    "OwnerFunction",
    "ProtectTable",
    "ScaledColumns",
    "SearchColumns",
    "TenantReport",
]
