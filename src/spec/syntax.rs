//! What the YAML parser says, in the words of this program.
//!
//! The parser speaks of block collections, flow mappings and its own options. Who writes a pipeline
//! wants to know what to do with the line. Its version is pinned, so its words are too; those not
//! listed here are passed on as they are.

/// A fault of syntax in words: what it is, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// What it is.
    pub message: String,
    /// What to do.
    pub help: Option<&'static str>,
    /// It is about a tab.
    pub is_tab: bool,
}

/// Parts of the parser's words, what they mean, and what to do. The first that is found counts.
const KNOWN: &[(&[&str], &str, &str)] = &[
    (
        &["tabs disallowed", "tab cannot be used", "cannot start with a tab", "found a tab"],
        "a tab stands where blanks must stand",
        "indent with blanks, not with tabs",
    ),
    (
        &["budget breached", "alias expansion", "alias replay", "recursion limit"],
        "it grows larger or deeper than a pipeline can be",
        "aliases of aliases multiply: write out what they stand for",
    ),
    (
        &["unknown anchor", "undefined alias"],
        "it names an anchor (`*NAME`) that is not there",
        "put a text that begins with `*` in quotes, such as path: \"*.csv\"",
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
    ),
    (
        &["mapping values are not allowed", "mapping keys are not allowed"],
        "a key stands where none may begin",
        "indent it as the keys beside it; a text with `: ` in it goes in quotes",
    ),
    (
        &["simple key", "must be followed by a valid YAML whitespace", "placement of ':'"],
        "this is no `key: value`",
        "write a colon and a blank after the key; a text that goes over several lines goes in quotes",
    ),
    (
        &["entries are not allowed in this context"],
        "a list begins where none may begin",
        "begin it on a line of its own, or write [A, B]",
    ),
    (
        &["invalid trailing content"],
        "text follows a closing quote",
        "put the whole value in quotes, or write it on the next line after `where: >`",
    ),
    (
        &["unclosed quote", "in multiline quoted", "quoted scalar, found unexpected"],
        "a quote is opened and never closed",
        "close it; within single quotes write a single quote twice",
    ),
    (
        &["bracket", "',' or '}'", "',' or ']'", "flow", "unexpected EOF"],
        "a bracket is not closed, or a comma is missing",
        "check the [ ] and { } of this line and those above; a text that holds one of , [ ] { } \
         goes in quotes",
    ),
    (
        &["unexpected character", "plain scalar cannot start"],
        "a text cannot begin with this character",
        "put it in quotes",
    ),
    (
        &["escape"],
        "a backslash in double quotes begins an escape that there is not",
        "write it in single quotes, or the backslash twice",
    ),
    (
        &["multiple documents", "document"],
        "there is more than one document in the file",
        "a pipeline is one document: take out the lines `---` and `...`",
    ),
];

/// Puts the parser's words into better ones.
pub(super) fn in_words(said: &str) -> Words {
    // The place is told by the label.
    let said = said.lines().next().unwrap_or_default();
    let said = said.split(" at line ").next().unwrap_or_default();
    if let Some(rest) = said.strip_prefix("duplicate mapping key: ") {
        let key = rest.split(", set ").next().unwrap_or_default();
        return Words {
            message: format!("the key `{key}` stands twice"),
            help: Some("take one out, or put what stands under both under one of them"),
            is_tab: false,
        };
    }
    match KNOWN.iter().find(|(parts, ..)| parts.iter().any(|part| said.contains(part))) {
        Some((_, message, help)) => Words {
            message: (*message).to_owned(),
            help: Some(help),
            is_tab: message.starts_with("a tab "),
        },
        None => Words { message: said.to_owned(), help: None, is_tab: false },
    }
}
