"""The rows of `seed_demo`, as lines of COPY: a pure function of its parameters, made one at a time.

Nothing is kept between rows. Ids and times of a row are computed from its number, so that a deal finds its customer and
an activity its deal without a list of either: a hundred rows take as much memory as a hundred million.
"""

import json
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from math import exp
from random import Random

from nexora.bench import words

# "Today" of the seeded businesses. Fixed, so that the same seed makes the same rows on every day.
ANCHOR = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
SPAN_DAYS = 730  # two years of business before it
HORIZON_DAYS = 120  # due dates and expected closings after it

# Of `nexora-demo`. A constant: 50,000 people hashed with argon2 would take an hour.
PASSWORD_HASH = (
    "argon2$argon2id$v=19$m=102400,t=2,p=8$ZE5TUkIyQjNyQUZwaW5mYnQxeWF6SQ$"  # noqa: S105
    "lV03QC9Q6roL+RJ8MPWBFQE3Q4N25O5aZ6yxdJhNgww"
)

ROLES = ("admin", "manager", "user", "guest")
WRITERS = 3  # the first of them: guests only read
PLANS = {"free": (2, "0.00"), "growth": (10, "49.00"), "pro": (50, "199.00"), "enterprise": (500, "999.00")}
STAGES = {  # share of deals, probability of winning
    "qualification": (18, 10),
    "proposal": (14, 35),
    "negotiation": (10, 65),
    "closed_won": (33, 100),
    "closed_lost": (25, 0),
}
STATUSES = {"lead": 30, "prospect": 25, "active": 35, "churned": 10}
TYPES = {"call": 25, "email": 35, "meeting": 12, "task": 18, "note": 10}

COLUMNS = {
    "tenants": "id name subdomain plan status settings created_at updated_at",
    "subscriptions": "id tenant_id plan status ai_credits users_limit storage_limit features billing_cycle amount "
    "next_billing_date created_at updated_at",
    "users": "id email password_hash name tenant_id role status email_verified created_at updated_at",
    "customers": "id tenant_id name email phone company status tags custom_fields created_by created_at updated_at",
    "deals": "id tenant_id customer_id title value stage probability expected_close_date assigned_to created_at "
    "updated_at closed_at",
    "activities": "id tenant_id customer_id deal_id type subject description due_date completed assigned_to created_by "
    "created_at updated_at",
}
LINES = {
    "tenants": "tenant_lines",
    "subscriptions": "subscription_lines",
    "users": "user_lines",
    "customers": "customer_lines",
    "deals": "deal_lines",
    "activities": "activity_lines",
}
NULL = r"\N"

_GOLDEN = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd: consecutive numbers scatter over all 128 bits, none twice
_MASK = (1 << 128) - 1
_VERSION_4 = ~(0xF << 76 | 0x3 << 62) & _MASK
_IS_VERSION_4 = 0x4 << 76 | 0x2 << 62

_DAYS = [
    (ANCHOR - timedelta(days=SPAN_DAYS - number)).date().isoformat() for number in range(SPAN_DAYS + HORIZON_DAYS + 1)
]
_MINUTES = [f" {7 + number // 60:02}:{number % 60:02}" for number in range(11 * 60)]  # people work from 7 to 18


def weighted(shares):
    """A hundred entries or so, from which one is drawn by its share."""
    return [name for name, share in shares.items() for _ in range(share)]


_STAGES = weighted({stage: share for stage, (share, _) in STAGES.items()})
_STATUSES, _TYPES = weighted(STATUSES), weighted(TYPES)


def moment(fraction):
    """`fraction` of the two years, in working hours, as text."""
    days = fraction * SPAN_DAYS
    day = int(days)
    second = int((days - day) * 39_600)
    return f"{_DAYS[day]}{_MINUTES[second // 60]}:{second % 60:02}+00"


