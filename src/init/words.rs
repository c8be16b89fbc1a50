//! What names of columns, files and decisions say. Words of several languages, because headers are
//! written by people.

/// The words of a header, in lower case: cut at what is no letter or digit, and where a small letter
/// meets a capital one (`CustomerNo`, `e-mail`, `opt_in`).
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let letters: Vec<char> = name.chars().collect();
    for (at, &c) in letters.iter().enumerate() {
        if !c.is_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let before = at.checked_sub(1).map(|at| letters[at]);
        let behind = letters.get(at + 1);
        let begins = c.is_uppercase()
            && (before.is_some_and(char::is_lowercase)
                || (before.is_some_and(char::is_uppercase)
                    && behind.is_some_and(|next| next.is_lowercase())));
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A name for the pipeline: the words, with `_` between them.
#[must_use]
pub fn slug(name: &str) -> String {
    words(name).join("_")
}

/// True if any of the words is one of these.
#[must_use]
pub fn any(words: &[String], of: &[&str]) -> bool {
    words.iter().any(|word| of.contains(&word.as_str()))
}

/// True if the words, put together, hold any of these.
#[must_use]
pub fn hold(words: &[String], of: &[&str]) -> bool {
    let whole = words.concat();
    of.iter().any(|part| whole.contains(part))
}

/// What a header says of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Mail,
    Phone,
    FirstName,
    LastName,
    FullName,
    BirthDate,
    Updated,
    Created,
    PostalCode,
    Country,
    City,
    Street,
    Id,
    Nothing,
}

/// What the words of a header say, the surest first.
#[must_use]
pub fn says(words: &[String]) -> Says {
    let whole = words.concat();
    let is = |of: &[&str]| of.contains(&whole.as_str());
    if any(words, &["mail", "email", "emails", "mailadresse", "courriel"])
        || hold(words, &["email", "mailaddress"])
    {
        Says::Mail
    } else if any(
        words,
        &["phone", "mobile", "cell", "tel", "telefon", "telephone", "handy", "msisdn"],
    ) || hold(words, &["phone", "telefon", "mobilnummer"])
    {
        Says::Phone
    } else if hold(words, &["birth", "geburtsdatum", "geburtstag", "naissance", "nacimiento"])
        || any(words, &["dob", "bday"])
    {
        Says::BirthDate
    } else if hold(words, &["firstname", "givenname", "forename", "vorname", "prenom", "prénom"])
        || is(&["first", "given", "fname", "imie", "imię", "voornaam"])
    {
        Says::FirstName
    } else if hold(words, &["lastname", "surname", "familyname", "nachname", "familienname"])
        || is(&["last", "lname", "nazwisko", "achternaam", "nom"])
    {
        Says::LastName
    } else if is(&["name", "fullname", "customername", "displayname", "contactname", "personname"])
    {
        Says::FullName
    } else if any(words, &["modified", "updated", "changed", "geändert", "geaendert"]) {
        Says::Updated
    } else if any(words, &["created", "registered", "joined", "signup", "erstellt", "angelegt"]) {
        Says::Created
    } else if hold(words, &["postcode", "postalcode", "zipcode"])
        || any(words, &["zip", "plz", "postcode", "postal", "postleitzahl"])
    {
        Says::PostalCode
    } else if any(words, &["country", "land", "nation", "pays", "kraj"]) {
        Says::Country
    } else if any(words, &["city", "town", "suburb", "ort", "stadt", "ville", "miasto"]) {
        Says::City
    } else if any(words, &["street", "address", "strasse", "straße", "rue", "ulica", "adresse"]) {
        Says::Street
    } else if any(
        words,
        &["id", "key", "no", "nr", "number", "nummer", "guid", "uuid", "code", "card", "ref"],
    ) || whole.ends_with("id") && whole.len() <= 12
    {
        Says::Id
    } else {
        Says::Nothing
    }
}

