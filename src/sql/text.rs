//! Names, texts and comments of SQL, quoted so that nothing in a pipeline file can end them.

use std::collections::BTreeSet;

/// An identifier in double quotes.
pub fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text in single quotes. A backslash in it is a character like any other, as in DuckDB.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The text of a guard that ends a job. They all begin alike, so that they can be told from faults
/// of the database.
pub fn guard(text: &str) -> String {
    literal(&format!("optin: {text}"))
}

/// A list of texts, in parentheses; `(NULL)` where there are none, which nothing is in.
pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(literal).collect();
    if texts.is_empty() { "(NULL)".to_owned() } else { format!("({})", texts.join(", ")) }
}

/// A text as a part of a comment: on one line, whatever is in it.
pub fn remark(text: &str) -> String {
    let visible = |c: char| {
        if c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(visible).collect()
}

/// Gives out names of columns. In DuckDB names that differ in case alone are one, so a second one
/// gets a number.
#[derive(Debug, Default)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// The name, or another one where it is taken.
    pub fn unique(&mut self, wanted: &str) -> String {
        let wanted = if wanted.is_empty() { "column" } else { wanted };
        let mut number = 1;
        let mut name = wanted.to_owned();
        while !self.0.insert(name.to_lowercase()) {
            number += 1;
            name = format!("{wanted} ({number})");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(name("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
        assert_eq!(literal("'; DROP TABLE x; --\\'"), "'''; DROP TABLE x; --\\'''");
        assert_eq!(remark("a\nDROP\r\u{2028}b"), "a\u{fffd}DROP\u{fffd}\u{fffd}b");
        assert_eq!(list([]), "(NULL)");
    }

    #[test]
    fn names_that_differ_in_case_get_a_number() {
        let mut names = Names::default();
        let got = ["Mail", "mail", "MAIL", ""].map(|wanted| names.unique(wanted));
        assert_eq!(got, ["Mail", "mail (2)", "MAIL (3)", "column"]);
    }
}
