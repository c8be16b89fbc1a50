//! Normalizers: how two values are compared. Pure text in, pure text out.
//!
//! A [`Chain`] of [`Step`]s turns a value as it stands in a source into its *key*. Two values are
//! the same if their keys are equal; a value without a key (`None`) is *unusable*: it links nobody
//! and names nobody. Comparing never changes what is stored or exported, and nothing in this room
//! reads a file, knows a table or the engine.
//!
//! A denial or a suppression may match more loosely than by equal keys (`docs/semantics.md`,
//! section 6). [`Chain::apply_loose`] says how far it reaches, as texts that an engine can join on.
//!
//! Each normalizer lives in a file of its own kind together with its [`Documented`] entry: what the
//! docs, the JSON Schema and `optin check` say about it, and the known answers that the tests run.
//!
//! What holds for every chain, and is tested: no input panics; a normalizer that is applied to
//! its own result changes nothing; a key is never empty; equal keys are in reach of each other.

mod address;
mod alias;
mod email;
mod hashed;
mod name;
mod numerals;
mod organization;
mod phone;
pub mod platform;
mod text;
mod unaccent;
mod words;

use std::borrow::Cow;

use serde::Serialize;

pub use alias::Alias;
pub use email::{EmailOptions, PLAIN_ROOM};
pub use hashed::{Sha, read_sha, sha};
pub use phone::Region;

/// What a key stands for. Mail and phone keys are contact points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A mail address.
    Mail,
    /// A phone number.
    Phone,
    /// Any other text.
    Text,
}

/// One normalizer.
///
/// The region of [`Step::Phone`] is no part of it: it may stand in a column beside the number, so
/// it is passed with each value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A mail address, see [`EmailOptions`].
    Email(EmailOptions),
    /// A phone number to E.164.
    Phone,
    /// Case folded.
    Lower,
    /// White space at the ends dropped.
    Trim,
    /// Punctuation and symbols dropped.
    StripSymbols,
    /// White space dropped everywhere.
    StripWhitespace,
    /// Digits of all scripts, circled numbers and Roman numerals as ASCII digits.
    Numerals,
    /// Letters without their accents, case folded.
    Unaccent,
    /// The name of a person.
    Name,
    /// A line of a street address.
    Address,
    /// The name of an organization.
    Organization,
    /// Texts that a file says are the same value.
    Alias(Alias),
}

impl Step {
    /// The kind of key it makes.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Email(_) => Kind::Mail,
            Self::Phone => Kind::Phone,
            _ => Kind::Text,
        }
    }

    /// A borrowed result is always a part of `text`; [`then`] relies on it.
    fn apply<'a>(&self, text: &'a str, region: Option<Region>) -> Option<Cow<'a, str>> {
        match self {
            Self::Email(options) => email::key(text, *options),
            Self::Phone => phone::key(text, region),
            Self::Lower => Some(text::lower(text)),
            Self::Trim => Some(Cow::Borrowed(text::trim(text))),
            Self::StripSymbols => Some(text::strip_symbols(text)),
            Self::StripWhitespace => Some(text::strip_whitespace(text)),
            Self::Numerals => Some(numerals::numerals(text)),
            Self::Unaccent => Some(unaccent::unaccent(text)),
            Self::Name => Some(name::name(text)),
            Self::Address => Some(address::address(text)),
            Self::Organization => Some(organization::organization(text)),
            Self::Alias(alias) => Some(alias.apply(text)),
        }
    }
}

/// Normalizers, applied in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Chain {
    steps: Vec<Step>,
}

impl Chain {
    /// A chain of these steps. Without steps a key is the value as it stands.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// The chain of a field that has no entry under `keys`.
    #[must_use]
    pub fn default_trim() -> Self {
        Self::new(vec![Step::Trim])
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Mail if an `email` step is in it, else phone if a `phone` step is, else text.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let has = |kind| self.steps.iter().any(|step| step.kind() == kind);
        if has(Kind::Mail) {
            Kind::Mail
        } else if has(Kind::Phone) {
            Kind::Phone
        } else {
            Kind::Text
        }
    }

