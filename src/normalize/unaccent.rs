//! The normalizer `unaccent`: letters without their accents.

use std::borrow::Cow;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::{Documented, Example, Step, text};

pub(super) const UNACCENT: Documented = Documented {
    name: "unaccent",
    step: Step::Unaccent,
    summary: "Compares letters without accents, ligatures and case (`Á` equals `a`): compatibility \
              forms such as full-width and circled letters become the plain ones, accents are \
              dropped, letters such as `ø ł đ ß æ` are spelled in ASCII, and typographic quotes \
              and dashes become the plain ones. `ä` becomes `a`, not `ae`. Vowel \
              signs, tone marks and voiced kana of other scripts are no accents and stay; Greek \
              and Cyrillic accents are dropped too (`ё` equals `е`, `й` equals `и`).",
    options: &[],
    examples: &[
        Example::new("à", Some("a")),
        Example::new("Á", Some("a")),
        Example::new("Ⓐ", Some("a")),
        Example::new("Ａ", Some("a")),
        Example::new("Müller", Some("muller")),
        Example::new("Æsop Łódź Søren Straße Đỗ Þór", Some("aesop lodz soren strasse do thor")),
        Example::new("İstanbul Isparta ılık", Some("istanbul isparta ilik")),
        Example::new("O’Brien", Some("o'brien")),
        Example::new("हिन्दी がく", Some("हिन्दी がく")),
    ],
};

/// Letters and signs that do not decompose, by what stands for them in ASCII; in order, after case
/// folding. Source: CLDR transform `Latin-ASCII`, the letters in use in names.
#[rustfmt::skip]
const SPELLED: &[(char, &str)] = &[
    ('æ', "ae"), ('ð', "d"), ('ø', "o"), ('þ', "th"), ('đ', "d"), ('ħ', "h"), ('ı', "i"),
    ('ĸ', "q"), ('ł', "l"), ('ŋ', "n"), ('œ', "oe"), ('ŧ', "t"), ('ƀ', "b"), ('ƃ', "b"),
    ('ƈ', "c"), ('ƌ', "d"), ('ƒ', "f"), ('ƙ', "k"), ('ƚ', "l"), ('ƞ', "n"), ('ƥ', "p"),
    ('ƫ', "t"), ('ƭ', "t"), ('ƴ', "y"), ('ƶ', "z"), ('ǥ', "g"), ('ȡ', "d"), ('ȥ', "z"),
    ('ȴ', "l"), ('ȵ', "n"), ('ȶ', "t"), ('ȷ', "j"), ('ȼ', "c"), ('ȿ', "s"), ('ɀ', "z"),
    ('ɇ', "e"), ('ɉ', "j"), ('ɋ', "q"), ('ɍ', "r"), ('ɏ', "y"), ('ɓ', "b"), ('ɖ', "d"),
    ('ɗ', "d"), ('ə', "e"), ('ɛ', "e"), ('ɠ', "g"), ('ɨ', "i"), ('ɫ', "l"), ('ɲ', "n"),
    ('ɵ', "o"), ('ʈ', "t"), ('ʉ', "u"), ('ʋ', "v"), ('ʻ', "'"), ('ʼ', "'"), ('‐', "-"),
    ('‒', "-"), ('–', "-"), ('—', "-"), ('―', "-"), ('‘', "'"), ('’', "'"), ('‚', "'"),
    ('‛', "'"), ('“', "\""), ('”', "\""), ('„', "\""), ('‟', "\""), ('⁄', "/"), ('−', "-"),
    ('ⱥ', "a"), ('ⱦ', "t"),
];

/// Letters without accents, case folded.
pub(super) fn unaccent(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text::lower(text);
    }
    let folded = text.nfkd().filter(|&c| !is_accent(c)).default_case_fold();
    let mut plain = String::with_capacity(text.len());
    for c in folded {
        match SPELLED.binary_search_by_key(&c, |(letter, _)| *letter) {
            Ok(at) => plain.push_str(SPELLED[at].1),
            Err(_) => plain.push(c),
        }
    }
    // Hangul and kana have been taken apart too.
    let whole: String = plain.nfc().collect();
    if whole == text { Cow::Borrowed(text) } else { Cow::Owned(whole) }
}

/// An accent or a point, by its canonical combining class: strokes (1), Hebrew, Arabic and Syriac
/// points (10 to 36), marks above, below and beside (200 to 240). Not those without which the
/// word is another one: nukta (7), voiced kana (8), virama (9), Indic, Thai, Lao and Tibetan signs.
fn is_accent(c: char) -> bool {
    matches!(canonical_combining_class(c), 1 | 10..=36 | 200..=240)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_folded_and_final() {
        assert!(SPELLED.is_sorted_by(|(a, _), (b, _)| a < b));
        for (letter, spelled) in SPELLED {
            assert!(spelled.is_ascii(), "{letter}");
            assert!(letter.to_lowercase().eq([*letter]), "{letter}");
            let word = letter.to_string();
            assert_eq!(unaccent(&word), *spelled);
            assert_eq!(unaccent(&word.to_uppercase()), *spelled);
        }
    }
}
