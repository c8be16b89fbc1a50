#!/usr/bin/env python3
"""Writes the customers and consents of Contoso Outdoor, a company that does not exist.

    python3 generate.py            # beside this file
    python3 generate.py FOLDER     # elsewhere, to compare

The same bytes come out every time, on every version of Python 3: the dice are splitmix64,
nothing asks the clock, and no set or hash decides an order. Each trap that a row lays is counted
while it is written, and the table of traps in README.md is made from these counts.
"""

import sys
from datetime import datetime, timedelta
from pathlib import Path

sys.dont_write_bytecode = True  # this folder holds data, not caches

from people import DENY, GRANT, MISSING, NO, YES, Dice, Person, World  # noqa: E402
from pools import BARE, IDN_DOMAINS  # noqa: E402

PLAIN_CUSTOMERS = 9_440
AS_OF = datetime(2026, 11, 24)  # as in the pipeline

# Trap: what should happen. In the order of README.md.
TRAPS = {
    # Keys.
    "mail in other case": "equal to the lower-case form",
    "mail with blanks around it": "equal to the trimmed form",
    "mail with a display name": "`Anna <anna@...>` is `anna@...`",
    "mail on an IDN domain, customer": "written with umlauts",
    "mail on an IDN domain, consent": "written as `xn--...`: the same domain, the decision holds",
    "phone in national form": "read with the region of the record's `country`",
    "phone in international form": "`+49`, `0049` and `+49 (0)` are one number",
    "phone with extension": "the extension does not count",
    "country in lower case": "`de` is a region like `DE`",
    "national phone without a country": "links nobody, but denials and suppressions hit it",
    "name without its accents": "links by phone and last name: `Muller` = `Müller`",
    "card number with blanks or hyphens": "links by card number",
    "card number with leading zeros": "stays text",
    "placeholder mail": "`noreply@contoso.com` stands in `never`: it links nobody, and leaves once",
    # Records.
    "duplicate id, changed row": "one person; the older row is quarantined and still counts",
    "duplicate id, equal row": "one person; one row is quarantined",
    "older mail of a duplicate id denied": "denies the person",
    "no id": "quarantined",
    "no id, and its phone is denied": "denies the customer who shares its mail",
    "app user without id who declines": "the refusal holds for the mail",
    "no contact point": "`no_contact_point` in every purpose",
    # Cells.
    "cell that a spreadsheet would run": "guarded on export",
    "quotes in a cell": "doubled in the file, single in the value",
    "line break in a cell": "one record on two lines",
    "delimiter in a cell": "quoted, one cell",
    "letters beyond ASCII in a name": "kept as they are",
    "JSON escape in a name": "`\\u00fc` is `ü`",
    "postal code with leading zero": "stays text",
    "null word": "`N/A` is null",
    # Consent.
    "withdrawn after grant": "denied",
    "granted again after withdrawal": "granted: within one dated table the newest counts",
    "tables disagree": "denied: a later yes in one table does not lift the no of another",
    "denial at the second of a grant": "denied",
    "denial on the day of a grant, dates only": "denied: a denial sorts at the end of its day",
    "denial after as_of": "denied, counted as withdrawn after as_of",
    "grant after as_of": "hidden",
    "expired grant": "expired (24 months)",
    "grant that ends at as_of": "expired; the row one second later is not",
    "undated grant under expires_after": "expired",
    "undated denial and a dated grant": "denied",
    "unrecognized word": "no grant, counted",
    "purpose in other case or with blanks": "read as the purpose",
    "unknown purpose": "counted as other purpose",
    "denial with +tag": "denies the plain mail too",
    "denial with other gmail dots": "denies the mail with other dots too",
    "denial on googlemail.com": "denies the gmail.com mail too",
    "grant with +tag": "grants only the mail with the tag",
    "denial that matches nothing": "garbage for a mail; the table says `unmatchable: report`",
    "grant that matches nothing": "garbage for a mail; grants nothing",
    "one of a family unsubscribed by record": "they share a mail, so they are one customer: denied",
    "one of a couple declined by record": "they share a phone, not a name: both are denied SMS",
    "couple with one phone": "two profiles, one SMS: `shared contact point`",
    "denial on the second mail": "denies the person, whatever mail the profile shows",
    "denial on a record without mail": "the app's own column; the record denies its person",
    # Suppression.
    "bounce with +tag or other dots": "suppresses the plain mail too",
    "do-not-contact number in another form": "suppresses",
}


