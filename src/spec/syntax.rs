//! What the YAML parser says, in the words of this program.
//!
//! The parser speaks of block collections, flow mappings and its own options. Who writes a pipeline
//! wants to know what to do with the line. Its version is pinned, so its words are too; those not
//! listed here are passed on as they are.

use super::brackets::open_bracket;
use crate::diagnostics::{Code, Diagnostic, Span, quotes_veiled, veil};

/// A fault of syntax in words: what it is, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    /// What it is.
    message: String,
    /// What to do.
    help: Option<&'static str>,
    /// Where its place is looked for.
    about: About,
}

/// What a fault of syntax is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// A tab: the parser stops before it.
    Tab,
    /// A character that YAML does not know.
    Sign(char),
    /// How keys, lists and brackets stand in each other: the cause may lie far above.
    Structure,
    /// Anything else: the place is where the parser stopped.
    Other,
}

/// Parts of the parser's words, what they mean, what to do, and what it is about. The first that is found counts.
const KNOWN: &[(&[&str], &str, &str, About)] = &[
    (
        &["tabs disallowed", "tab cannot be used", "cannot start with a tab", "found a tab"],
        "a tab stands where blanks must stand",
        "indent with blanks, not with tabs",
        About::Tab,
    ),
    (
        &["Depth {", "recursion limit"],
        "lists or mappings lie deeper in each other than in any pipeline",
        "check the [ ] and { } of this line and those above",
        About::Other,
    ),
    (
        &["budget breached", "alias expansion", "alias replay"],
        "it grows larger or deeper than a pipeline can be",
        "aliases of aliases multiply: write out what they stand for",
        About::Other,
    ),
    (
        &["unknown anchor", "undefined alias"],
        "it names an anchor (`*NAME`) that is not there",
        "put a text that begins with `*` in quotes, such as path: \"*.csv\"",
        About::Other,
    ),
    (
        &["recursive references"],
        "an alias (`*NAME`) stands within what it stands for",
        "write out what is meant in its place",
        About::Other,
    ),
    (
        &["merge value"],
        "`<<` stands before something that is no mapping",
        "name a mapping by its alias, such as `<<: *NAME`",
        About::Other,
    ),
    (
        &["expected string scalar", "null into string"],
        "a key is a list, a mapping or nothing",
        "a key is a name, such as `where`; one that begins with [ or { goes in quotes",
        About::Other,
    ),
    (
        &["block scalar, did not find expected comment"],
        "text follows `>` or `|` on the same line",
        "write the rule on the next line, further to the right than its key, or leave the sign out",
        About::Other,
    ),
    (
        &[
            "expected '-' indicator",
            "expected key",
            "indentation",
            "wrongly indented",
            "<document start>",
        ],
        "this line does not fit to those above it",
        "give the keys of one entry the same number of blanks before them, and write `key: value`",
        About::Structure,
    ),
    (
        &["mapping values are not allowed", "mapping keys are not allowed"],
        "a key stands where none may begin",
        "indent it as the keys beside it; a text with `: ` in it goes in quotes",
        About::Structure,
    ),
    (
        &["simple key", "must be followed by a valid YAML whitespace", "placement of ':'"],
        "this is no `key: value`",
        "write a colon and a blank after the key; a text that goes over several lines goes in quotes",
        About::Structure,
    ),
    (
        &["may not precede"],
        "no blank stands behind a colon",
        "write one, such as `consent: [news]`",
        About::Other,
    ),
    (
        &["entries are not allowed in this context"],
        "a list begins where none may begin",
        "begin it on a line of its own, or write [A, B]",
        About::Structure,
    ),
    (
        &["invalid trailing content"],
        "text follows a closing quote",
        "put the whole value in quotes, or write it on the next line after `where: >`",
        About::Other,
    ),
    (
        &["unclosed quote", "in multiline quoted", "quoted scalar, found unexpected"],
        "a quote is opened and never closed",
        "close it; within single quotes write a single quote twice",
        About::Other,
    ),
    (
        &[
            "bracket",
            "',' or '}'",
            "',' or ']'",
            "flow",
            "unexpected EOF",
            "only valid inside a block",
            "expected node content",
        ],
        "a bracket is not closed, or a comma is missing",
        "check the [ ] and { } of this line and those above; a text that holds one of , [ ] { } \
         goes in quotes",
        About::Structure,
    ),
    (
        &["unexpected character", "plain scalar cannot start"],
        "a text cannot begin with this character",
        "put it in quotes",
        About::Other,
    ),
    (
        &["escape", "surrogate", "hexadecimal"],
        "a backslash in double quotes begins an escape that there is not",
        "write it in single quotes, or the backslash twice",
        About::Other,
    ),
    (
        &["comment intercepting", "comments must be separated"],
        "a `#` begins no comment here",
        "put a blank before it; a text with `#` in it goes in quotes",
        About::Other,
    ),
    (
        &["handle wasn't declared", "unsupported tag", "a tag, ", "invalid u64", "invalid i64"],
        "a tag (`!NAME`) stands before something that it does not fit",
        "leave the tag out; a text that begins with `!` goes in quotes",
        About::Other,
    ),
    (
        &["non-finite float"],
        "this is a number without an end, or none",
        "write a number, or put it in quotes",
        About::Other,
    ),
    (
        &["multiple documents", "document"],
        "there is more than one document in the file",
        "a pipeline is one document: take out the lines `---` and `...`",
        About::Other,
    ),
];

