//! From places in a rule's text to places in the pipeline file.

use crate::diagnostics::Span;

/// Maps bytes of a rule's text to bytes of the pipeline file that holds it as a YAML scalar.
///
/// YAML takes quotes, escapes, indentation and folded line ends out of a scalar, so the two texts
/// differ. They are aligned by walking both: equal characters belong together, and a run of blanks
/// belongs to the run of blanks in the other text. Where the walk fails, everything maps to the
/// whole scalar: a place that is too wide, never a wrong one.
#[derive(Clone, Debug)]
pub struct SpanMap {
    scalar: Span,
    /// For each character of the value, in order: its byte in the value and its place in the file.
    /// Empty where alignment failed.
    places: Vec<(usize, Span)>,
    /// True where ` #` stands behind the scalar.
    is_before_comment: bool,
}

/// A character of the scalar as YAML reads it, and where it was written.
type Written = (char, Span);

impl SpanMap {
    /// Aligns `value`, the rule's text, with the scalar that stands at `scalar` in `source`.
    #[must_use]
    pub fn new(source: &str, scalar: Span, value: &str) -> Self {
        let end = scalar.end.min(source.len());
        let whole = source.get(scalar.start..end).unwrap_or_default();
        let text = whole.trim_start();
        let start = scalar.start + whole.len() - text.len();
        let styled = match text.bytes().next() {
            Some(b'\'') => align(&single_quoted(&text[1..], start + 1), value),
            Some(b'"') => align(&double_quoted(&text[1..], start + 1), value),
            Some(b'|' | b'>') => text
                .find('\n')
                .and_then(|header| align(&raw(&text[header + 1..], start + header + 1), value)),
            _ => None,
        };
        // The span of a block scalar may begin after its header, and then with any character.
        let places = styled.or_else(|| align(&raw(whole, scalar.start), value)).unwrap_or_default();
        let is_blank = |byte: usize| {
            value.get(byte..).is_some_and(|rest| rest.starts_with(char::is_whitespace))
        };
        let last = places.iter().rfind(|(byte, _)| !is_blank(*byte));
        let after = last.and_then(|(_, place)| source.get(place.end..)).unwrap_or_default();
        let rest = after.trim_start_matches([' ', '\t']);
        let is_before_comment = rest.len() < after.len() && rest.starts_with('#');
        Self { scalar: Span::new(scalar.start, end.max(scalar.start)), places, is_before_comment }
    }

    /// True where YAML ended the value at a ` #`, which may have been meant as a part of it.
    #[must_use]
    pub const fn is_before_comment(&self) -> bool {
        self.is_before_comment
    }

    /// The place in the file of the value's bytes from `start` up to, not including, `end`. An empty
    /// range gives the empty place before the character at `start`, or after the last one.
    #[must_use]
    pub fn span(&self, start: usize, end: usize) -> Span {
        // The character that holds a byte, so that a place never begins inside of one.
        let at = |byte: usize| {
            let after = self.places.partition_point(|(at, _)| *at <= byte);
            after.checked_sub(1).and_then(|index| self.places.get(index))
        };
        let Some((last, last_place)) = self.places.last() else { return self.scalar };
        if start >= end {
            let begin = if start > *last {
                last_place.end
            } else {
                at(start).map_or(self.scalar.start, |(_, place)| place.start)
            };
            return Span::new(begin, begin);
        }
        match (at(start), at(end - 1)) {
            (Some((_, first)), Some((_, last))) => {
                Span::new(first.start, last.end.max(first.start))
            }
            _ => self.scalar,
        }
    }
}

/// Gives every character of `value` the place of a character of `written`; none if they differ in
/// more than blanks.
fn align(written: &[Written], value: &str) -> Option<Vec<(usize, Span)>> {
    let mut places = Vec::with_capacity(value.len());
    let mut chars = value.char_indices().peekable();
    let mut at = 0;
    loop {
        let run = written[at..].iter().take_while(|(c, _)| c.is_whitespace()).count();
        let mut blanks = Vec::new();
        while let Some(blank) = chars.next_if(|(_, c)| c.is_whitespace()) {
            blanks.push(blank);
        }
        let source = &written[at..at + run];
        at += run;
        let Some(&(byte, c)) = chars.peek() else {
            // YAML may give a block one line end at its end, or take those there are.
            let after = written.get(at.saturating_sub(run + 1)).map_or(0, |(_, place)| place.end);
            place_blanks(&blanks, source, after, &mut places);
            return (!places.is_empty()).then_some(places);
        };
        if run == 0 && !blanks.is_empty() {
            return None;
        }
        place_blanks(&blanks, source, 0, &mut places);
        let (found, place) = written.get(at)?;
        if *found != c {
            return None;
        }
        places.push((byte, *place));
        at += 1;
        chars.next();
    }
}

