//! Brackets that nothing closes.
//!
//! YAML reads on over the lines behind such a bracket, and stops far below it. This goes by the text alone.

/// The last bracket up to a place that nothing closes, to the end of the text. None where a quote is not
/// closed either: then nothing is sure.
pub(super) fn open_bracket(source: &str, place: usize) -> Option<(usize, char)> {
    let mut reader = Reader::default();
    let mut start = 0;
    // Lines further to the right than this are a text that `>` or `|` announced.
    let mut announced: Option<usize> = None;
    for line in source.split_inclusive('\n') {
        let content = line.trim_start_matches(' ');
        let is_text = announced
            .is_some_and(|key| content.trim().is_empty() || line.len() - content.len() > key);
        if !is_text {
            reader.line(line, start);
            let key = line.len() - line.trim_start_matches([' ', '-']).len();
            announced = (reader.is_outside() && announces(line)).then_some(key);
        }
        start += line.len();
    }
    if reader.quote.is_some() {
        return None;
    }
    let is_above = |(at, _): &&(usize, char)| *at <= place;
    reader.lost.iter().chain(reader.open.iter().rev()).find(is_above).copied()
}

/// True of a line whose value is the text of the lines below it.
fn announces(line: &str) -> bool {
    let line = line.split(" #").next().unwrap_or_default().trim_end();
    let line = line.trim_end_matches(|sign: char| sign.is_ascii_digit() || "+-".contains(sign));
    let before = line.strip_suffix(['>', '|']).map(str::trim_end);
    before.is_some_and(|before| before.ends_with([':', '-']))
}

/// What is open.
#[derive(Default)]
struct Reader {
    /// Brackets, where they stand.
    open: Vec<(usize, char)>,
    /// The first that another kind of bracket closed.
    lost: Option<(usize, char)>,
    /// The quote that a text stands in.
    quote: Option<char>,
}

impl Reader {
    /// True outside of brackets and quotes.
    fn is_outside(&self) -> bool {
        self.open.is_empty() && self.quote.is_none()
    }

    /// Reads a line that begins at `start`.
    fn line(&mut self, line: &str, start: usize) {
        // Brackets and quotes count where a value may begin; in the middle of one they are its own.
        let mut begins = true;
        let mut before = ' ';
        let mut is_escaped = false;
        for (at, sign) in line.char_indices() {
            if let Some(quote) = self.quote {
                if quote == '"' && sign == '\\' && !is_escaped {
                    is_escaped = true;
                } else {
                    if sign == quote && !is_escaped {
                        self.quote = None;
                    }
                    is_escaped = false;
                }
                (before, begins) = (sign, false);
                continue;
            }
            let is_inside = !self.open.is_empty();
            match sign {
                '#' if before.is_whitespace() => return,
                '"' | '\'' if begins => self.quote = Some(sign),
                '[' | '{' if begins || is_inside => self.open.push((start + at, sign)),
                ']' | '}' if is_inside => self.close(sign),
                _ => {}
            }
            begins = match sign {
                _ if sign.is_whitespace() => begins || before == ':',
                '[' | '{' | ',' => !self.open.is_empty(),
                ':' => is_inside,
                '-' | '?' => begins,
                _ => false,
            };
            before = sign;
        }
    }

    /// Closes the last bracket of this kind, and those that stand open in it.
    fn close(&mut self, sign: char) {
        let wanted = if sign == ']' { '[' } else { '{' };
        while let Some((at, open)) = self.open.pop() {
            if open == wanted {
                return;
            }
            if self.lost.is_none() {
                self.lost = Some((at, open));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::open_bracket;

    #[test]
    fn only_what_is_open_is_found() {
        for (source, due) in [
            ("a: [b, c]\nd: { e: [f] }\n", None),
            ("a: [b\nd: { e: [f] }\n", Some((3, '['))),
            ("a: b [c\nd: 1\n", None),
            ("a: '[' # [\nb: \"{ \\\" [\"\n", None),
            ("a: >\n  [b\nc: d\n", None),
            ("- a: >\n    [b\n  c: {\n", Some((19, '{'))),
            ("a: it's [b\n", None),
            ("a: \"[\n", None),
            ("- - [a\n", Some((4, '['))),
        ] {
            assert_eq!(open_bracket(source, source.len()), due, "{source}");
        }
        assert_eq!(open_bracket("a: 1\nb: [\n", 5), None);
    }
}
