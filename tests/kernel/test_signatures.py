"""Who signed a message, and which secrets there are."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from nexora.kernel.signatures import BadSignature, secret_for, sign, verify

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
OWNER = UUID(int=7)
WHOSE = {"purpose": "workflows.trigger", "owner_id": OWNER, "serial": 1}
BODY = '{"grüße": 1}'.encode()


def signed(body=BODY, *, message_id="msg_1", at=NOW, **whose):
    return sign(message_id, body, secret=secret_for(**(WHOSE | whose)), at=at)


def refusal(headers, body=BODY, now=NOW, **whose):
    with pytest.raises(BadSignature) as refused:
        verify(headers, body, now=now, **(WHOSE | whose))
    assert (refused.value.status, refused.value.code) == (401, "bad_signature")
    return refused.value.detail


# -- Secrets


def test_a_secret_is_what_standard_webhooks_takes_and_always_the_same():
    secret = secret_for("workflows.trigger", OWNER, 1)
    assert secret.startswith("whsec_") and len(b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret == secret_for("workflows.trigger", UUID(int=7), 1)


def test_purpose_owner_serial_and_key_make_other_secrets(settings):
    secrets = {
        secret_for("workflows.trigger", OWNER, 1),
        secret_for("workflows.trigger", OWNER, 11),
        secret_for("workflows.trigger", UUID(int=8), 1),
        secret_for("webhooks", OWNER, 1),
    }
    settings.SECRET_KEY = "another" * 8
    assert len(secrets | {secret_for("workflows.trigger", OWNER, 1)}) == 5


def test_no_key_leaks_into_a_secret(settings):
    assert settings.SECRET_KEY.encode() not in b64decode(secret_for("x", OWNER, 1).removeprefix("whsec_"))


# -- Signing


def test_the_example_of_the_specification():
    headers = sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        at=datetime.fromtimestamp(1614265330, UTC),
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_zone_of_the_time_does_not_matter():
    there = datetime.fromisoformat("2026-11-26T18:00:00.9+09:00")
    assert signed(at=there) == signed(at=NOW)


def test_a_key_may_be_bytes():
    secret = secret_for(**WHOSE)
    assert sign("a", b"", secret=b64decode(secret.removeprefix("whsec_")), at=NOW) == sign(
        "a", b"", secret=secret, at=NOW
    )


# -- Verifying


def test_a_signed_message_has_its_id():
    assert verify(signed(), BODY, now=NOW, **WHOSE) == "msg_1"
    assert verify({name.title(): value for name, value in signed().items()}, BODY, now=NOW, **WHOSE) == "msg_1"


def test_the_library_of_others_signs_as_we_do():
    now = datetime.now(UTC)
    signature = Webhook(secret_for(**WHOSE)).sign("msg_2", now, BODY.decode())
    headers = {"webhook-id": "msg_2", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    assert verify(headers, BODY, now=now, **WHOSE) == "msg_2"
    assert Webhook(secret_for(**WHOSE)).verify(BODY, signed(at=now)) == {"grüße": 1}


def test_one_of_several_signatures_is_enough():
    headers = signed()
    headers["webhook-signature"] = f"v1a,abc nonsense v1,abc= {headers['webhook-signature']}"
    assert verify(headers, BODY, now=NOW, **WHOSE) == "msg_1"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "\xff\xfe"},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
    ],
)
def test_another_message_is_refused(change):
    assert "webhook-signature" in refusal(signed() | change)


def test_another_version_of_a_signature_is_none():
    headers = signed()
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    refusal(headers)


def test_another_body_owner_purpose_or_serial_is_refused():
    refusal(signed(), b'{"gr": 1}')
    refusal(signed(), b"\xff")
    refusal(signed(), owner_id=UUID(int=8))
    refusal(signed(), purpose="webhooks")
    refusal(signed(), serial=2)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed(header):
    headers = signed()
    del headers[header]
    assert header in refusal(headers)


def test_five_minutes_are_the_limit_on_either_side():
    for seconds in (-300, 300):
        assert verify(signed(), BODY, now=NOW + timedelta(seconds=seconds), **WHOSE) == "msg_1"
    for seconds in (-301, 301):
        assert "more than 5 minutes" in refusal(signed(), now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "1795683600.5", "²", "9" * 12, "nan", " 1"])
def test_a_timestamp_is_whole_seconds(timestamp):
    assert "webhook-timestamp must be" in refusal(signed() | {"webhook-timestamp": timestamp})
    assert "5 minutes" in refusal(signed() | {"webhook-timestamp": "9" * 11})


@pytest.mark.parametrize("message_id", ["", "x" * 201, "a b", "a.b", "é", "a\n"])
def test_an_id_is_short_and_visible(message_id):
    assert "webhook-id must be" in refusal(signed(message_id=message_id))
    assert verify(signed(message_id="x" * 200), BODY, now=NOW, **WHOSE) == "x" * 200


def test_secrets_of_former_keys_still_verify_and_sign_no_more(settings):
    former, headers = settings.SECRET_KEY, signed()
    settings.SECRET_KEY = "another" * 8
    refusal(headers)
    settings.SECRET_KEY_FALLBACKS = ["a third", former]
    assert verify(headers, BODY, now=NOW, **WHOSE) == "msg_1"
    assert signed() != headers
    assert verify(signed(), BODY, now=NOW, **WHOSE) == "msg_1"