/// True if the name of a column speaks of consent.
#[must_use]
pub fn of_consent(words: &[String]) -> bool {
    hold(
        words,
        &[
            "consent",
            "optin",
            "optout",
            "optedin",
            "optedout",
            "newsletter",
            "marketing",
            "subscri",
            "permission",
            "allow",
            "gdpr",
            "dsgvo",
            "agree",
            "einwilligung",
            "zustimmung",
            "angebot",
            "donotc",
            "donote",
            "donotp",
            "mailing",
            "consentement",
        ],
    ) || any(
        words,
        &[
            "offers",
            "offer",
            "promo",
            "promotions",
            "updates",
            "news",
            "accepts",
            "accepted",
            "rgpd",
        ],
    )
}

/// True if yes in such a column means no: `unsubscribed`, `opt_out`, `do not contact`.
#[must_use]
pub fn is_inverted(words: &[String]) -> bool {
    hold(
        words,
        &[
            "unsubscri",
            "optout",
            "optedout",
            "donot",
            "nocontact",
            "noemail",
            "nomail",
            "nosms",
            "abgemeldet",
            "revoked",
            "withdrawn",
        ],
    )
}

/// True if the name of a column says that purposes stand in it.
#[must_use]
pub fn is_purpose(words: &[String]) -> bool {
    any(
        words,
        &[
            "purpose",
            "purposes",
            "topic",
            "subscription",
            "list",
            "zweck",
            "kategorie",
            "consenttype",
            "preference",
        ],
    ) || hold(words, &["consenttype", "consentname", "consentpurpose"])
}

/// True if the name of a file or column says that those in it must not be contacted.
#[must_use]
pub fn is_suppression(words: &[String]) -> bool {
    hold(
        words,
        &[
            "bounce",
            "donotcontact",
            "donotemail",
            "donotcall",
            "suppress",
            "blacklist",
            "blocklist",
            "unsubscribe",
            "robinson",
            "optout",
            "complaint",
            "sperrliste",
            "stoplist",
            "neveremail",
        ],
    ) || any(words, &["dnc", "blocked"])
}

/// True if the name of a file says that those in it asked for something.
#[must_use]
pub fn is_subscription(words: &[String]) -> bool {
    hold(words, &["subscriber", "newsletter", "optin", "signup", "consent", "abonnent"])
        && !is_suppression(words)
}

/// Words that say nothing about what a consent is for.
const NOT_A_PURPOSE: [&str; 49] = [
    "consent",
    "consents",
    "opt",
    "in",
    "out",
    "optin",
    "optout",
    "opted",
    "permission",
    "allowed",
    "allow",
    "allows",
    "ok",
    "flag",
    "agreed",
    "agree",
    "agrees",
    "accepted",
    "accepts",
    "gdpr",
    "dsgvo",
    "rgpd",
    "subscribed",
    "subscribe",
    "subscription",
    "unsubscribed",
    "unsubscribe",
    "is",
    "has",
    "wants",
    "do",
    "not",
    "no",
    "value",
    "status",
    "einwilligung",
    "zustimmung",
    "for",
    "to",
    "the",
    "by",
    "given",
    "date",
    "contact",
    "donotcontact",
    "receive",
    "on",
    "state",
    "abgemeldet",
];

/// A name for what a consent is for, of the name of its column. Plurals are one with singulars.
#[must_use]
pub fn purpose(words: &[String]) -> String {
    let left: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !NOT_A_PURPOSE.contains(word)).collect();
    if left.is_empty() {
        return "marketing".to_owned();
    }
    let name = match left.as_slice() {
        ["e", "mail"] | ["mail"] => "email".to_owned(),
        _ => left.join("_"),
    };
    let name = singular(&name);
    if name == "none" { "marketing".to_owned() } else { name }
}

/// Without the `s` of a plural.
#[must_use]
pub fn singular(name: &str) -> String {
    let keeps = ["news", "sms"].iter().any(|word| name.ends_with(word));
    match name.strip_suffix('s') {
        Some(stem) if !keeps && stem.len() > 3 && !stem.ends_with('s') => stem.to_owned(),
        _ => name.to_owned(),
    }
}

