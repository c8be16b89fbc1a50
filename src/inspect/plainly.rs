//! Values of data in a line of text for a terminal.

use std::borrow::Cow;

/// A value as it can be shown in a line: as it is, or in quotes where it would be misread, with
/// characters that would move the cursor, or the direction of writing, written as escapes.
#[must_use]
pub fn plainly(value: &str) -> Cow<'_, str> {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            )
    };
    let blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let is_plain = !value.contains(|c| is_odd(c) || c == '"')
        && !blank(value.chars().next())
        && !blank(value.chars().next_back());
    if is_plain {
        return Cow::Borrowed(value);
    }
    let mut quoted = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '\r' => quoted += "\\r",
            '\t' => quoted += "\\t",
            c if is_odd(c) => quoted.extend(c.escape_unicode()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use super::plainly;

    #[test]
    fn what_would_be_misread_is_quoted() {
        assert_eq!(plainly("Zoë O'Brien"), "Zoë O'Brien");
        assert_eq!(plainly(" a@x.com"), "\" a@x.com\"");
        assert_eq!(plainly(""), "\"\"");
        assert_eq!(plainly("one\ntwo"), "\"one\\ntwo\"");
        assert_eq!(plainly("say \"hi\""), "\"say \\\"hi\\\"\"");
        assert_eq!(plainly("\u{1b}[2J"), "\"\\u{1b}[2J\"");
        assert_eq!(plainly("a\u{202e}b"), "\"a\\u{202e}b\"");
    }
}
