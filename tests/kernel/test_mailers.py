"""How mail leaves: by SMTP as SMTP_URL says, or into files."""

import contextlib
import io
import re
import socket
import stat
import threading
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from django.core import mail as django_mail
from django.core.mail import EmailMessage

from nexora.kernel import clock
from nexora.kernel.mailers import KEPT, SMTP, Outbox, kept_in, mailers, one_line, public_port, sender_address
from nexora.kernel.management.commands.up import Command

# -- SMTP_URL


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, "", "", True, False)),
        ("smtp://mail.example.com:2525?starttls=0", ("mail.example.com", 2525, "", "", False, False)),
        ("smtp://127.0.0.1?starttls=0", ("127.0.0.1", 25, "", "", False, False)),
        ("smtps://ada:s%40cret@mail.example.com", ("mail.example.com", 465, "ada", "s@cret", False, True)),
        ("smtp://ada%40x.org:pw@mail.example.com:25/", ("mail.example.com", 25, "ada@x.org", "pw", True, False)),
    ],
)
def test_one_variable_says_how_mail_leaves(url, expected):
    mailer = mailers({"SMTP_URL": url}, Path("/data"))["default"]
    assert mailer["BACKEND"] == SMTP
    options = mailer["OPTIONS"]
    assert tuple(options[name] for name in ("host", "port", "username", "password", "use_tls", "use_ssl")) == expected
    assert 0 < options["timeout"] < 20


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://ada:sesame@mail.example.com",
        "smtp://ada:sesame@",
        "smtp://ada:sesame@mail.example.com:port",
        "smtp://ada:ses/ame@mail.example.com",
        "smtp://ada:[sesame@mail.example.com",
        "smtp://sesame@mail.example.com",
        "smtp://ada:sesame@mail.example.com?tls=0",
        "smtp://ada:sesame@mail.example.com?starttls=no",
        "smtps://ada:sesame@mail.example.com?starttls=1",
        "smtp://ada:sesame@mail.example.com/inbox",
        "smtp://ada:sesame@mail.example.com#x",
    ],
)
def test_a_wrong_url_is_refused_by_a_sentence_without_its_password(url):
    with pytest.raises(ValueError, match=r"SMTP_URL .* It must be smtp://") as refused:
        mailers({"SMTP_URL": url}, Path("/data"))
    assert "ses" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_the_sender_is_one_address():
    assert sender_address({}, "nexora.example") == "no-reply@nexora.example"
    assert sender_address({"NEXORA_MAIL_FROM": "crm@nexora.example"}, "x") == "crm@nexora.example"
    with pytest.raises(ValueError, match="NEXORA_MAIL_FROM must be an address"):
        sender_address({"NEXORA_MAIL_FROM": "NEXORA <crm@nexora.example>"}, "x")


def test_the_public_port_is_a_port():
    assert (public_port({}), public_port({"NEXORA_PUBLIC_PORT": "8443"})) == (None, 8443)
    for wrong in ("0", "65536", "http", "-1", "²"):
        with pytest.raises(ValueError, match="NEXORA_PUBLIC_PORT must be a port"):
            public_port({"NEXORA_PUBLIC_PORT": wrong})