/// Blanks written as they are read keep their places; folded ones share the place of the run.
fn place_blanks(
    blanks: &[(usize, char)],
    source: &[Written],
    after: usize,
    places: &mut Vec<(usize, Span)>,
) {
    let same = blanks.len() == source.len()
        && blanks.iter().zip(source).all(|((_, read), (written, _))| read == written);
    let whole = match (source.first(), source.last()) {
        (Some((_, first)), Some((_, last))) => first.to(*last),
        _ => Span::new(after, after),
    };
    for (index, (byte, _)) in blanks.iter().enumerate() {
        let place = if same { source[index].1 } else { whole };
        places.push((*byte, place));
    }
}

/// Plain and block scalars: every character stands for itself.
fn raw(text: &str, start: usize) -> Vec<Written> {
    text.char_indices()
        .map(|(at, c)| (c, Span::new(start + at, start + at + c.len_utf8())))
        .collect()
}

/// The inside of a single-quoted scalar, up to the closing quote.
fn single_quoted(text: &str, start: usize) -> Vec<Written> {
    let mut written = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let mut end = at + c.len_utf8();
        if c == '\'' {
            if rest.next_if(|(_, c)| *c == '\'').is_none() {
                break;
            }
            end += 1;
        }
        written.push((c, Span::new(start + at, start + end)));
    }
    written
}

/// The inside of a double-quoted scalar, up to the closing quote (YAML 1.2.2, section 5.7).
fn double_quoted(text: &str, start: usize) -> Vec<Written> {
    let mut written = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let begin = at;
        at += c.len_utf8();
        let read = match c {
            '"' => break,
            '\\' => {
                let Some(escape) = text[at..].chars().next() else { break };
                at += escape.len_utf8();
                let digits = match escape {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                let code = text.get(at..at + digits).unwrap_or_default();
                at += code.len();
                match escape {
                    'x' | 'u' | 'U' => u32::from_str_radix(code, 16).ok().and_then(char::from_u32),
                    // An escaped line end joins two lines with nothing between.
                    '\n' | '\r' => None,
                    other => Some(unescape(other)),
                }
            }
            other => Some(other),
        };
        if let Some(read) = read {
            written.push((read, Span::new(start + begin, start + at)));
        }
    }
    written
}

