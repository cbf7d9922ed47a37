"""How a line of the log is written."""

import logging
import re

# Programs' keys and signed tokens, by how they begin: somebody puts one where an id belongs, and an address is logged.
SECRET = re.compile(r"\b(nxk_(?=[\w-]{8})|eyJ(?=[\w-]+\.))[\w.-]+")


class Line(logging.Formatter):
    """Whatever is recognised as a secret is masked, in tracebacks too."""

    def format(self, record):
        return SECRET.sub(r"\1[secret]", super().format(record))