class SmtpServer(threading.Thread):
    """Takes one mail, as RFC 5321 says."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.commands, self.data = [], b""
        self.start()

    def run(self):
        with contextlib.closing(self.listening), self.listening.accept()[0] as client, client.makefile("rwb") as wire:

            def say(line):
                wire.write(line + b"\r\n")
                wire.flush()

            say(b"220 here")
            for line in wire:
                command = line.decode().strip().upper()
                self.commands.append(command)
                if command == "DATA":
                    say(b"354 go on")
                    self.data = b"".join(iter(wire.readline, b".\r\n"))
                say(b"221 bye" if command == "QUIT" else b"250 ok")
                if command == "QUIT":
                    return


def test_mail_is_handed_to_the_server_of_the_url(settings):
    server = SmtpServer()
    settings.MAILERS = mailers({"SMTP_URL": f"smtp://127.0.0.1:{server.port}?starttls=0"}, Path("/data"))
    EmailMessage("Grüße", "Hello", "no-reply@localhost", ["ada@example.com"]).send()
    server.join(10)
    assert "MAIL FROM:<NO-REPLY@LOCALHOST>" in " ".join(server.commands)
    assert message_from_bytes(server.data, policy=policy.default)["subject"] == "Grüße"


# -- Files


@pytest.fixture
def directory(settings, tmp_path):
    settings.MAILERS = mailers({}, tmp_path)
    assert settings.MAILERS["default"]["BACKEND"] == KEPT
    return tmp_path / "mail"


def keep(subject="Hello Ada!", to="ada@example.com", template=None):
    message = EmailMessage(subject, "Open it.", "no-reply@localhost", [to])
    message.template = template
    message.send()


def test_without_a_server_each_mail_is_a_file_of_its_own_for_nobody_else(directory):
    with clock.frozen_at(datetime(2026, 11, 26, 8, 15, 1, 5, tzinfo=UTC)):
        keep()
        keep(template="verify_email")
    first, second = sorted(directory.iterdir())
    assert first.name.startswith("20261126T081501.000005Z-hello-ada-")
    assert second.name.startswith("20261126T081501.000005Z-verify_email-")
    assert {first.suffix, second.suffix} == {".eml"}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (directory, first, second)] == [0o700, 0o600, 0o600]
    message = message_from_bytes(first.read_bytes(), policy=policy.default)
    assert (message["to"], message["subject"]) == ("ada@example.com", "Hello Ada!")
    assert message.get_content() == "Open it.\r\n"


def test_a_link_stays_in_one_piece(directory):
    link = f"http://acme.localhost/verify-email?token={'x' * 600}"
    EmailMessage("Zoë", f"Öffne\n\n{link}\n", "no-reply@localhost", ["ada@example.com"]).send()
    (path,) = directory.iterdir()
    assert f"\r\n{link}\r\n".encode() in path.read_bytes()
    assert "Öffne".encode() in path.read_bytes()


def test_a_subject_never_leads_out_of_the_directory(directory):
    keep("../../etc/passwd")
    keep("…")
    assert {path.parent for path in directory.rglob("*.eml")} == {directory}


def test_what_comes_later_is_new_and_new_but_once(directory):
    assert Outbox(kept_in()).new() == []
    keep("Before")
    outbox = Outbox(kept_in())
    keep("One", "ada@example.com")
    keep("Two", "eve@example.com")
    found = outbox.new()
    assert [(to, subject) for _, to, subject in found] == [("ada@example.com", "One"), ("eve@example.com", "Two")]
    assert all(path.exists() for path, _, _ in found)
    assert outbox.new() == []


def test_no_subject_writes_to_the_terminal_what_it_should_not(directory):
    outbox = Outbox(kept_in())
    keep("\x1b[2JHello\u202e")
    assert [subject for _, _, subject in outbox.new()] == ["[2JHello"]


def test_make_run_prints_where_each_mail_is(directory, monkeypatch):
    monkeypatch.chdir(directory.parent)
    up = Command(stdout=io.StringIO())
    up.outbox = Outbox(kept_in())
    keep("Confirm your address", template="verify_email")
    up.show_mail()
    up.show_mail()
    printed = up.stdout.getvalue()
    assert re.fullmatch(
        r"mail \.{14} mail/\S+-verify_email-\S+\.eml to ada@example.com: Confirm your address\n", printed
    )


def test_where_mail_leaves_there_is_nothing_to_watch(settings):
    settings.MAILERS = mailers({"SMTP_URL": "smtp://mail.example.com"}, Path("/data"))
    assert kept_in() is None
    assert Outbox(kept_in()).new() == []


def test_tests_send_no_mail():
    assert type(django_mail.mailers.default).__module__ == "django.core.mail.backends.locmem"


def test_one_line_shows_all_that_it_holds():
    assert one_line(" Ada\r\n\tLovelace\u2029\u200b\x00 ") == "Ada Lovelace"
    assert one_line("Zoë Ünï – 北京") == "Zoë Ünï – 北京"
