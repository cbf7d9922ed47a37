"""Django's session store, with keys kept as hashes: a copy of the database signs nobody in.

The table has room for 40 characters, which is 160 of the 256 bits.
"""

import hashlib

from django.contrib.sessions.backends import db

from nexora.kernel import clock


class SessionStore(db.SessionStore):
    @staticmethod
    def digest(session_key):
        return hashlib.sha256(session_key.encode()).hexdigest()[:40]

    def _get_session_from_db(self):
        rows = self.model.objects.filter(session_key=self.digest(self.session_key), expire_date__gt=clock.now())
        found = rows.first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key):
        return super().exists(self.digest(session_key))

    def create_model_instance(self, data):
        row = super().create_model_instance(data)
        row.session_key = self.digest(row.session_key)
        return row

    def delete(self, session_key=None):
        session_key = session_key or self.session_key
        if session_key:
            super().delete(self.digest(session_key))