# When decisions were made.
RECENT = (datetime(2024, 12, 1), datetime(2026, 11, 20))
OLD = (datetime(2022, 3, 1), datetime(2024, 11, 20))


def grant_time(dice):
    return dice.moment(*(OLD if dice.percent(20) else RECENT))


def plain(world, dice):
    """A customer as most are."""
    person = Person(world, dice)
    store = person.country in ("DE", "AT")
    loyal, shop, app = dice.percent(52 if store else 14), dice.percent(66), dice.percent(33)
    shop = shop or not (loyal or app)
    if loyal:
        person.new_card()
    customer = person.in_shop() if shop else None
    if loyal:
        person.in_loyalty()
    second = None
    if app:
        if dice.percent(9):
            second = world.mail(person.first, person.last, dice)
            person.in_app(mail=second)
        else:
            person.in_app()

    newsletter = dice.weighted([(True, 54), (False, 14), (None, 32)])
    product = dice.weighted([(True, 40), (False, 12), (None, 48)])
    if (newsletter is not None or product is not None) and dice.percent(80):
        said = {True: dice.pick(YES), False: dice.pick(NO), None: ""}
        said.update({} if dice.percent(25) else {True: "True", False: "False"})
        when, tags = grant_time(dice), []
        if newsletter is not None and dice.percent(5):
            before = when - timedelta(days=1 + dice.below(300))
            person.decides("False" if newsletter else "True", "", before)
            tags = ["granted again after withdrawal" if newsletter else "withdrawn after grant"]
        person.decides(said[newsletter], said[product], when, tags=tags)
        if second and newsletter and dice.percent(40):
            person.decides("True", "", grant_time(dice), mail=second)
    number = customer if customer and dice.percent(60) else None
    for purpose, decision in (("newsletter", newsletter), ("product_update", product)):
        if decision is None or not dice.percent(32):
            continue
        first = grant_time(dice)
        later = first + timedelta(days=1 + dice.below(200), seconds=dice.below(40_000))
        history = dice.below(10)
        if decision:
            again = history < 2 and later < datetime(2026, 11, 23)
            person.event(purpose, dice.pick(GRANT), first, customer=number)
            if again:
                person.event(purpose, dice.pick(DENY), first + timedelta(hours=20), customer=number)
                person.event(
                    purpose,
                    dice.pick(GRANT),
                    later,
                    customer=number,
                    tags=["granted again after withdrawal"],
                )
        elif later < datetime(2026, 11, 23):
            if history < 7:
                person.event(purpose, dice.pick(GRANT), first, customer=number)
            person.event(
                purpose,
                dice.pick(DENY),
                later,
                customer=number,
                tags=["withdrawn after grant"] if history < 7 else [],
            )
    if person.phone and store and dice.percent(48):
        when = dice.moment(*RECENT).strftime("%Y-%m-%d") if dice.percent(70) else None
        person.sms("ja" if dice.percent(80) else "nein", when)
    if customer and dice.percent(1.6):
        person.bounce()
        if dice.percent(10):
            person.bounce()
    if person.phone and store and dice.percent(0.8):
        tags = []
        person.refuse(person.phone_text(tags), tags)


# Traps. Each function lays one; how often stands in LAID.