class Organisation:
    """One tenant: its number, how many rows it has, and the ids and times of each."""

    def __init__(self, seed, number, customers, deals, activities):
        self.seed, self.number = seed, number
        self.customers, self.deals, self.activities = customers, deals, activities
        self._bases = {
            table: int.from_bytes(blake2b(f"{seed}/{number}/{table}".encode(), digest_size=16).digest())
            for table in COLUMNS
        }
        self.id = self.key("tenants", 0)
        self.subdomain = f"seed-{number:05}"
        self.plan = ("growth", "free", "pro", "growth", "enterprise", "pro")[number % 6]
        self.people = [self.key("users", index) for index in range(len(ROLES))]

    def chance(self, table):
        return Random(self._bases[table])

    def key(self, table, index):
        bits = (self._bases[table] + index * _GOLDEN) & _MASK
        text = f"{bits & _VERSION_4 | _IS_VERSION_4:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def customer_since(self, index):
        """Fractions of the two years. More customers come as the business grows."""
        return ((index * 0.6180339887498949 + 0.5) % 1) ** 0.7 * 0.98

    def customer_of(self, deal):
        """A few customers buy often."""
        return int(((deal * 0.7548776662466927 + 0.1) % 1) ** 2 * self.customers)

    def deal_since(self, deal):
        since = self.customer_since(self.customer_of(deal))
        return since + (deal * 0.5698402909980532 % 1) * (0.99 - since)

    # -- Lines, in the order of COLUMNS

    def tenant_lines(self):
        chance = self.chance("tenants")
        company = words.COMPANIES[self.number % len(words.COMPANIES)]
        settings = json.dumps({"seed_demo": {"seed": self.seed, "number": self.number}})
        since = moment(0)
        name = f"{company} {chance.choice(words.PLACES)}"
        yield f"{self.id}\t{name}\t{self.subdomain}\t{self.plan}\tactive\t{settings}\t{since}\t{since}\n"

    def subscription_lines(self):
        chance = self.chance("subscriptions")
        limit, amount = PLANS[self.plan]
        billed = _DAYS[SPAN_DAYS + 1 + chance.randrange(28)]
        since = moment(0)
        yield (
            f"{self.key('subscriptions', 0)}\t{self.id}\t{self.plan}\tactive\t{limit * 100}\t{limit}\t{limit * 2**30}\t"
            f'["api"]\tmonthly\t{amount}\t{billed}\t{since}\t{since}\n'
        )

    def user_lines(self):
        chance = self.chance("users")
        since = moment(0)
        for person, role in zip(self.people, ROLES, strict=True):
            name = f"{chance.choice(words.FIRST_NAMES)[0]} {chance.choice(words.FAMILY_NAMES)[0]}"
            yield (
                f"{person}\t{role}@{self.subdomain}.example\t{PASSWORD_HASH}\t{name}\t{self.id}\t{role}\tactive\tt\t"
                f"{since}\t{since}\n"
            )

    def customer_lines(self):
        draw = self.chance("customers").random
        first, family, companies = words.FIRST_NAMES, words.FAMILY_NAMES, words.COMPANIES
        for index in range(self.customers):
            given, plain_given = first[int(draw() * len(first))]
            surname, plain_surname = family[int(draw() * len(family))]
            place = words.PLACES[int(draw() * len(words.PLACES))]
            company = f"{companies[int(draw() * len(companies))]} {place}" if draw() < 0.8 else NULL
            email = f"{plain_given}.{plain_surname}{index}@mail.example" if draw() < 0.9 else NULL
            phone = f"+1 555 {int(draw() * 10_000_000):07}" if draw() < 0.7 else NULL
            tag = words.TAGS[int(draw() * len(words.TAGS))]
            tags = f"{{{tag}}}" if draw() < 0.4 else "{}"
            custom = f'{{"city": "{place}", "employees": {int(exp(draw() * 9))}}}' if draw() < 0.5 else "{}"
            since = self.customer_since(index)
            changed = moment(since + draw() * (1 - since))
            yield (
                f"{self.key('customers', index)}\t{self.id}\t{given} {surname}\t{email}\t{phone}\t{company}\t"
                f"{_STATUSES[int(draw() * 100)]}\t{tags}\t{custom}\t{self.people[int(draw() * WRITERS)]}\t"
                f"{moment(since)}\t{changed}\n"
            )

    def deal_lines(self):
        chance = self.chance("deals")
        draw = chance.random
        for index in range(self.deals):
            stage = _STAGES[int(draw() * 100)]
            since = self.deal_since(index)
            # A deal takes a quarter at most; what has not been decided by then is still open.
            later = since + draw() * min(0.125, 0.999 - since)
            closed = moment(later) if stage.startswith("closed") else NULL
            expected = _DAYS[int(since * SPAN_DAYS) + 10 + int(draw() * 100)]
            title = f"{words.PRODUCTS[int(draw() * len(words.PRODUCTS))]} {index + 1}"
            yield (
                f"{self.key('deals', index)}\t{self.id}\t{self.key('customers', self.customer_of(index))}\t{title}\t"
                f"{min(chance.lognormvariate(8.5, 1.2), 5_000_000):.2f}\t{stage}\t{STAGES[stage][1]}\t{expected}\t"
                f"{self.people[int(draw() * WRITERS)]}\t{moment(since)}\t{moment(later)}\t{closed}\n"
            )

    def activity_lines(self):
        draw = self.chance("activities").random
        for index in range(self.activities):
            about, customer, deal = draw(), NULL, NULL
            since = 0
            if about < 0.6 and self.deals:
                number = int(draw() * self.deals)
                since = self.deal_since(number)
                deal, customer = self.key("deals", number), self.key("customers", self.customer_of(number))
            elif about < 0.95 and self.customers:
                number = int(draw() * self.customers)
                since = self.customer_since(number)
                customer = self.key("customers", number)
            since += draw() * (0.999 - since)
            kind = _TYPES[int(draw() * 100)]
            subject = words.SUBJECTS[kind][int(draw() * 4)]
            text = words.SENTENCES[int(draw() * len(words.SENTENCES))] if draw() < 0.5 else NULL
            due, completed = NULL, "t"
            if kind in ("task", "call", "meeting"):
                day = int(since * SPAN_DAYS) + int(draw() * 30)
                due, completed = f"{_DAYS[day]} 09:00:00+00", "t" if day < SPAN_DAYS and draw() < 0.9 else "f"
            made = moment(since)
            writer, holder = self.people[int(draw() * WRITERS)], self.people[int(draw() * WRITERS)]
            yield (
                f"{self.key('activities', index)}\t{self.id}\t{customer}\t{deal}\t{kind}\t{subject}\t{text}\t{due}\t"
                f"{completed}\t{holder}\t{writer}\t{made}\t{made}\n"
            )


