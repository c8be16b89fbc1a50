//! Plain words: what the normalizers `name`, `address` and `organization` start from.

use std::borrow::Cow;

use super::{text, unaccent};

/// What a full stop is. All other symbols are no matter of opinion: an apostrophe is dropped, the
/// others are blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stops {
    /// A blank: `J.R. Smith` is `j r smith`.
    Blank,
    /// Nothing between a single letter and the next one, else a blank: `N.W.` is `nw`, and
    /// `Hauptstr.Nord` is `hauptstr nord`.
    Initials,
    /// Nothing: `Contoso.com G.m.b.H.` is `contosocom gmbh`. The sign `&` is the word `and` here.
    Nothing,
}

/// Words without case, accents and symbols, with one blank between them.
pub(super) fn plain(text: &str, stops: Stops) -> Cow<'_, str> {
    if text.is_ascii() {
        let inner = text.trim_ascii();
        return if is_plain(inner) {
            Cow::Borrowed(inner)
        } else {
            let mut words = Words::new(text.len(), stops);
            for c in text.bytes() {
                words.push(char::from(c.to_ascii_lowercase()));
            }
            Cow::Owned(words.out)
        };
    }
    // An acute accent of its own is written for an apostrophe, and falls apart into a blank.
    let folded = if text.contains('´') {
        Cow::Owned(unaccent::unaccent(&text.replace('´', "'")).into_owned())
    } else {
        unaccent::unaccent(text)
    };
    let mut words = Words::new(folded.len() + 8, stops);
    for c in folded.chars() {
        words.push(c);
    }
    // What is dropped may have kept apart what belongs together: a letter and its vowel sign.
    let whole = unaccent::unaccent(&words.out);
    if whole == text { Cow::Borrowed(text) } else { Cow::Owned(whole.into_owned()) }
}

/// True for ASCII that is made of plain words already.
fn is_plain(text: &str) -> bool {
    let mut blank = false;
    text.bytes().all(|byte| {
        let again = blank && byte == b' ';
        blank = byte == b' ';
        (blank && !again) || byte.is_ascii_lowercase() || byte.is_ascii_digit()
    })
}

/// The words so far.
struct Words {
    out: String,
    stops: Stops,
    /// A blank is due before the next letter.
    blank: bool,
    /// A full stop is due: a blank, unless a letter follows at once.
    stop: bool,
    /// Letters since the last blank or full stop.
    letters: usize,
}

impl Words {
    fn new(capacity: usize, stops: Stops) -> Self {
        let out = String::with_capacity(capacity);
        Self { out, stops, blank: false, stop: false, letters: 0 }
    }

    /// One more character; case folded.
    fn push(&mut self, c: char) {
        match c {
            'a'..='z' | '0'..='9' => self.letter(c),
            ' ' => self.gap(),
            '\'' | '`' | '\u{2032}' => {}
            '.' => match self.stops {
                Stops::Nothing => {}
                Stops::Initials if self.letters == 1 && !self.blank && !self.stop => {
                    self.stop = true;
                }
                Stops::Initials | Stops::Blank => self.gap(),
            },
            '&' if self.stops == Stops::Nothing => {
                self.gap();
                "and".chars().for_each(|c| self.letter(c));
                self.gap();
            }
            _ if text::is_invisible(c) => {}
            _ if c.is_whitespace() || text::is_symbol(c) => self.gap(),
            _ => self.letter(c),
        }
    }

    fn gap(&mut self) {
        self.blank = true;
        self.stop = false;
    }

    fn letter(&mut self, c: char) {
        if self.stop {
            self.stop = false;
            self.letters = 0;
            // A number after a full stop is none of the initials: `v.12`.
            self.blank = c.is_numeric();
        }
        if self.blank {
            if !self.out.is_empty() {
                self.out.push(' ');
            }
            self.blank = false;
            self.letters = 0;
        }
        self.out.push(c);
        self.letters += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops() {
        for (stops, value, expected) in [
            (Stops::Blank, "J.R. O'Neil-Smith", "j r oneil smith"),
            (Stops::Blank, " O´Neil ", "oneil"),
            (Stops::Initials, "N.W. St.John U.S.A.", "nw st john usa"),
            (Stops::Initials, "v.12 a . b", "v 12 a b"),
            (Stops::Nothing, "AT&T Inc.", "at and t inc"),
            (Stops::Nothing, "&", "and"),
            (Stops::Blank, "\u{200b} . ", ""),
        ] {
            assert_eq!(plain(value, stops), expected, "{value}");
            assert_eq!(plain(expected, stops), expected, "{value}");
        }
        assert!(matches!(plain(" a b ", Stops::Blank), Cow::Borrowed("a b")));
        assert!(matches!(plain("हिन्दी", Stops::Blank), Cow::Borrowed("हिन्दी")));
    }
}
