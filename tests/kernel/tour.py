"""One person of each tenant does everything that there is to do, and knows exactly what must be answered."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import quote
from uuid import uuid4

from tests.kernel.load import API, Client

DEALS = "/api/v1/deals/"
STEPS = 120


@dataclass
class Tourist(Client):
    """Alone in its tenant: `customers` and `deals` are all there is."""

    customers: dict = field(default_factory=dict)  # {id: name}
    deals: dict = field(default_factory=dict)  # {id: value}

    __hash__ = Client.__hash__

    def run(self):
        try:
            self.create()
            for _ in range(STEPS):
                self.dice.choice(
                    (self.create, self.create_deal, self.list, self.get, self.update, self.delete, self.search,
                     self.aggregate, self.open_admin, self.meddle)
                )()  # fmt: skip
        except Exception as error:
            self.faults.append(f"{self.name}: {error!r} after {self.answers[-1:]}")
        finally:
            self.connection.close()

    def any(self):
        return self.dice.choice([*self.customers])

    def create(self):
        key, name = str(uuid4()), f"{self.person.subdomain} {uuid4()}"
        answer, again = self.post(key, name), self.post(key, name)
        self.expect(answer.status == 201 and answer.json["name"] == name, answer)
        self.expect(again.status == 201 and again.json == answer.json, again)
        self.expect(again.headers.get("idempotency-replayed") == "true", again)
        self.customers[answer.json["id"]] = name
        self.strangers.append((self.person.subdomain, answer.json["id"]))

    def create_deal(self):
        value = Decimal(self.dice.randrange(1, 10**6)) / 100
        deal = {"customer": self.any(), "title": "Deal", "value": f"{value:.2f}", "stage": "closed_won"}
        answer = self.ask("POST", DEALS, deal)
        self.expect(answer.status == 201, answer)
        self.deals[answer.json["id"]] = (deal["customer"], value)

    def list(self):
        answer = self.ask("GET", f"{API}?page_size=200&count=true")
        self.expect(answer.json["count"] == len(self.customers), answer)
        self.expect({row["id"]: row["name"] for row in answer.json["results"]} == self.customers, answer)

    def get(self):
        wanted = self.any()
        answer = self.ask("GET", f"{API}{wanted}/")
        self.expect((answer.status, answer.json.get("name")) == (200, self.customers[wanted]), answer)

    def update(self):
        wanted, name = self.any(), f"{self.person.subdomain} {uuid4()}"
        tag = self.ask("GET", f"{API}{wanted}/").headers["etag"]
        answer = self.ask("PATCH", f"{API}{wanted}/", {"name": name}, **{"If-Match": tag})
        self.expect((answer.status, answer.json.get("name")) == (200, name), answer)
        late = self.ask("PATCH", f"{API}{wanted}/", {"name": "lost"}, **{"If-Match": tag})
        self.expect(late.status == 412, late)
        self.customers[wanted] = name

    def delete(self):
        if len(self.customers) > 2:
            wanted = self.any()
            answer = self.ask("DELETE", f"{API}{wanted}/")
            self.expect(answer.status == 204, answer)
            self.expect(self.ask("GET", f"{API}{wanted}/").status == 404, answer)
            del self.customers[wanted]
            self.deals = {key: deal for key, deal in self.deals.items() if deal[0] != wanted}

    def search(self):
        wanted = self.any()
        answer = self.ask("GET", f"{API}?search={quote(self.customers[wanted])}")
        self.expect([row["id"] for row in answer.json["results"]] == [wanted], answer)

    def aggregate(self):
        answer = self.ask("GET", f"{DEALS}aggregate/?group_by=stage&sum=value&count=true")
        wanted = {"group": {"stage": "closed_won"}, "count": len(self.deals), "sum": {"value": self.revenue}}
        self.expect(answer.json["results"] == ([wanted] if self.deals else []), answer)

    @property
    def revenue(self):
        return f"{sum(value for _, value in self.deals.values()):.2f}"

    def meddle(self):
        """With somebody else's record, which is not there."""
        if foreign := [key for subdomain, key in self.strangers[-20:] if subdomain != self.person.subdomain]:
            address = f"{API}{self.dice.choice(foreign)}/"
            for answer in (
                self.ask("GET", address),
                self.ask("PATCH", address, {"name": "mine"}),
                self.ask("DELETE", address),
            ):
                self.expect(answer.status == 404, answer)
            deal = {"customer": self.dice.choice(foreign), "title": "Deal", "value": "1.00"}
            answer = self.ask("POST", DEALS, deal)
            self.expect(answer.status == 400 and answer.json["errors"].keys() == {"customer"}, answer)

    def open_admin(self):
        answer = self.ask("GET", "/admin/crm/customer/", Cookie=f"sessionid={self.person.session}")
        keys = set(re.findall(r"/admin/crm/customer/([0-9a-f-]{36})/change/", answer.body.decode()))
        self.expect(answer.status == 200 and keys and keys <= self.customers.keys(), answer)

    def read_report(self):
        answer = self.ask("GET", "/api/v1/analytics/revenue-by-month/")
        totals = [(row["total_revenue"], row["deal_count"]) for row in answer.json["results"]]
        self.expect(totals == [(self.revenue, len(self.deals))] and answer.json["as_of"], answer)