def idn(world, dice):
    native, wire = dice.pick(IDN_DOMAINS)
    person = Person(world, dice, "DE", domain=native)
    person.in_shop(["mail on an IDN domain, customer"], Email=person.mail)
    person.decides(
        "True",
        "True",
        dice.moment(*RECENT),
        mail=person.mail.replace(native, wire),
        tags=["mail on an IDN domain, consent"],
    )


def phone_without_country(world, dice):
    person = Person(world, dice, "DE", phone=True)
    _, area, rest = person.phone
    person.in_shop(
        ["national phone without a country"],
        Email=person.mail,
        Phone=f"0{area} {rest}",
        Country=None,
    )
    person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)
    if dice.percent(50):
        person.sms("nein", None, text=person.phone_text([], plain=True))
    else:
        person.refuse(person.phone_text([], plain=True), ["do-not-contact number in another form"])


def bare_name(world, dice):
    last = dice.pick("Müller Schäfer Schröder Köhler König Krüger Jäger Böhm Krämer Kühn".split())
    person = Person(world, dice, "DE", phone=True, last=last)
    person.in_shop(Email=person.mail, Phone=person.phone_text([], plain=True))
    person.in_loyalty(
        ["name without its accents"],
        Surname=last.translate(BARE),
        EMail=None,
        Phone=person.phone_text([], plain=True),
    )
    person.decides("True", "", dice.moment(*RECENT), mail=person.mail)


def placeholder(world, dice):
    person = Person(world, dice, dice.pick(["DE", "AT"]))
    mail = dice.weighted([("noreply@contoso.com", 80), ("NoReply@Contoso.com", 20)])
    person.in_loyalty(["placeholder mail"], EMail=mail)
    if dice.percent(30):
        person.in_shop()
        person.decides("True", "", dice.moment(*RECENT))


def changed_row(world, dice):
    person = Person(world, dice)
    old_mail = world.mail(person.first, person.last, dice)
    person.in_shop(Email=old_mail, ModifiedOn="2023-02-03T09:10:11")
    person.in_shop(
        ["duplicate id, changed row"],
        since=datetime(2024, 1, 1),
        Email=person.mail,
        Street="Neue Straße 1",
    )
    person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)
    if dice.percent(40):
        person.event(
            "newsletter",
            "unsubscribed",
            dice.moment(*RECENT),
            mail=old_mail,
            tags=["older mail of a duplicate id denied"],
        )


def equal_row(world, dice):
    person = Person(world, dice)
    person.in_shop()
    row, tags, order = world.shop.rows[-1]
    world.shop.rows.append((row, ["duplicate id, equal row"], order))
    person.decides("True", "True", dice.moment(*RECENT))


def no_id(world, dice):
    person = Person(world, dice, "DE", phone=True)
    blank = dice.pick([None, None, "  "])
    if dice.percent(50):
        other = Person(world, dice, "DE", phone=True)
        person.in_shop(Email=person.mail, Phone=person.phone_text([]))
        person.sms("ja", "2026-02-03")
        person.decides("True", "", dice.moment(*RECENT), mail=person.mail)
        person.in_shop(
            ["no id", "no id, and its phone is denied"],
            CustomerNo=blank,
            Email=person.mail,
            Phone=other.phone_text([], plain=True),
        )
        other.sms("nein", "2026-03-04", text=other.phone_text([], plain=True))
    else:
        person.in_shop(["no id"], CustomerNo=blank)
        person.decides("True", "", dice.moment(*RECENT))


def app_without_id(world, dice):
    person = Person(world, dice)
    person.in_shop(Email=person.mail)
    person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)
    person.in_app(
        ["app user without id who declines"],
        user_id=dice.pick([None, MISSING, ""]),
        mail=person.mail,
        product_updates=False,
    )


def no_contact(world, dice):
    person = Person(world, dice, dice.pick(["DE", "AT"]), phone=False)
    person.in_loyalty(["no contact point"], EMail=None, Phone=None)


