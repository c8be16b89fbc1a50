"""People, what systems know of them, and the files that this makes."""

from datetime import date, datetime, timedelta

from pools import CITIES, DIAL, DOMAINS, FOLD, PEOPLE, PHONES

SEED = 20261124
EXPIRED = datetime(
    2024, 11, 24
)  # a grant of this second ends at the pipeline's as_of after 24 months
MASK = (1 << 64) - 1
MISSING = object()  # a member that an NDJSON object does not have

# Words for a yes and a no: in the wide table, and in the event log.
YES = ("True", "true", "yes", "opt-in", "1")
NO = ("False", "false", "no", "opt-out", "0")
GRANT = ("subscribed", "opt-in", "granted")
DENY = ("unsubscribed", "opt-out", "withdrawn")


def mix(x):
    """One step of splitmix64."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


class Dice:
    """Seeded dice; the same throws on every version of Python."""

    def __init__(self, *words):
        self.state = SEED
        for word in words:
            self.state = mix(self.state ^ word)

    def below(self, n):
        self.state = mix(self.state)
        return (self.state * n) >> 64

    def percent(self, p):
        return self.below(1000) < p * 10

    def pick(self, items):
        return items[self.below(len(items))]

    def weighted(self, pairs):
        at = self.below(sum(weight for _, weight in pairs))
        for item, weight in pairs:
            if at < weight:
                return item
            at -= weight

    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]

    def moment(self, first, last):
        """A second by day: no hour that a change of the clocks leaves out or repeats."""
        day = first + timedelta(days=self.below((last - first).days + 1))
        return datetime(
            day.year, day.month, day.day, 6 + self.below(16), self.below(60), self.below(60)
        )


def local(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S")


def utc(at):
    return local(at) + "Z"


class File:
    """A file to be: rows with the traps they lay."""

    def __init__(self, name, header, delimiter=None):
        self.name, self.header, self.delimiter, self.rows = name, header, delimiter, []

    def add(self, cells, tags=(), order=0):
        self.rows.append((cells, list(tags), order))

    def cell(self, text):
        if any(mark in text for mark in (self.delimiter, '"', "\n", "\r")):
            return '"' + text.replace('"', '""') + '"'
        return text

    def line(self, cells):
        if self.delimiter:
            return self.delimiter.join(self.cell("" if c is None else c) for c in cells) + "\n"
        escaped = cells.pop("escaped", False)
        members = (
            f"{string(k)}: {value(v, escaped)}" for k, v in cells.items() if v is not MISSING
        )
        return "{" + ", ".join(members) + "}\n"

    def write(self, folder, seen):
        """Writes the file and notes in `seen` how often each trap was laid and where first."""
        text, at = [], 1
        if self.delimiter:
            text.append(self.line(self.header))
            at += 1
        for cells, tags, _ in self.rows:
            line = self.line(cells)
            for tag in tags:
                count, place = seen.get(tag, (0, None))
                seen[tag] = (count + 1, place or f"{self.name}:{at}")
            text.append(line)
            at += line.count("\n")
        (folder / self.name).write_bytes("".join(text).encode("utf-8"))


def string(text, escaped=False):
    out = []
    for c in text:
        if c in '"\\':
            out.append("\\" + c)
        elif c == "\n":
            out.append("\\n")
        elif escaped and ord(c) > 126:
            out.append(f"\\u{ord(c):04x}")
        else:
            out.append(c)
    return '"' + "".join(out) + '"'


def value(v, escaped):
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "true" if v else "false"
    return str(v) if isinstance(v, int) else string(v, escaped)


class World:
    """All files, and what has been given out so far."""

    def __init__(self):
        self.shop = File(
            "shop.csv",
            [
                "CustomerNo",
                "FirstName",
                "LastName",
                "Email",
                "Phone",
                "BirthDate",
                "Street",
                "Zip",
                "City",
                "Country",
                "LoyaltyCard",
                "Revenue",
                "LastOrder",
                "ModifiedOn",
            ],
            ";",
        )
        self.loyalty = File(
            "loyalty.csv",
            [
                "CardNo",
                "FirstName",
                "Surname",
                "EMail",
                "Phone",
                "Postcode",
                "Country",
                "Tier",
                "Points",
                "JoinedOn",
                "Changed",
            ],
            ",",
        )
        self.app = File("app_users.ndjson", None)
        self.wide = File(
            "newsletter_consent.csv", ["Email", "Newsletter", "Product updates", "Recorded at"], ","
        )
        self.sms = File("sms_consent.csv", ["Telefon", "SMS-Angebote", "Datum"], ";")
        self.log = File(
            "consent_events.csv",
            ["event_id", "ts", "address", "customer_no", "purpose", "status", "channel"],
            ",",
        )
        self.bounces = File("bounces.csv", ["address", "bounced_on", "reason"], ",")
        self.stop = File("do_not_contact.csv", ["Nummer", "Grund", "Seit"], ";")
        self.files = [
            self.shop,
            self.loyalty,
            self.app,
            self.wide,
            self.sms,
            self.log,
            self.bounces,
            self.stop,
        ]
        self.mails, self.shop_ids, self.cards, self.users = set(), 0, 0, 0
        self.phones = {
            country: {area: [0, head, 10**free] for area, head, free in ranges}
            for country, ranges in PHONES.items()
        }

    def mail(self, first, last, dice, domain=None):
        first, last = (name.lower().translate(FOLD) for name in (first, last))
        domain = domain or dice.weighted(DOMAINS)
        stem = dice.weighted(
            [
                (f"{first}.{last}", 50),
                (f"{first[0]}.{last}", 20),
                (f"{last}.{first}", 10),
                (f"{first}_{last}", 15),
            ]
        )
        tail = f"_{dice.below(90) + 10}" if domain == "gmail.com" else ""
        while (key := (stem + tail).replace(".", "") + "@" + domain) in self.mails:
            tail = (
                f"_{dice.below(9_000) + 1_000}"
                if domain == "gmail.com"
                else str(dice.below(9_000) + 10)
            )
        self.mails.add(key)
        return f"{stem}{tail}@{domain}"

    def phone(self, country, area, dice):
        """A free number as (dial code, area, rest), or None. Areas that are used up give way."""
        ranges = self.phones.get(country if country in PHONES else "DE")
        areas = [area] if area in ranges else []
        areas += sorted(
            ranges, key=lambda other: (ranges[other][0] * 10_000 // ranges[other][2], other)
        )
        for candidate in areas:
            used, head, size = ranges[candidate]
            if used < size:
                ranges[candidate][0] += 1
                digits = len(str(size)) - 1
                rest = head + str((used * 377 + 91) % size).zfill(digits)
                return (DIAL[country if country in PHONES else "DE"], candidate, rest)
        return None


class Person:
    """A person as they are, before systems get hold of them."""

    def __init__(self, world, dice, country=None, phone=None, domain=None, last=None):
        self.world, self.dice = world, dice
        self.country = country or dice.weighted(
            [(c, people["share"]) for c, people in PEOPLE.items()]
        )
        people = PEOPLE[self.country]
        self.first = dice.pick(people["women" if dice.percent(53) else "men"])
        self.last = last or dice.pick(people["last"])
        if self.country == "PL" and self.first.endswith("a") and self.last.endswith("ski"):
            self.last = self.last[:-1] + "a"
        self.birth = (
            date(1940, 1, 1) + timedelta(days=dice.below(24_800)) if dice.percent(82) else None
        )
        self.city, head, free, area = dice.pick(CITIES[self.country])
        if self.country == "GB":
            outward = f"{head}{1 + dice.below(19)}"
            inward = f"{1 + dice.below(9)}{dice.pick('ABDEFGHJLN')}{dice.pick('PQRSTUWXYZ')}"
            self.zip = f"{outward} {inward}"
        else:
            self.zip = head + str(dice.below(10**free)).zfill(free)
        name, house = dice.pick(people["streets"]).replace("_", " "), str(1 + dice.below(190))
        self.street = f"{house} {name}" if self.country in ("US", "GB", "FR") else f"{name} {house}"
        self.mail = world.mail(self.first, self.last, dice, domain)
        likely = {"AT": 25, "PL": 15}.get(self.country, 62)
        wanted = dice.percent(likely) if phone is None else phone
        self.phone = world.phone(self.country, area, dice) if wanted else None
        self.card = None
        self.shop_id = None

    def phone_text(self, tags, region=True, plain=False):
        """The number in one of the forms people use; without a region only international ones."""
        if not self.phone:
            return None
        dial, area, rest = self.phone
        home = {"49": "DE", "1": "US", "44": "GB", "33": "FR"}[dial]
        if plain:
            return f"+{dial}{area}{rest}"
        spaced = {
            "49": rest,
            "1": f"{rest[:3]}-{rest[3:]}",
            "44": f"{rest[:-4]} {rest[-4:]}",
            "33": " ".join(rest[i : i + 2] for i in range(0, 8, 2)),
        }[dial]
        if region and home == self.country and self.dice.percent(60):
            tags.append("phone in national form")
            text = {
                "49": self.dice.pick(
                    [f"0{area} {rest}", f"0{area}/{rest}", f"0{area}{rest}", f"(0{area}) {rest}"]
                ),
                "1": self.dice.pick(
                    [f"({area}) {spaced}", f"{area}-{spaced}", f"{area}.{spaced.replace('-', '.')}"]
                ),
                "44": f"0{area} {spaced}",
                "33": f"0{area} {spaced}",
            }[dial]
        else:
            tags.append("phone in international form")
            forms = [f"+{dial} {area} {spaced}", f"+{dial}{area}{rest}"]
            if dial == "49":
                forms.append(f"+49 (0){area} {rest}")
                if region and self.country == "DE":
                    forms.append(f"0049 {area} {rest}")
            text = self.dice.pick(forms)
        if dial in ("1", "44") and self.dice.percent(4):
            tags.append("phone with extension")
            text += self.dice.pick([" ext. ", " x"]) + str(10 + self.dice.below(80))
        return text

    def mail_text(self, tags, mail=None):
        """The mail as typed: mostly well."""
        mail, throw = mail or self.mail, self.dice.below(100)
        if throw < 5:
            tags.append("mail in other case")
            return self.dice.pick([mail.title(), mail.upper(), mail[0].upper() + mail[1:]])
        if throw < 7:
            tags.append("mail with blanks around it")
            return self.dice.pick([f" {mail}", f"{mail} ", f"  {mail} "])
        if throw < 8:
            tags.append("mail with a display name")
            return f"{self.first} {self.last} <{mail}>"
        return mail

    def country_text(self, tags, certain=False):
        if not certain and self.dice.percent(2):
            return None
        if self.dice.percent(2):
            tags.append("country in lower case")
            return self.country.lower()
        return self.country

    def new_card(self):
        if not self.card:
            self.world.cards += 1
            self.card = f"0041{self.world.cards * 48_271 % 99_999_989:08d}"
        return self.card

    def names(self, tags, first, last):
        if not (first + last).isascii():
            tags.append("letters beyond ASCII in a name")

    def in_shop(self, tags=(), since=datetime(2021, 1, 1), **over):
        """A row of the shop; `over` replaces cells by their header."""
        tags, dice = list(tags), self.dice
        if not self.shop_id:
            self.world.shop_ids += 1
            self.shop_id = f"C{self.world.shop_ids:06d}"
        country = (
            over["Country"]
            if "Country" in over
            else self.country_text(tags, certain="Phone" in over)
        )
        row = {
            "CustomerNo": self.shop_id,
            "FirstName": self.first,
            "LastName": self.last,
            "Email": MISSING,
            "Phone": MISSING,
            "BirthDate": self.birth.strftime("%d.%m.%Y")
            if self.birth and dice.percent(80)
            else None,
            "Street": self.street,
            "Zip": self.zip,
            "City": self.city,
            "Country": country,
            "LoyaltyCard": None,
            "Revenue": None,
            "LastOrder": None,
            "ModifiedOn": local(dice.moment(since, datetime(2026, 11, 22)))
            if dice.percent(98)
            else None,
        }
        if self.card and dice.percent(70):
            card = self.card
            if dice.percent(40):
                mark = dice.pick([" ", "-"])
                card = mark.join(card[i : i + 4] for i in (0, 4, 8))
                tags.append("card number with blanks or hyphens")
            row["LoyaltyCard"] = card
        if dice.percent(78):
            cents = 900 + dice.below(9_000) * (1 + dice.below(12))
            row["Revenue"] = f"{cents // 100}.{cents % 100:02d}"
            row["LastOrder"] = dice.moment(datetime(2022, 1, 1), datetime(2026, 11, 20)).strftime(
                "%Y-%m-%d"
            )
        row.update(over)
        if row["Email"] is MISSING:
            row["Email"] = None if dice.percent(3) else self.mail_text(tags)
        if row["Phone"] is MISSING:
            row["Phone"] = (
                self.phone_text(tags, region=country is not None) if dice.percent(75) else None
            )
        for name, cell in row.items():
            if cell is None and dice.percent(25):
                row[name] = "N/A"
                tags.append("null word")
        if row["Zip"] and row["Zip"].startswith("0"):
            tags.append("postal code with leading zero")
        if any(";" in (cell or "") for cell in row.values()):
            tags.append("delimiter in a cell")
        if any('"' in (cell or "") for cell in row.values()):
            tags.append("quotes in a cell")
        if any("\n" in (cell or "") for cell in row.values()):
            tags.append("line break in a cell")
        if row["FirstName"][:1] in ("=", "+", "-", "@"):
            tags.append("cell that a spreadsheet would run")
        self.names(tags, row["FirstName"] or "", row["LastName"] or "")
        self.world.shop.add([row[name] for name in self.world.shop.header], tags)
        return self.shop_id

    def in_loyalty(self, tags=(), **over):
        tags, dice = list(tags) + ["card number with leading zeros"], self.dice
        country = (
            over["Country"]
            if "Country" in over
            else self.country_text(tags, certain="Phone" in over)
        )
        joined = dice.moment(datetime(2018, 1, 1), datetime(2026, 6, 1))
        points = dice.below(60) * dice.below(60)
        row = {
            "CardNo": self.new_card(),
            "FirstName": self.first,
            "Surname": self.last,
            "EMail": MISSING,
            "Phone": MISSING,
            "Postcode": self.zip,
            "Country": country,
            "Tier": "platinum"
            if points > 2_400
            else "gold"
            if points > 1_400
            else "silver"
            if points > 500
            else "basic",
            "Points": str(points),
            "JoinedOn": joined.strftime("%Y-%m-%d"),
            "Changed": local(
                dice.moment(max(joined, datetime(2020, 1, 1)), datetime(2026, 11, 22))
            ),
        }
        row.update(over)
        if row["EMail"] is MISSING:
            row["EMail"] = self.mail_text(tags) if dice.percent(66) else None
        if row["Phone"] is MISSING:
            row["Phone"] = (
                self.phone_text(tags, region=country is not None) if dice.percent(70) else None
            )
        for name, cell in row.items():
            if cell is None and dice.percent(20):
                row[name] = "N/A"
                tags.append("null word")
        if row["Postcode"] and row["Postcode"].startswith("0"):
            tags.append("postal code with leading zero")
        self.names(tags, row["FirstName"] or "", row["Surname"] or "")
        self.world.loyalty.add([row[name] for name in self.world.loyalty.header], tags)
        return row["CardNo"]

    def in_app(self, tags=(), **over):
        tags, dice = list(tags), self.dice
        self.world.users += 1
        seen = dice.moment(datetime(2024, 1, 1), datetime(2026, 11, 22))
        country = (
            over["country"]
            if "country" in over
            else self.country_text(tags, certain="phone" in over)
        )
        row = {
            "user_id": f"u-{mix(self.world.users) >> 24:010x}",
            "mail": MISSING,
            "phone": MISSING,
            "given_name": self.first,
            "family_name": self.last,
            "birth_date": self.birth.isoformat() if self.birth and dice.percent(60) else MISSING,
            "country": country,
            "loyalty_card": self.card if self.card and dice.percent(60) else MISSING,
            "product_updates": dice.percent(88) if dice.percent(45) else MISSING,
            "app_version": f"5.{dice.below(9)}.{dice.below(4)}",
            "last_seen": utc(seen),
            "updated_at": utc(seen - timedelta(minutes=dice.below(50_000))),
        }
        given = {"mail", "phone"} & set(over)
        row.update(over)
        if "mail" not in given and dice.percent(95):
            row["mail"] = self.mail_text(tags)
        if "phone" not in given and self.phone and dice.percent(60):
            row["phone"] = self.phone_text(tags, region=country is not None)
        self.names(tags, self.first, self.last)
        if not (self.first + self.last).isascii() and dice.percent(35):
            row["escaped"] = True
            tags.append("JSON escape in a name")
        self.world.app.add(row, tags)
        return row["user_id"]

    # What the person, or somebody for them, decided.

    def decides(self, newsletter, product, at, mail=None, tags=()):
        """A row of the wide table; `at` may be a moment, a text or None."""
        tags = list(tags)
        if isinstance(at, datetime):
            if newsletter in YES and at <= EXPIRED:
                tags.append("expired grant")
            at = local(at)
        if mail is None:
            mail = self.mail_text(tags)
        self.world.wide.add([mail, newsletter, product, at], tags, self.dice.below(MASK))

    def event(self, purpose, status, at, mail=None, customer=None, tags=(), channel=None):
        tags = list(tags)
        if purpose == "newsletter" and status in GRANT and at <= EXPIRED:
            tags.append("expired grant")
        mail = self.mail if mail is None else mail
        channel = channel or self.dice.pick(
            ["web", "web", "mail footer", "app", "service desk", "store"]
        )
        self.world.log.add(
            [utc(at), mail, customer, purpose, status, channel],
            tags,
            (utc(at), self.dice.below(MASK)),
        )

    def sms(self, word, at, text=None, tags=()):
        tags = list(tags)
        # The gateway knows no countries: German numbers may be national, all others are not.
        text = text or self.phone_text(tags, region=self.country == "DE")
        self.world.sms.add([text, word, at], tags, self.dice.below(MASK))

    def bounce(self, mail=None, tags=()):
        tags, dice = list(tags), self.dice
        day = dice.moment(datetime(2025, 1, 1), datetime(2026, 11, 20))
        reason = dice.pick(
            ["mailbox does not exist", "mailbox does not exist", "mailbox full", "spam complaint"]
        )
        mail = mail or self.mail_text(tags)
        self.world.bounces.add(
            [mail, day.strftime("%Y-%m-%d"), reason], tags, (day, dice.below(MASK))
        )

    def refuse(self, text, tags=()):
        """Wants no contact at all, on this number."""
        day = self.dice.moment(datetime(2023, 1, 1), datetime(2026, 11, 20))
        reason = self.dice.pick(["Anruf beim Service", "Beschwerde", "Brief", "verstorben"])
        self.world.stop.add(
            [text, reason, day.strftime("%Y-%m-%d")], tags, (day, self.dice.below(MASK))
        )
