//! Small pools of values, so that records collide, share and almost agree.
//!
//! A person has mails and phones in a canonical form; each time one is written down it takes
//! another shape. Some shapes have the same key, some only the same looser form, some neither.

use super::rng::Rng;

/// A mail address before it is written down.
#[derive(Clone, Debug)]
pub struct Mail {
    local: String,
    domain: &'static str,
}

/// A phone number before it is written down.
#[derive(Clone, Debug)]
pub struct Phone {
    country_code: &'static str,
    national: String,
}

/// Whom records and decisions are about.
#[derive(Clone, Debug)]
pub struct Person {
    pub mails: Vec<Mail>,
    pub phones: Vec<Phone>,
    pub first_name: &'static str,
    pub last_name: &'static str,
    pub birth_date: &'static str,
    pub country: &'static str,
    /// Street, postal code, city.
    pub address: (&'static str, &'static str, &'static str),
    pub customer_no: i64,
}

const LOCALS: [&str; 9] = ["anna", "bob", "c.lee", "dora.k", "e", "frank", "holly", "ina", "j.doe"];
const DOMAINS: [&str; 5] = ["example.com", "gmail.com", "googlemail.com", "bücher.de", "x.org"];
const FIRST_NAMES: [&str; 5] = ["Anna", "anna", "Jörg", "Zoë", "=cmd"];
const LAST_NAMES: [&str; 8] =
    ["Müller", "muller", "MÜLLER ", "O'Neil", "ONeil", "Straße", "van der Meer", "Nguyễn"];
/// Short names of which a letter more or less makes a similarity that rules turn at: 4/5, 3/4, 2/3,
/// 1/2.
const NEAR_NAMES: [&str; 10] =
    ["Meyer", "Meier", "Maier", "Mayr", "Lee", "Lea", "Li", "Lo", "Meyers", "Me"];
/// Blocks that several people share.
const ADDRESSES: [(&str, &str, &str); 5] = [
    ("200 Cedar Springs Rd", "75255", "Dallas"),
    ("5000 15th Street", "98052", "Redmond"),
    ("5000 15th Street", "98052", "Seattle"),
    ("Main St 1", "75255", ""),
    ("Hauptstraße 1", "1010 AB", " Wien"),
];
const BIRTH_DATES: [&str; 5] =
    ["1990-01-31", "1984-02-29", "2008-11-24", "2008-11-25", "1969-12-31"];
/// One of each kind: names, other case, surrounding blanks, no region at all.
const COUNTRIES: [&str; 7] = ["DE", "de", "US", "us", "GB", "Germany", " US "];

/// Countries and national numbers; one national number stands in two countries, one begins with a
/// zero that belongs to it (Italy).
const NUMBERS: [(&str, &str); 9] = [
    ("49", "3012345678"),
    ("49", "15123456780"),
    ("49", "15123456781"),
    ("1", "4255551212"),
    ("1", "2079460958"),
    ("44", "2079460958"),
    ("1", "4255551313"),
    ("39", "0669812345"),
    ("43", "13012345"),
];

/// Texts that are no mail.
const NO_MAILS: [&str; 6] = ["n/a", "anna at example.com", "bob@", "@example.com", "-", " "];
/// Texts that are no phone.
const NO_PHONES: [&str; 4] = ["n/a", "none", "-", "  "];

/// The mail that links nobody in most cases.
pub const NEVER_MAIL: &str = "noreply@contoso.com";
/// The phone that links nobody in most cases. It has a country code, so that it is the same
/// number in every region.
pub const NEVER_PHONE: &str = "+49 30 9999999";

/// `near`: many of them have names that are alike.
pub fn people(rng: &mut Rng, count: usize, near: bool) -> Vec<Person> {
    let mail =
        |rng: &mut Rng| Mail { local: rng.pick(&LOCALS).to_owned(), domain: rng.pick(&DOMAINS) };
    let phone = |rng: &mut Rng| {
        let (country_code, national) = rng.pick(&NUMBERS);
        Phone { country_code, national: national.to_owned() }
    };
    (0..count)
        .map(|at| Person {
            mails: (0..2).map(|_| mail(rng)).collect(),
            phones: (0..2).map(|_| phone(rng)).collect(),
            first_name: rng.pick(&FIRST_NAMES),
            last_name: if near && rng.chance(60) {
                rng.pick(&NEAR_NAMES)
            } else {
                rng.pick(&LAST_NAMES)
            },
            birth_date: rng.pick(&BIRTH_DATES),
            country: rng.pick(&COUNTRIES),
            address: rng.pick(&ADDRESSES),
            customer_no: i64::try_from(at).expect("few people") * 7 + 3,
        })
        .collect()
}

/// Any birth date.
pub fn birth_date(rng: &mut Rng) -> String {
    rng.word(&BIRTH_DATES)
}

/// A text with a letter more, less, changed or moved; now and then with two such faults.
pub fn misspelt(rng: &mut Rng, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..rng.pick(&[1, 1, 1, 2]) {
        let letter = rng.pick(&['a', 'e', 'i', 'r', 'ü']);
        let at = rng.below(letters.len() + 1);
        match rng.below(4) {
            0 => letters.insert(at, letter),
            1 if at < letters.len() && letters.len() > 1 => {
                letters.remove(at);
            }
            2 if at + 1 < letters.len() => letters.swap(at, at + 1),
            _ if at < letters.len() => letters[at] = letter,
            _ => letters.push(letter),
        }
    }
    letters.into_iter().collect()
}

/// A mail of a person as somebody writes it, another's, a shared one, none, or no mail at all.
pub fn mail_cell(rng: &mut Rng, people: &[Person], person: &Person) -> Option<String> {
    match rng.below(100) {
        0..60 => Some(written_mail(rng, &person.mails[0])),
        60..75 => Some(written_mail(rng, &person.mails[1])),
        75..82 => {
            let other = rng.one_of(people).mails[0].clone();
            Some(written_mail(rng, &other))
        }
        82..86 => Some(rng.word(&[NEVER_MAIL, "NoReply@Contoso.com", " noreply@contoso.com"])),
        86..94 => None,
        94..96 => Some(String::new()),
        _ => Some(rng.word(&NO_MAILS)),
    }
}

/// As [`mail_cell`], for a phone.
pub fn phone_cell(rng: &mut Rng, people: &[Person], person: &Person) -> Option<String> {
    if person.phones.is_empty() {
        // In plain cases a second mail stands in its place.
        let mails = person.mails.iter().rev().cloned().collect();
        return mail_cell(rng, people, &Person { mails, ..person.clone() });
    }
    match rng.below(100) {
        0..60 => Some(written_phone(rng, &person.phones[0])),
        60..72 => Some(written_phone(rng, &person.phones[1])),
        72..80 => {
            let other = rng.one_of(people).phones[0].clone();
            Some(written_phone(rng, &other))
        }
        80..84 => Some(rng.word(&[NEVER_PHONE, "+49309999999", "+49 (30) 9999-999"])),
        84..94 => None,
        94..96 => Some(String::new()),
        _ => Some(rng.word(&NO_PHONES)),
    }
}

fn written_mail(rng: &mut Rng, mail: &Mail) -> String {
    let Mail { local, domain } = mail;
    let plain = format!("{local}@{domain}");
    match rng.below(14) {
        0..5 => plain,
        5 => plain.to_uppercase(),
        6 => format!(" {plain} "),
        7 => format!("\"A, B\" <{plain}>"),
        8 => format!("Somebody <{}>", plain.to_uppercase()),
        9 => format!("{local}+shop@{domain}"),
        10 => format!("{local}+News+2@{domain}"),
        // Dots count everywhere but at Gmail.
        11 => format!("{}@{domain}", local.replace('.', "")),
        12 => match *domain {
            "gmail.com" => format!("{local}@googlemail.com"),
            "googlemail.com" => format!("{local}@GMAIL.com"),
            "bücher.de" => format!("{local}@xn--bcher-kva.de"),
            _ => plain.replace('e', "Ｅ"),
        },
        _ => match *domain {
            "gmail.com" | "googlemail.com" if local.len() > 2 => {
                format!("{}.{}@{domain}", &local[..1], &local[1..].trim_start_matches('.'))
            }
            _ => plain,
        },
    }
}

fn written_phone(rng: &mut Rng, phone: &Phone) -> String {
    let Phone { country_code, national } = phone;
    let (head, tail) = national.split_at(3);
    // Italy and the United States write no zero before a national number.
    let trunk = if matches!(*country_code, "39" | "1") { "" } else { "0" };
    match rng.below(15) {
        0..3 => format!("+{country_code}{national}"),
        12 => format!("+0{country_code} {head}.{tail}"),
        13 => format!("0{country_code}{national}"),
        14 => format!("+{country_code} (0){head} {tail}"),
        3 => format!("+{country_code} ({head}) {tail}"),
        4 => format!("00{country_code} {head} {tail}"),
        5 => format!("{country_code}{national}"),
        6 => format!("{trunk}{national}"),
        7 => format!("{trunk}{head}/{tail}"),
        8 => format!("({trunk}{head}) {tail}"),
        9 => format!("+{country_code}-{head}-{tail} ext. 12"),
        10 => format!("{trunk}{head} {tail} x5"),
        _ => format!(" {trunk}{head}.{tail} "),
    }
}

/// An id as it stands in a table: missing (so many in a hundred, and some more), blank, with blanks
/// around it, or again one of before.
pub fn id_cell(
    rng: &mut Rng,
    taken: &[Option<String>],
    at: usize,
    missing: usize,
) -> Option<String> {
    let earlier: Vec<&String> = taken.iter().flatten().collect();
    match rng.below(100) {
        _ if rng.chance(missing) => None,
        0..5 => None,
        5..7 => Some(rng.word(&[" ", "\t", ""])),
        7..19 if !earlier.is_empty() => Some(rng.pick(&earlier).clone()),
        19..22 if !earlier.is_empty() => Some(format!(" {}", rng.pick(&earlier).trim())),
        22..30 => Some(format!("Ä{at}")),
        30..50 => Some(at.to_string()),
        _ => Some(format!("A{at}")),
    }
}

/// Words in which a decision is written.
pub struct Vocabulary {
    pub granted: Vec<&'static str>,
    pub denied: Vec<&'static str>,
}

const GRANTED: [&str; 11] = [
    "true",
    "t",
    "yes",
    "y",
    "1",
    "granted",
    "allow",
    "allowed",
    "opt-in",
    "opted_in",
    "subscribed",
];
const DENIED: [&str; 14] = [
    "false",
    "f",
    "no",
    "n",
    "0",
    "denied",
    "deny",
    "disallow",
    "opt-out",
    "opted_out",
    "unsubscribed",
    "withdrawn",
    "revoked",
    "do not allow",
];
const UNRECOGNIZED: [&str; 5] = ["maybe", "?", "2", "true!", "opt in"];

/// A table's own words: none, some of another language, or some that turn a known word around.
pub fn vocabulary(rng: &mut Rng) -> Vocabulary {
    match rng.below(10) {
        0 | 1 => Vocabulary { granted: vec!["ja", "Gerne"], denied: vec!["nein", "Nie Mehr"] },
        2 => Vocabulary { granted: vec!["0"], denied: vec!["1", "weg"] },
        3 => Vocabulary { granted: Vec::new(), denied: vec!["allow"] },
        _ => Vocabulary { granted: Vec::new(), denied: Vec::new() },
    }
}

/// A cell of a value column.
pub fn value_cell(rng: &mut Rng, own: &Vocabulary, denials: usize) -> Option<String> {
    let word = match rng.below(100) {
        0..6 => return None,
        6..8 => rng.word(&["", " ", "\t "]),
        8..12 => rng.word(&UNRECOGNIZED),
        12..22 if !own.granted.is_empty() => rng.word(&own.granted),
        22..30 if !own.denied.is_empty() => rng.word(&own.denied),
        _ if rng.chance(denials) => rng.word(&DENIED),
        _ => rng.word(&GRANTED),
    };
    Some(match rng.below(6) {
        0 => word.to_uppercase(),
        1 => format!(" {word} "),
        _ => word,
    })
}