def formula(world, dice):
    person = Person(world, dice, dice.pick(["DE", "AT"]))
    first = dice.pick(
        [
            '=HYPERLINK("http://example.com/?x="&A2;"Klick")',
            "=1+1",
            "@SUM(1+9)*cmd",
            "+491713920000",
            "-2+3",
        ]
    )
    person.in_shop(FirstName=first, Email=person.mail, Revenue="250.00")
    person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)


def odd_cells(world, dice):
    person = Person(world, dice, "DE")
    person.in_shop(
        FirstName=f'{person.first} "{person.first[:3]}i"' if dice.percent(40) else person.first,
        Street=dice.pick(
            [
                f"{person.street}\nHinterhaus, 2. Stock",
                f"c/o Weber; {person.street}",
                f'Haus "Alpenblick"\n{person.street}',
            ]
        ),
        Email=person.mail,
    )
    person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)


def disagree(world, dice):
    person = Person(world, dice)
    person.in_shop(Email=person.mail)
    person.event("newsletter", "unsubscribed", dice.moment(*OLD), tags=["tables disagree"])
    person.decides("True", "", dice.moment(*RECENT))


def tie(world, dice):
    person = Person(world, dice)
    person.in_shop(Email=person.mail)
    at = dice.moment(*RECENT)
    person.event("newsletter", "subscribed", at)
    person.event("newsletter", "unsubscribed", at, tags=["denial at the second of a grant"])


def same_day(world, dice):
    person = Person(world, dice, "DE", phone=True)
    person.in_shop(Email=person.mail, Phone=person.phone_text([]))
    day = dice.moment(*RECENT).strftime("%Y-%m-%d")
    person.sms("ja", day)
    person.sms("nein", day, tags=["denial on the day of a grant, dates only"])


def after(world, dice):
    person = Person(world, dice)
    number = person.in_shop(Email=person.mail)
    late = AS_OF + timedelta(seconds=dice.below(30_000))
    if dice.percent(60):
        person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)
        person.event(
            "newsletter", "unsubscribed", late, customer=number, tags=["denial after as_of"]
        )
    else:
        person.event("newsletter", "subscribed", late, customer=number, tags=["grant after as_of"])


def on_the_edge(world, dice):
    # The wide table is in Berlin time, one hour before UTC in winter.
    for second, tags in (("00", ["grant that ends at as_of"]), ("01", [])):
        person = Person(world, dice, "DE")
        person.in_shop(Email=person.mail, Revenue="150.00")
        person.decides("True", "", f"2024-11-24T01:00:{second}", mail=person.mail, tags=tags)


def undated_grant(world, dice):
    person = Person(world, dice)
    person.in_shop(Email=person.mail)
    person.decides(
        "True", dice.pick(["True", ""]), None, tags=["undated grant under expires_after"]
    )


def undated_denial(world, dice):
    person = Person(world, dice)
    person.in_shop(Email=person.mail)
    person.decides("False", "", None, tags=["undated denial and a dated grant"])
    person.decides("True", "", dice.moment(*RECENT))


def odd_word(world, dice):
    if dice.percent(30):
        person = Person(world, dice, "DE", phone=True)
        person.in_shop(Email=person.mail, Phone=person.phone_text([]))
        person.sms("vielleicht", "2026-01-15", tags=["unrecognized word"])
    else:
        person = Person(world, dice)
        person.in_shop(Email=person.mail)
        word = dice.pick(["maybe", "?", "ask again", "True?"])
        person.decides(word, "", dice.moment(*RECENT), tags=["unrecognized word"])


def odd_purpose(world, dice):
    person = Person(world, dice)
    number = person.in_shop(Email=person.mail)
    if dice.percent(70):
        person.event(
            dice.pick(["personalised_ads", "personalised_ads", "survey", ""]),
            dice.pick(GRANT + DENY),
            dice.moment(*RECENT),
            customer=number,
            tags=["unknown purpose"],
        )
    else:
        person.event(
            dice.pick(["Newsletter", " newsletter ", "PRODUCT_UPDATE"]),
            dice.pick(GRANT),
            dice.moment(*RECENT),
            customer=number,
            tags=["purpose in other case or with blanks"],
        )


