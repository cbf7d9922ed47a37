from django.contrib.auth.hashers import BCryptPasswordHasher

BCRYPT_BYTES = 72


class NodeBCryptPasswordHasher(BCryptPasswordHasher):
    """Verifies hashes of Node's bcrypt, which cuts passwords at 72 bytes; Python's bcrypt 5 refuses longer ones."""

    rounds = 10

    def encode(self, password, salt):
        bcrypt = self._load_library()
        data = bcrypt.hashpw(password.encode()[:BCRYPT_BYTES], salt)
        return f"{self.algorithm}${data.decode('ascii')}"

    def verify(self, password, encoded):
        try:
            return super().verify(password, encoded)
        except ValueError:  # no valid hash, such as the seed's '$2b$10$...'
            return False