/// True if a purpose goes out by phone.
#[must_use]
pub fn by_phone(words: &[String]) -> bool {
    any(
        words,
        &[
            "sms",
            "phone",
            "call",
            "calls",
            "tel",
            "telefon",
            "telephone",
            "mobile",
            "whatsapp",
            "anruf",
            "mms",
        ],
    )
}

/// Words of decisions in other languages and habits than the closed vocabulary: the word, and whether it
/// grants. A pipeline names those that it needs under `words`.
pub const DECISIONS: [(&str, bool); 42] = [
    ("ja", true),
    ("j", true),
    ("oui", true),
    ("si", true),
    ("sí", true),
    ("sì", true),
    ("tak", true),
    ("sim", true),
    ("da", true),
    ("igen", true),
    ("kyllä", true),
    ("evet", true),
    ("opt_in", true),
    ("opt in", true),
    ("opted-in", true),
    ("opted in", true),
    ("optin", true),
    ("consented", true),
    ("accepted", true),
    ("agreed", true),
    ("on", true),
    ("enabled", true),
    ("nein", false),
    ("non", false),
    ("nee", false),
    ("nie", false),
    ("não", false),
    ("ne", false),
    ("nem", false),
    ("ei", false),
    ("hayır", false),
    ("optout", false),
    ("opted out", false),
    ("rejected", false),
    ("declined", false),
    ("refused", false),
    ("off", false),
    ("disabled", false),
    ("blocked", false),
    ("not consented", false),
    ("removed", false),
    ("cancelled", false),
];

/// Texts that stand for null in exports of other programs.
pub const NULLS: [&str; 7] = ["N/A", "n/a", "#N/A", "NULL", "null", "\\N", "-"];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Says {
        says(&words(name))
    }

    #[test]
    fn headers_are_cut_into_words() {
        assert_eq!(words("CustomerNo"), ["customer", "no"]);
        assert_eq!(words("EMail"), ["e", "mail"]);
        assert_eq!(words("Newsletter consent"), ["newsletter", "consent"]);
        assert_eq!(words("SMS-Angebote"), ["sms", "angebote"]);
        assert_eq!(words("user_id"), ["user", "id"]);
        assert_eq!(words(" "), Vec::<String>::new());
    }

    #[test]
    fn headers_say_what_stands_below_them() {
        for (name, says) in [
            ("EMail", Says::Mail),
            ("emailaddress1", Says::Mail),
            ("mail", Says::Mail),
            ("Mobile", Says::Phone),
            ("Telefon", Says::Phone),
            ("FirstName", Says::FirstName),
            ("given_name", Says::FirstName),
            ("Surname", Says::LastName),
            ("Nachname", Says::LastName),
            ("Name", Says::FullName),
            ("date_of_birth", Says::BirthDate),
            ("BirthDate", Says::BirthDate),
            ("ModifiedOn", Says::Updated),
            ("CreatedOn", Says::Created),
            ("Postcode", Says::PostalCode),
            ("Zip", Says::PostalCode),
            ("Country", Says::Country),
            ("address_1", Says::Street),
            ("CustomerNo", Says::Id),
            ("rec_id", Says::Id),
            ("Points", Says::Nothing),
            ("email_opt_in", Says::Mail),
        ] {
            assert_eq!(of(name), says, "{name}");
        }
    }

    #[test]
    fn purposes_are_named_after_their_columns() {
        let of = |name: &str| purpose(&words(name));
        assert_eq!(of("Newsletter consent"), "newsletter");
        assert_eq!(of("Product updates"), "product_update");
        assert_eq!(of("product_updates"), "product_update");
        assert_eq!(of("email_opt_in"), "email");
        assert_eq!(of("unsubscribed"), "marketing");
        assert_eq!(of("SMS"), "sms");
        assert_eq!(of("news"), "news");
    }

    #[test]
    fn opt_outs_are_inverted() {
        for name in ["unsubscribed", "opt_out", "OptedOut", "do_not_email", "DoNotContact"] {
            assert!(of_consent(&words(name)) && is_inverted(&words(name)), "{name}");
        }
        assert!(!is_inverted(&words("email_opt_in")));
    }
}