/// The fault of a text that is no YAML, from the parser's words and the place where it stopped.
pub(super) fn fault(source: &str, said: &str, place: Option<Span>) -> Diagnostic {
    let mut words = in_words(said);
    if quotes_veiled(source, &words.message) {
        "what stands under `never` is no list of values".clone_into(&mut words.message);
    }
    let not_yaml =
        |what: &str| Diagnostic::error(Code::YamlSyntax, format!("this is not YAML: {what}"));
    if let (About::Structure, Some(place)) = (words.about, place) {
        if let Some((at, sign)) = open_bracket(source, place.start) {
            let line = 1 + source[..at].matches('\n').count();
            let close = if sign == '[' { ']' } else { '}' };
            let what = format!("the bracket `{sign}` that is opened at line {line} is not closed");
            return not_yaml(&what).at(Span::new(at, at + sign.len_utf8()), "opened here").help(
                format!(
                    "close it with `{close}`; a text that holds one of , [ ] {{ }} goes in quotes"
                ),
            );
        }
        if let Some((name, colon)) = glued(source, place) {
            return not_yaml(&format!("no blank stands behind the colon of `{name}`"))
                .at(colon, "here")
                .help(format!("write a blank behind the colon: `{name}: ..`"));
        }
    }
    let place = place.map(|place| match words.about {
        About::Tab => tab_after(source, place),
        About::Sign(sign) => sign_after(source, place, sign),
        About::Structure | About::Other => place,
    });
    let mut fault = not_yaml(&words.message);
    if let Some(help) = words.help {
        fault = fault.help(help);
    }
    match place {
        Some(place) => fault.at(place, "here"),
        None => fault,
    }
}

/// Puts the parser's words into better ones.
fn in_words(said: &str) -> Words {
    // The place is told by the label.
    let said = said.lines().next().unwrap_or_default();
    let said = said.split(" at line ").next().unwrap_or_default();
    if let Some(rest) = said.strip_prefix("duplicate mapping key: ") {
        let key = rest.split(", set ").next().unwrap_or_default();
        return Words {
            message: format!("the key `{key}` stands twice"),
            help: Some("take one out, or put what stands under both under one of them"),
            about: About::Other,
        };
    }
    if let Some(sign) = control_sign(said) {
        return Words {
            message: format!("the control character U+{:04X} stands in it", u32::from(sign)),
            help: Some("take it out: YAML knows no such character, not even in quotes"),
            about: About::Sign(sign),
        };
    }
    match KNOWN.iter().find(|(parts, ..)| parts.iter().any(|part| said.contains(part))) {
        Some((_, message, help, about)) => {
            Words { message: (*message).to_owned(), help: Some(help), about: *about }
        }
        None => Words { message: said.to_owned(), help: None, about: About::Other },
    }
}

/// The character that YAML does not know, if the parser speaks of one: it writes it as an escape of Rust.
fn control_sign(said: &str) -> Option<char> {
    if said.contains("BOM must not") {
        return Some('\u{feff}');
    }
    let (_, escape) = said.split_once("unexpected character: `\\u{")?;
    let (digits, _) = escape.split_once('}')?;
    let sign = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    (sign.is_control() || sign == '\u{feff}').then_some(sign)
}

/// The first such character at a place or after it, where the text has one.
fn sign_after(source: &str, place: Span, sign: char) -> Span {
    let found = source[place.start..].find(sign).map(|at| place.start + at);
    found.map_or(place, |at| Span::new(at, at + sign.len_utf8()))
}

/// The first tab before a line's text, at the place or after it: the parser stops before it.
fn tab_after(source: &str, place: Span) -> Span {
    let mut start = source[..place.start].rfind('\n').map_or(0, |end| end + 1);
    for line in source[start..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if let Some(at) = line[..indent].find('\t') {
            return Span::new(start + at, start + at + 1);
        }
        start += line.len();
    }
    place
}

