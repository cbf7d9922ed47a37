import hashlib

from django.db import models

from nexora.kernel import fields
from nexora.kernel.db.indexes import newest_first
from nexora.kernel.errors import Conflict, NotSignedIn
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import TenantModel

from .people import User


class SecondFactorRequired(NotSignedIn):
    """The password is right, and this person also has a second factor. Send its code, or a recovery code, as `code`."""

    code = "second_factor_required"
    title = "Second factor required"


class SecondFactorInvalid(NotSignedIn):
    """The code is wrong, has expired or was used before. The next one comes within 30 seconds."""

    code = "second_factor_invalid"
    title = "Code not accepted"


class SecondFactorEnrolmentRequired(NotSignedIn):
    """The organisation requires a second factor and this person has none. `POST auth/second-factor/` sets one up."""

    code = "second_factor_enrolment_required"
    title = "Second factor to be set up"


class SecondFactorNotStarted(Conflict):
    """Nothing is being set up. `POST auth/second-factor/` begins."""

    code = "second_factor_not_started"
    title = "Nothing to confirm"


class NoSecondFactor(Conflict):
    """The person has no second factor. `POST auth/second-factor/` sets one up."""

    code = "no_second_factor"
    title = "No second factor"


class SecondFactorMandatory(Conflict):
    """The organisation requires a second factor, so it can be replaced and not removed."""

    code = "second_factor_mandatory"
    title = "Second factor mandatory"


class SecondFactor(TenantModel):
    """What a person has beside the password: a TOTP secret that their phone holds, too.

    Secrets are kept encrypted (services/sealing.py), as a code cannot be compared with a hash. What happens to a factor
    is published as an event of the person.
    """

    publishes = False
    redacted = frozenset({"secret", "pending_secret"})

    id = fields.primary_key()
    tenant = fields.tenant_key()
    user = TenantForeignKey(User, models.DB_CASCADE, related_name="second_factors")
    secret = models.CharField(max_length=255, null=True, editable=False)
    pending_secret = models.CharField(
        max_length=255, null=True, editable=False, help_text="To take its place once a code of it has come."
    )
    confirmed_at = models.DateTimeField(null=True, blank=True, help_text="Empty while the first one is set up.")
    last_step = models.BigIntegerField(
        default=0, db_default=0, editable=False, help_text="Time step of the last code used: a code works once."
    )
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "second_factors"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "user"],
                name="second_factors_tenant_id_user_id_key",
                violation_error_message="This person has a second factor.",
            )
        ]
        indexes = [newest_first("second_factors")]

    def __str__(self):
        return f"second factor of {self.user_id}"


class RecoveryCode(TenantModel):
    """Takes the place of a code once, when the phone is lost. Kept as SHA-256 of person and code."""

    # Crockford's: no letter looks like another or like a digit.
    ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
    CONFUSED = str.maketrans("oil", "011", " -")

    publishes = False

    id = fields.primary_key()
    tenant = fields.tenant_key()
    user = TenantForeignKey(User, models.DB_CASCADE, related_name="recovery_codes")
    code = models.CharField(max_length=64, editable=False)
    used_at = models.DateTimeField(null=True, blank=True)
    created_at = fields.created_at()

    class Meta(TenantModel.Meta):
        db_table = "recovery_codes"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user", "code"], name="recovery_codes_tenant_id_user_id_code_key")
        ]

    def __str__(self):
        return f"recovery code of {self.user_id}"

    @classmethod
    def digest(cls, user_id, code):
        """The only form in which a code is stored. Of one person, so that nobody looks for all people's at once."""
        typed = code.lower().translate(cls.CONFUSED)
        return hashlib.sha256(f"{user_id}|{typed}".encode()).hexdigest()