    /// The key of a value; never empty. `None` if it normalizes to nothing.
    ///
    /// `region` is for phone numbers that are written without a country code. The key is borrowed
    /// where it is a part of the value, as with clean values.
    #[must_use]
    pub fn apply<'a>(&self, value: &'a str, region: Option<Region>) -> Option<Cow<'a, str>> {
        run(&self.steps, Cow::Borrowed(value), region)
    }

    /// The key of a plain mail address, if the chain is for such and the value is one: what
    /// [`apply_loose`](Self::apply_loose) gives, which for it has no looser match than the key.
    #[must_use]
    pub fn plain_mail<'r>(&self, value: &str, room: &'r mut [u8; PLAIN_ROOM]) -> Option<&'r [u8]> {
        match self.steps.as_slice() {
            [Step::Email(_)] => email::plain(value, room),
            _ => None,
        }
    }

    /// True if the chain only trims: every text that is not blank is usable.
    #[must_use]
    pub fn is_trim(&self) -> bool {
        matches!(self.steps.as_slice(), [Step::Trim])
    }

    /// True where the value has a key, often without making it.
    #[must_use]
    pub fn has_key(&self, value: &str, region: Option<Region>) -> bool {
        match self.steps.as_slice() {
            [Step::Phone] => phone::has_key(value, region),
            _ => self.apply(value, region).is_some(),
        }
    }

    /// The key of a value, and how far a denial of it reaches. `None` exactly where
    /// [`Chain::apply`] gives `None`.
    #[must_use]
    pub fn apply_loose<'a>(&self, value: &'a str, region: Option<Region>) -> Option<Loose<'a>> {
        let kind = self.kind();
        let last = self.steps.iter().rposition(|step| step.kind() == kind);
        let (before, contact, after) = match (kind, last) {
            (Kind::Text, _) | (_, None) => {
                return self.apply(value, region).map(Loose::exact);
            }
            (_, Some(at)) => (&self.steps[..at], &self.steps[at], &self.steps[at + 1..]),
        };
        let text = run(before, Cow::Borrowed(value), region)?;
        if let Step::Email(options) = contact {
            let address = then(text, |text| email::key(text, *options))?;
            let reduced = email::reduce(address.clone(), EmailOptions::LOOSEST);
            let key = run(after, address, region)?;
            // Later steps can make equal what the reduced forms still tell apart.
            Some(Loose::mail(key, run(after, reduced, region), !after.is_empty()))
        } else {
            let number = phone::read(&text, region)?;
            let key = match text {
                Cow::Borrowed(text) if text == number.key => Cow::Borrowed(text),
                _ => Cow::Owned(number.key),
            };
            let key = run(after, key, region)?;
            let own = !after.is_empty() || number.with_code.is_some();
            Some(Loose::phone(
                key,
                own,
                number.with_code.as_deref(),
                number.without_code.as_deref(),
            ))
        }
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::default_trim()
    }
}

/// Applies the steps; an empty text is none.
fn run<'a>(steps: &[Step], text: Cow<'a, str>, region: Option<Region>) -> Option<Cow<'a, str>> {
    let key = steps.iter().try_fold(text, |text, step| then(text, |text| step.apply(text, region)));
    key.filter(|key| !key.is_empty())
}

/// Applies one more step. `step` must borrow from its argument only.
fn then<'a>(
    text: Cow<'a, str>,
    step: impl for<'t> FnOnce(&'t str) -> Option<Cow<'t, str>>,
) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => step(text),
        Cow::Owned(text) => {
            let changed = match step(&text)? {
                // All of an owned text, unchanged: moved on, not copied.
                Cow::Borrowed(same) if same.len() == text.len() => None,
                other => Some(other.into_owned()),
            };
            Some(Cow::Owned(changed.unwrap_or(text)))
        }
    }
}

/// How many forms beside its key a value can have on either side: as many as a guessed phone number
/// needs.
pub const FORMS: usize = 3;

/// Forms of a value.
pub type Forms<'a> = [Option<Cow<'a, str>>; FORMS];