def looser(world, dice):
    kind = dice.below(4)
    person = Person(world, dice, domain=None if kind == 0 else "gmail.com")
    person.in_shop(Email=person.mail)
    name, domain = person.mail.split("@")
    person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)
    at = dice.moment(*RECENT)
    if kind == 0:
        person.event(
            "newsletter",
            "unsubscribed",
            at,
            mail=f"{name}+contoso@{domain}",
            tags=["denial with +tag"],
        )
    elif kind == 1:
        person.event(
            "newsletter",
            "unsubscribed",
            at,
            mail=f"{name.replace('.', '')}@gmail.com",
            tags=["denial with other gmail dots"],
        )
    elif kind == 2:
        person.event(
            "product_update",
            "opt-out",
            at,
            mail=f"{name}@googlemail.com",
            tags=["denial on googlemail.com"],
        )
    else:
        person.event(
            "product_update",
            "opt-out",
            at,
            mail=f"{name.replace('_', '._')}+news@googlemail.com",
            tags=["denial with +tag", "denial with other gmail dots", "denial on googlemail.com"],
        )


def tagged_grant(world, dice):
    person = Person(world, dice)
    person.in_shop(Email=person.mail)
    name, domain = person.mail.split("@")
    person.decides(
        "True", "True", dice.moment(*RECENT), mail=f"{name}+shop@{domain}", tags=["grant with +tag"]
    )


def garbage(world, dice):
    person = Person(world, dice)
    mail = dice.pick(
        ["bitte abmelden", "holly.contoso.com", "anna@", "@example.com", "tel. 089 99998000"]
    )
    denied = dice.percent(50)
    tag = "denial that matches nothing" if denied else "grant that matches nothing"
    person.decides("False" if denied else "True", "", dice.moment(*RECENT), mail=mail, tags=[tag])
    person.in_shop()


def family(world, dice):
    parent = Person(world, dice, "DE")
    numbers = [parent.in_shop(Email=parent.mail, Revenue="320.00")]
    for _ in range(2):
        child = Person(world, dice, "DE", last=parent.last)
        child.mail, child.street, child.zip, child.city = (
            parent.mail,
            parent.street,
            parent.zip,
            parent.city,
        )
        numbers.append(child.in_shop(Email=child.mail_text([])))
    parent.decides("True", "True", dice.moment(*RECENT), mail=parent.mail)
    parent.event(
        "newsletter",
        "unsubscribed",
        dice.moment(*RECENT),
        mail="",
        customer=dice.pick(numbers),
        channel="service desk",
        tags=["one of a family unsubscribed by record"],
    )


def couple(world, dice):
    one, other = Person(world, dice, "DE", phone=True), Person(world, dice, "DE", phone=False)
    while other.last == one.last:
        other = Person(world, dice, "DE", phone=False)
    other.phone = one.phone
    one.in_shop(Phone=one.phone_text([]), Zip="80331", City="München")
    number = other.in_shop(Phone=other.phone_text([]), Zip="80331", City="München")
    one.sms("ja", "2026-05-06")
    if dice.percent(60):
        other.event(
            "sms_offers",
            "opt-out",
            dice.moment(*RECENT),
            mail="",
            customer=number,
            channel="store",
            tags=["one of a couple declined by record"],
        )
    else:
        world.shop.rows[-1][1].append("couple with one phone")


def second_mail(world, dice):
    person = Person(world, dice)
    second = world.mail(person.first, person.last, dice)
    card = person.new_card()
    person.in_shop(Email=person.mail, LoyaltyCard=card, ModifiedOn="2026-11-01T12:00:00")
    person.in_app(mail=second, loyalty_card=card, updated_at="2025-01-02T03:04:05Z")
    person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)
    person.decides("False", "", dice.moment(*OLD), mail=second, tags=["denial on the second mail"])


