import logging
import sys

from nexora.kernel.logs import Line


def test_a_key_or_a_signed_token_is_masked_in_the_line_and_in_its_traceback():
    key, token = "nxk_Abcdefgh-1234_5678", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s1gn-atu_re"
    try:
        raise ValueError(f"no {key}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "Not Found: %s", (f"/a/{token}/",), sys.exc_info())
    written = Line("%(message)s").format(record)
    assert written.startswith("Not Found: /a/eyJ[secret]/\n")
    assert "ValueError: no nxk_[secret]" in written
    assert not any(part in written for part in (key[4:], *token.split(".")))


def test_what_is_none_stays():
    record = logging.LogRecord("x", logging.INFO, "", 1, "key nxk_ of eyJafjallajökull", (), None)
    assert Line("%(message)s").format(record) == "key nxk_ of eyJafjallajökull"