/// A key whose value stands behind its colon without a blank, as in `- name:shop`, on the line of a place or the
/// one above it: the name, and where the colon is.
fn glued(source: &str, place: Span) -> Option<(&str, Span)> {
    let start = source[..place.start].rfind('\n').map_or(0, |end| end + 1);
    let above = source[..start].trim_end();
    let above = above.rfind('\n').map_or(0, |end| end + 1);
    [start, above].into_iter().find_map(|start| {
        let line = source[start..].lines().next().unwrap_or_default();
        let entry = line.trim_start_matches([' ', '-']);
        let (name, rest) = entry.split_once(':')?;
        let is_name = name.starts_with(char::is_alphabetic)
            && name.chars().all(|sign| sign.is_alphanumeric() || sign == '_');
        let is_glued = rest.starts_with(|sign: char| !sign.is_whitespace())
            && !rest.starts_with("//")
            && !rest.contains(": ");
        let begin = start + (line.len() - entry.len());
        let colon = begin + name.len();
        // It may stand among values of persons.
        let is_shown = || veil(source).get(begin..colon) == Some(name);
        (is_name && is_glued && is_shown()).then(|| (name, Span::new(colon, colon + 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::node::parse;

    /// The message, the help, and what stands at the place.
    fn told(source: &str) -> (String, String, String) {
        let fault = parse(source).expect_err("no YAML");
        let place = fault
            .labels
            .first()
            .map_or("", |label| source.get(label.span.start..label.span.end).unwrap_or_default());
        (fault.message.clone(), fault.help.clone().unwrap_or_default(), place.to_owned())
    }

    #[test]
    fn the_parsers_own_words_are_not_shown() {
        for (source, message, help) in [
            ("where: > country = 'DE'\n", "text follows `>`", "on the next line"),
            ("a: &a [*a]\n", "within what it stands for", "write out"),
            ("[a]: 1\n", "a key is a list", "in quotes"),
            ("<<: 3\n", "no mapping", "<<: *NAME"),
            ("name: !!int x\n", "a tag", "leave the tag out"),
            ("name: \"\\uD83D\"\n", "a backslash", "single quotes"),
            ("- name:app\n  path: x\n", "behind the colon of `name`", "`name: ..`"),
            ("version: 1\nname:app\nsources: x\n", "behind the colon of `name`", "`name: ..`"),
            ("a: [1, 2\nb: 3\n", "the bracket `[` that is opened at line 1", "close it with `]`"),
            ("a: { b: 1\nc: [3]\nd: { e: 4 }\n", "the bracket `{` that is opened", "`}`"),
            ("a:\n  - [1, { b: 2 ]\n", "the bracket `{` that is opened at line 2", "`}`"),
            ("a: [{ b: 1 c: 2 }]\n", "a comma is missing", "goes in quotes"),
        ] {
            let (said, advice, _) = told(source);
            assert!(said.contains(message), "{source}: {said}");
            assert!(advice.contains(help), "{source}: {advice}");
        }
        let deep = format!("a: {}{}\n", "[".repeat(3000), "]".repeat(3000));
        let (said, advice, _) = told(&deep);
        assert!(said.contains("deeper") && !advice.contains("alias"), "{said}: {advice}");
    }

    #[test]
    fn control_characters_are_named_and_shown_where_they_stand() {
        for (source, name, place) in
            [("a: x\u{7}y\n", "U+0007", "\u{7}"), ("a: \"x\0y\"\n", "U+0000", "\0")]
        {
            let (said, advice, at) = told(source);
            assert!(said.contains(name) && advice.contains("take it out"), "{said}: {advice}");
            assert_eq!(at, place, "{said}");
        }
        let (said, ..) = told("keys:\n  - never:\n    - ann:x\n      b: 1\n");
        assert!(!said.contains("ann"), "{said}");
        let (said, ..) = told("a: @b\n");
        assert!(said.contains("cannot begin with this character"), "{said}");
    }

    #[test]
    fn a_sign_that_announces_lines_without_lines_is_marked_itself() {
        for source in ["a: >\nb: 1\n", "a:\n  - b: |\n    c: 1\n", "a: |", "a: >  # none\nb: 1\n"] {
            let (said, advice, place) = told(source);
            assert!(said.contains("no text follows"), "{source}: {said}");
            assert!(advice.contains("\"|\""), "{advice}");
            assert!([">", "|"].contains(&place.as_str()), "{source}: {place}");
        }
        for source in ["a: \"\"\n", "a: >\n  x\n", "a: ''\n", "a:\n", "a: |\n\n  x\nb: 1\n"] {
            assert!(parse(source).is_ok(), "{source}");
        }
    }
}