class Population:
    """tenants     how many
    customers   of each tenant, on average
    deals       of all tenants together
    activities  of all tenants together
    skew        the first tenant has a tenth of everything; the others share the rest
    first       number of the first tenant: how many were seeded before
    """

    def __init__(self, *, tenants, customers, deals, activities, seed, skew=False, first=0):
        self.tenants, self.seed, self.skew, self.first = tenants, seed, skew, first
        self.totals = {"customers": tenants * customers, "deals": deals, "activities": activities}

    def organisations(self):
        for index in range(self.tenants):
            counts = {table: self._share(total, index) for table, total in self.totals.items()}
            if not counts["customers"]:
                counts["deals"] = 0
            yield Organisation(self.seed, self.first + index, **counts)

    def _share(self, total, index):
        if not self.skew or self.tenants == 1:
            return total // self.tenants + (index < total % self.tenants)
        if index == 0:
            return total // 10
        rest, others = total - total // 10, self.tenants - 1
        return rest // others + (index - 1 < rest % others)

    def count(self, table):
        return self.totals.get(table, self.tenants * (len(ROLES) if table == "users" else 1))

    def lines(self, table):
        """The rows of one table, in the format of COPY."""
        for organisation in self.organisations():
            yield from getattr(organisation, LINES[table])()