def mailless_denial(world, dice):
    person = Person(world, dice, "DE", phone=True)
    card = person.new_card()
    person.in_shop(Email=person.mail, LoyaltyCard=card)
    person.in_app(
        ["denial on a record without mail"],
        mail=dice.pick([None, MISSING]),
        loyalty_card=card,
        product_updates=False,
    )
    person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)


def looser_bounce(world, dice):
    person = Person(world, dice, "DE", domain="gmail.com")
    person.in_shop(Email=person.mail, Revenue="410.00")
    person.decides("True", "True", dice.moment(*RECENT), mail=person.mail)
    name = person.mail.split("@")[0]
    mail = dice.pick([f"{name}+contoso@gmail.com", f"{name.replace('.', '')}@gmail.com"])
    person.bounce(mail, ["bounce with +tag or other dots"])


LAID = [
    (plain, PLAIN_CUSTOMERS),
    (idn, 10),
    (phone_without_country, 14),
    (bare_name, 12),
    (placeholder, 40),
    (changed_row, 25),
    (equal_row, 10),
    (no_id, 14),
    (app_without_id, 6),
    (no_contact, 90),
    (formula, 10),
    (odd_cells, 24),
    (disagree, 20),
    (tie, 6),
    (same_day, 8),
    (after, 20),
    (on_the_edge, 2),
    (undated_grant, 25),
    (undated_denial, 10),
    (odd_word, 24),
    (odd_purpose, 40),
    (looser, 40),
    (tagged_grant, 6),
    (garbage, 14),
    (family, 8),
    (couple, 16),
    (second_mail, 15),
    (mailless_denial, 8),
    (looser_bounce, 8),
]


def strangers(world):
    """Entries of the lists that fit no customer."""
    dice = Dice(3)
    for _ in range(60):
        person = Person(world, dice)
        person.bounce()
    for _ in range(15):
        person = Person(world, dice, "DE", phone=True)
        person.refuse(person.phone_text([]))
    for _ in range(120):
        person = Person(world, dice)
        person.decides(dice.pick(YES + NO), "", dice.moment(*RECENT))


def build():
    world = World()
    todo = [lay for lay, count in LAID for _ in range(count)]
    Dice(1).shuffle(todo)
    for number, lay in enumerate(todo):
        lay(world, Dice(2, number))
    strangers(world)
    Dice(4).shuffle(world.loyalty.rows)
    Dice(5).shuffle(world.app.rows)
    for file in (world.wide, world.sms, world.log, world.bounces, world.stop):
        file.rows.sort(key=lambda row: row[2])
    world.log.rows = [
        ([f"e{n:05d}"] + cells, tags, at) for n, (cells, tags, at) in enumerate(world.log.rows, 1)
    ]
    return world


def table(seen):
    lines = ["| trap | rows | first | what should happen |", "|---|---:|---|---|"]
    for trap, meaning in TRAPS.items():
        count, place = seen[trap]
        lines.append(f"| {trap} | {count:,} | `{place}` | {meaning} |")
    return "\n".join(lines)


def main():
    here = Path(__file__).resolve().parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    folder.mkdir(parents=True, exist_ok=True)
    world, seen = build(), {}
    for file in world.files:
        file.write(folder, seen)
    unknown = sorted(set(seen) - set(TRAPS))
    if unknown:
        sys.exit(f"traps without a meaning: {unknown}")
    begin, end = "<!-- traps: written by generate.py -->\n", "\n<!-- end of traps -->"
    text = (here / "README.md").read_bytes().decode("utf-8")
    head, rest = text.split(begin)
    _, tail = rest.split(end)
    (folder / "README.md").write_bytes((head + begin + table(seen) + end + tail).encode("utf-8"))
    for file in world.files:
        print(f"{file.name}: {len(file.rows):,} rows")


if __name__ == "__main__":
    main()
