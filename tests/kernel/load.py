"""Clients of several tenants that read and write without a pause, and remember what they were told."""

import http.client
import json
import random
import re
import threading
import time
from dataclasses import dataclass, field
from uuid import uuid4

PAUSE_SECONDS = 0.01
API = "/api/v1/customers/"
RECORD = re.compile(r">\s*([\w-]+ [0-9a-f]{8}-[0-9a-f-]{27})\s*<")


@dataclass(frozen=True)
class Answer:
    sent: float
    received: float
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Client(threading.Thread):
    """One connection that is kept. Everything it makes is named after its tenant, so that a stranger's row shows."""

    port: int
    person: object
    number: int
    strangers: list  # ids of other tenants' records, filled while the clients run
    stopping: threading.Event
    answers: list = field(default_factory=list)
    stored: dict = field(default_factory=dict)  # {Idempotency-Key: id} of each 201
    faults: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__(name=f"{self.person.subdomain}-{self.number}")
        self.dice = random.Random(self.name)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.headers = {"Host": self.person.host, "Authorization": f"Bearer {self.person.token}"}

    __hash__ = threading.Thread.__hash__

    def run(self):
        try:
            while not self.stopping.is_set():
                again = (self.list, self.get, self.get_a_strangers, self.open_admin) if self.stored else ()
                self.dice.choice((self.create, *again))()
                time.sleep(PAUSE_SECONDS)
        except Exception as error:
            self.faults.append(f"{self.name}: {error!r} after {self.answers[-1:]}")
        finally:
            self.connection.close()

    def ask(self, method, path, body=None, **headers):
        sent = time.monotonic()
        content = None if body is None else json.dumps(body)
        kind = {"Content-Type": "application/json"} if content else {}
        self.connection.request(method, path, content, self.headers | kind | headers)
        response = self.connection.getresponse()
        answer = Answer(sent, 0, response.status, dict(response.headers), response.read())
        answer = Answer(sent, time.monotonic(), answer.status, answer.headers, answer.body)
        self.answers.append(answer)
        return answer

    def expect(self, truth, answer):
        if not truth:
            self.faults.append(f"{self.name}: {answer}")

    # -- What it does; an answer of 503 says nothing

    def create(self):
        """With one key, until it is stored; then once more."""
        key = str(uuid4())
        name = f"{self.person.subdomain} {key}"
        while (answer := self.post(key, name)).status == 503:
            time.sleep(0.05)
        self.expect(answer.status == 201 and answer.json["name"] == name, answer)
        self.stored[key] = answer.json["id"]
        self.strangers.append((self.person.subdomain, answer.json["id"]))
        again = self.post(key, name)
        if again.status != 503:
            self.expect(again.status == 201 and again.json == answer.json, again)
            self.expect(again.headers.get("idempotency-replayed") == "true", again)

    def post(self, key, name):
        return self.ask("POST", API, {"name": name}, **{"Idempotency-Key": key})

    def list(self):
        answer = self.ask("GET", f"{API}?page_size=50&ordering=-created_at")
        if answer.status != 503:
            names = [row["name"] for row in answer.json["results"]]
            self.expect(answer.status == 200 and names and all(map(self.is_own, names)), answer)

    def get(self):
        wanted = self.dice.choice([*self.stored.values()])
        answer = self.ask("GET", f"{API}{wanted}/")
        if answer.status != 503:
            self.expect(answer.status == 200 and self.is_own(answer.json["name"]), answer)
            self.expect(answer.json["id"] == wanted, answer)

    def get_a_strangers(self):
        foreign = [key for subdomain, key in self.strangers[-50:] if subdomain != self.person.subdomain]
        if foreign:
            answer = self.ask("GET", f"{API}{self.dice.choice(foreign)}/")
            if answer.status != 503:
                self.expect(answer.status == 404, answer)

    def open_admin(self):
        answer = self.ask("GET", "/admin/crm/customer/", Cookie=f"sessionid={self.person.session}")
        if answer.status != 503:
            names = RECORD.findall(answer.body.decode())
            self.expect(answer.status == 200 and names and all(map(self.is_own, names)), answer)

    def is_own(self, name):
        return name.startswith(f"{self.person.subdomain} ")