fn unescape(escape: char) -> char {
    match escape {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Maps each word of `value` and compares what stands in the file at its place.
    #[track_caller]
    fn words(source: &str, scalar: &str, value: &str, written: &[&str]) {
        let start = source.find(scalar).expect("the scalar stands in the source");
        let map = SpanMap::new(source, Span::new(start, start + scalar.len()), value);
        let mut at = 0;
        let found: Vec<_> = value
            .split_whitespace()
            .map(|word| {
                let start = at + value[at..].find(word).expect("the word stands in the value");
                at = start + word.len();
                let span = map.span(start, at);
                &source[span.start..span.end]
            })
            .collect();
        assert_eq!(found, written);
    }

    #[test]
    fn plain() {
        words("a: ü = 1 # x\n", "ü = 1", "ü = 1", &["ü", "=", "1"]);
        let source = "a: x = 1\n  AND y\n\n  OR ü\nb: 2";
        let scalar = "x = 1\n  AND y\n\n  OR ü";
        words(source, scalar, "x = 1 AND y\nOR ü", &["x", "=", "1", "AND", "y", "OR", "ü"]);
        words("a:\r\n  x\r\n  AND y\r\n", "x\r\n  AND y", "x AND y", &["x", "AND", "y"]);
    }

    #[test]
    fn single_quoted() {
        words(
            "a: 'x = ''y'' OR z'\n",
            "'x = ''y'' OR z'",
            "x = 'y' OR z",
            &["x", "=", "''y''", "OR", "z"],
        );
        words("a: 'x\n   AND ü'\n", "'x\n   AND ü'", "x AND ü", &["x", "AND", "ü"]);
        words("a: '''x'' = y'\n", "'''x'' = y'", "'x' = y", &["''x''", "=", "y"]);
    }

    #[test]
    fn double_quoted() {
        words(
            r#"a: "\"x y\" = 'ü'""#,
            r#""\"x y\" = 'ü'""#,
            "\"x y\" = 'ü'",
            &[r#"\"x"#, r#"y\""#, "=", "'ü'"],
        );
        words(
            r#"a: "\u00fc = \x41\t\U0001F600\\""#,
            r#""\u00fc = \x41\t\U0001F600\\""#,
            "ü = A\t😀\\",
            &[r"\u00fc", "=", r"\x41", r"\U0001F600\\"],
        );
        words(
            "a: \"x \\\n   AND y\n   OR z\"\n",
            "\"x \\\n   AND y\n   OR z\"",
            "x AND y OR z",
            &["x", "AND", "y", "OR", "z"],
        );
        words("a: \"x\\n AND y\"", "\"x\\n AND y\"", "x\n AND y", &["x", "AND", "y"]);
    }

    #[test]
    fn literal_block() {
        let value = "x = 1\nAND ü\n";
        let written = &["x", "=", "1", "AND", "ü"];
        words("a: |\n    x = 1\n    AND ü\n\nb: 2", "x = 1\n    AND ü", value, written);
        words(
            "a: |2- # hi\n    x = 1\n    AND ü\n",
            "|2- # hi\n    x = 1\n    AND ü\n",
            value,
            written,
        );
        words("a: |\n    x = 1\n    AND ü\n", "    x = 1\n    AND ü\n", value, written);
        words("a: |\n  'x' = y", "'x' = y", "'x' = y\n", &["'x'", "=", "y"]);
        words("a: |\n  \"x\" = y", "\"x\" = y", "\"x\" = y\n", &["\"x\"", "=", "y"]);
    }

    #[test]
    fn folded_block() {
        let value = "x = 1 AND y\nOR z\n";
        let written = &["x", "=", "1", "AND", "y", "OR", "z"];
        words(
            "a: >\n  x = 1\n  AND y\n\n  OR z\n",
            ">\n  x = 1\n  AND y\n\n  OR z\n",
            value,
            written,
        );
        words("a: >-\n  x = 1\n  AND y\n\n  OR z\n", "x = 1\n  AND y\n\n  OR z", value, written);
    }

    #[test]
    fn blanks_inside_of_a_text_keep_their_places() {
        let source = "a: x = 'y  z'";
        let map = SpanMap::new(source, Span::new(3, source.len()), "x = 'y  z'");
        assert_eq!(map.span(6, 7), Span::new(9, 10));
        assert_eq!(map.span(7, 8), Span::new(10, 11));
    }

    #[test]
    fn empty_ranges() {
        let source = "a: 'x = 1'\n";
        let map = SpanMap::new(source, Span::new(3, 10), "x = 1");
        assert_eq!(map.span(0, 0), Span::new(4, 4));
        assert_eq!(map.span(2, 2), Span::new(6, 6));
        assert_eq!(map.span(5, 5), Span::new(9, 9));
        assert_eq!(map.span(99, 99), Span::new(9, 9));
        assert_eq!(map.span(0, 99), Span::new(4, 9));
    }

    #[test]
    fn comments_behind_a_value() {
        let before_comment = |source: &str, scalar: &str, value: &str| {
            let start = source.find(scalar).expect("the scalar stands in the source");
            let span = Span::new(start, start + scalar.len());
            SpanMap::new(source, span, value).is_before_comment()
        };
        assert!(before_comment("a: x = 'D #E'\n", "x = 'D", "x = 'D"));
        assert!(before_comment("a: x = 'D\t# E'", "x = 'D", "x = 'D"));
        assert!(!before_comment("a: x = 'D#E'\n", "x = 'D#E'", "x = 'D#E'"));
        assert!(!before_comment("a: x\n# y", "x", "x"));
        assert!(!before_comment("a: 'x' # y", "'x'", "x"));
        assert!(!before_comment("a: |\n  x\n  # y\nb: 1", "x\n  # y\n", "x\n# y\n"));
        assert!(!before_comment("a: |\n  x\n # y\n", "x\n", "x\n"));
    }

    #[test]
    fn without_alignment_everything_is_the_scalar() {
        // An alias stands for a value that was written elsewhere.
        let source = "a: &k x = 1\nb: *k\n";
        let map = SpanMap::new(source, Span::new(15, 17), "x = 1");
        assert_eq!(map.span(0, 1), Span::new(15, 17));
        assert_eq!(map.span(9, 9), Span::new(15, 17));
        let map = SpanMap::new(source, Span::new(15, 17), "");
        assert_eq!(map.span(0, 0), Span::new(15, 17));
        // A span that is not in the source at all does no harm.
        let map = SpanMap::new("a", Span::new(5, 9), "x");
        assert_eq!(map.span(0, 1), Span::new(5, 5));
    }
}
