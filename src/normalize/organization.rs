//! The normalizer `organization`: names of companies.
//!
//! Legal forms stand at the end of a name and are dropped there, one after the other, as long as
//! something is left. The forms are those of `lists/legal_forms.txt`; words that may be what a name
//! says (`Bank`, `Group`, `Union`, `Trust`) are none.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use super::words::{self, Stops};
use super::{Documented, Example, Step, then};

pub(super) const ORGANIZATION: Documented = Documented {
    name: "organization",
    step: Step::Organization,
    summary: "Compares names of organizations without case, accents and symbols. Legal forms at \
              the end (`Ltd.`, `GmbH & Co. KG`, `S.A.`) and `the` in front do not count; `&`, \
              `und` and `et` equal `and`. Something always stays.",
    options: &[],
    examples: &[
        Example::new("Contoso", Some("contoso")),
        Example::new("Contoso Ltd.", Some("contoso")),
        Example::new("The Contoso Company, Inc.", Some("contoso")),
        Example::new("Contoso G.m.b.H. & Co. KG", Some("contoso")),
        Example::new("CONTOSO, S. A.", Some("contoso")),
        Example::new("Contoso A/S", Some("contoso")),
        Example::new("Contoso Sp. z o.o.", Some("contoso")),
        Example::new("Contoso Pty Ltd", Some("contoso")),
        Example::new("Müller & Söhne OHG", Some("muller and sohne")),
        Example::new("Müller und Söhne", Some("muller and sohne")),
        Example::new("AT&T Inc.", Some("at and t")),
        Example::new("The Limited, Inc.", Some("limited")),
        Example::new("Toys U S A", Some("toys u s a")),
        Example::new("GmbH", Some("gmbh")),
        Example::new("&", Some("and")),
        Example::new("...", None),
    ],
};

/// Most words of a legal form.
const LONGEST: usize = 7;

struct Forms {
    forms: HashSet<&'static str>,
    /// Last words of the forms that have several.
    lasts: HashSet<&'static str>,
}

static FORMS: LazyLock<Forms> = LazyLock::new(|| {
    let forms: HashSet<_> = include_str!("lists/legal_forms.txt").lines().collect();
    let several = include_str!("lists/legal_forms.txt").lines();
    let lasts = several.filter_map(|form| form.rsplit_once(' ').map(|(_, last)| last)).collect();
    Forms { forms, lasts }
});

/// The key of a name of an organization.
pub(super) fn organization(text: &str) -> Cow<'_, str> {
    let plain = words::plain(text, Stops::Nothing);
    then(plain, |plain| Some(spell_and(shorten(plain)))).unwrap_or_default()
}

/// Without `the` in front and legal forms at the end.
fn shorten(text: &str) -> &str {
    let mut rest = text;
    while let Some(name) = rest.strip_prefix("the ") {
        rest = name;
    }
    let forms = &*FORMS;
    while let Some(name) = forms.drop_last(rest) {
        rest = name;
    }
    rest
}

impl Forms {
    /// Without the legal form, or the `and`, at the end. None if there is none, or no name before.
    fn drop_last<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (name, last) = text.rsplit_once(' ')?;
        if last.len() == 1 || self.lasts.contains(last) {
            // The longest form first.
            let starts: Vec<_> = text.rmatch_indices(' ').map(|(at, _)| at).take(LONGEST).collect();
            for at in starts.into_iter().rev() {
                let (name, form) = (&text[..at], &text[at + 1..]);
                if is_name(name) && (self.forms.contains(form) || self.is_spelled(name, form)) {
                    return Some(name);
                }
            }
        }
        (is_name(name) && (is_and(last) || self.forms.contains(last))).then_some(name)
    }

    /// True for a legal form in single letters: `s a`. All of them, so not the end of `u s a`.
    fn is_spelled(&self, name: &str, form: &str) -> bool {
        let single = |word: &str| word.len() == 1;
        if !form.split(' ').all(single) || name.rsplit(' ').next().is_some_and(single) {
            return false;
        }
        let form: String = form.split(' ').collect();
        self.forms.contains(form.as_str())
    }
}

/// True if there is a word that a company could be called by.
fn is_name(text: &str) -> bool {
    !text.split(' ').all(is_and)
}

fn is_and(word: &str) -> bool {
    matches!(word, "and" | "und" | "et")
}

/// With `and` for all words that mean it.
fn spell_and(text: &str) -> Cow<'_, str> {
    if !text.split(' ').any(|word| matches!(word, "und" | "et")) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for word in text.split(' ') {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(if is_and(word) { "and" } else { word });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_plain_and_each_form_is_dropped() {
        let forms: Vec<_> = include_str!("lists/legal_forms.txt").lines().collect();
        assert!(forms.is_sorted_by(|a, b| a < b));
        for form in forms {
            assert_eq!(words::plain(form, Stops::Nothing), form);
            assert!(form.split(' ').count() <= LONGEST, "{form}");
            assert_eq!(organization(&format!("contoso {form}")), "contoso");
            assert_eq!(organization(&format!("Contoso & {form}")), "contoso");
        }
        assert!(matches!(organization("contoso ltd"), Cow::Borrowed("contoso")));
    }

    #[test]
    fn something_always_stays() {
        let mut words: Vec<_> = FORMS.lasts.iter().copied().collect();
        words.extend(["the", "and", "et", "gmbh", "co", "sp", "s", "a", "ab", "x", "contoso"]);
        words.sort_unstable();
        words.dedup();
        for one in &words {
            for other in &words {
                for third in &words {
                    let value = format!("{one} {other} {third}");
                    let key = organization(&value);
                    assert!(!key.is_empty(), "{value}");
                    assert_eq!(organization(&key), key, "{value}");
                }
            }
        }
    }
}