/// A key and how far a denial of it reaches.
///
/// A denial (or an entry of a suppression list) reaches a contact point if one of its forms equals
/// one of the contact point's: the forms of `denial` and of `target`, and the key itself where it
/// is a form (`own`). Equal keys always reach each other. Forms are for comparing only, within the
/// keys of one field: those of phones carry a mark in front.
///
/// Phones: the key, for numbers with a country code. `l` and a national number: met by
/// denials of any number that has this national number, stands on targets without a country code.
/// `c` and a national number: met by denials without a country code, stands on targets with one.
/// So two numbers with a country code meet in their key alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose<'a> {
    /// The key, as [`Chain::apply`] gives it.
    pub key: Cow<'a, str>,
    /// True if the key itself is a form, on both sides.
    pub own: bool,
    /// What a denial of this value looks for beside it.
    pub denial: Forms<'a>,
    /// By what a contact point with this value is found beside it.
    pub target: Forms<'a>,
}

impl<'a> Loose<'a> {
    /// No looser match than the key.
    fn exact(key: Cow<'a, str>) -> Self {
        Self { key, own: true, denial: [const { None }; FORMS], target: [const { None }; FORMS] }
    }

    fn mail(key: Cow<'a, str>, reduced: Option<Cow<'a, str>>, own: bool) -> Self {
        // Most mails are as loose as they can be.
        if reduced.as_ref() == Some(&key) {
            return Self::exact(key);
        }
        Self { key, own, denial: [reduced.clone(), None, None], target: [reduced, None, None] }
    }

    fn phone(
        key: Cow<'a, str>,
        own: bool,
        with_code: Option<&str>,
        without_code: Option<&str>,
    ) -> Self {
        let marked = |mark: char, text: &str| {
            let mut form = String::with_capacity(text.len() + 1);
            form.push(mark);
            form.push_str(text);
            Cow::Owned(form)
        };
        let on_local = |number: Option<&str>| number.map(|number| marked('l', number));
        let on_full = |number: Option<&str>| number.map(|number| marked('c', number));
        Self {
            key,
            own,
            denial: [on_local(with_code), on_local(without_code), on_full(without_code)],
            target: [on_full(with_code), on_local(without_code), None],
        }
    }

    /// True where a denial of `self` reaches the contact point `target`.
    #[must_use]
    pub fn reaches(&self, target: &Loose<'_>) -> bool {
        fn all<'l>(own: bool, key: &'l str, forms: &'l Forms<'_>) -> impl Iterator<Item = &'l str> {
            own.then_some(key).into_iter().chain(forms.iter().flatten().map(AsRef::as_ref))
        }
        let targets = || all(target.own, &target.key, &target.target);
        all(self.own, &self.key, &self.denial).any(|denial| targets().any(|form| form == denial))
    }
}

/// What there is to say about a normalizer, in one place: for the docs, the JSON Schema, the
/// messages and the tests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Documented {
    /// Name in the pipeline file.
    pub name: &'static str,
    /// The step, with all its options at their defaults.
    pub step: Step,
    /// What it does, in plain sentences.
    pub summary: &'static str,
    /// Its options and what they mean.
    pub options: &'static [(&'static str, &'static str)],
    /// Known answers.
    pub examples: &'static [Example],
}

/// A known answer of a normalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The value.
    pub input: &'static str,
    /// The region it is read in (phones).
    pub region: Option<&'static str>,
    /// Options that are set for it, as name and value in the pipeline file.
    pub options: &'static [(&'static str, &'static str)],
    /// The key; `None` if the value normalizes to nothing.
    pub output: Option<&'static str>,
}

impl Example {
    /// A known answer without options and region.
    const fn new(input: &'static str, output: Option<&'static str>) -> Self {
        Self { input, region: None, options: &[], output }
    }
}

/// All normalizers, in the order in which they are documented.
pub const NORMALIZERS: &[Documented] = &[
    email::EMAIL,
    phone::PHONE,
    text::LOWER,
    text::TRIM,
    text::STRIP_SYMBOLS,
    text::STRIP_WHITESPACE,
    numerals::NUMERALS,
    unaccent::UNACCENT,
    name::NAME,
    address::ADDRESS,
    organization::ORGANIZATION,
    alias::ALIAS,
];

/// The normalizer of this name.
#[must_use]
pub fn normalizer(name: &str) -> Option<&'static Documented> {
    NORMALIZERS.iter().find(|documented| documented.name == name)
}

#[cfg(test)]
mod tests;
