"""Answers that are given again: the store of nexora.kernel.api.idempotency."""

from datetime import timedelta

from nexora.kernel import clock
from nexora.kernel.api.idempotency import KEPT_HOURS, Answer

from ..models import IdempotencyKey


class AnswerStore:
    NO_RECORD = "kept answers are no business records"

    def find(self, claim):
        kept = IdempotencyKey.objects.filter(
            tenant_id=claim.tenant_id, user_id=claim.user_id, route=claim.route, key=claim.key
        )
        found = kept.first()
        if found and found.created_at <= clock.now() - timedelta(hours=KEPT_HOURS):
            # The nightly removal has not come by yet.
            kept.unpublished(self.NO_RECORD).delete()
            return None
        return found and Answer(found.body, found.status, found.headers, found.answer)

    def keep(self, claim, answer):
        IdempotencyKey(
            tenant_id=claim.tenant_id,
            user_id=claim.user_id,
            route=claim.route,
            key=claim.key,
            body=claim.body,
            status=answer.status,
            headers=answer.headers,
            answer=answer.text,
        ).save(force_insert=True)

    def delete_old(self):
        """Remove answers too old to be given again, in the scope in force; answers how many."""
        old = IdempotencyKey.objects.filter(created_at__lte=clock.now() - timedelta(hours=KEPT_HOURS))
        return old.unpublished(self.NO_RECORD).delete()[0]
