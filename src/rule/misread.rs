//! What is said of a rule that cannot be cut into tokens, or whose tokens make no condition.

use sqlparser::keywords::Keyword;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::Token;

use super::lex::{ALLOWED, Lexed, syntax, too_deep};
use super::{SpanMap, habits};
use crate::diagnostics::Diagnostic;

/// Says that YAML may have cut the rule, where it may.
pub fn unclosed(fault: Diagnostic, map: &SpanMap) -> Diagnostic {
    if !map.is_before_comment() {
        return fault;
    }
    fault.help(
        "in YAML ` #` begins a comment, and ends the rule: if it is a part of the rule, put the \
         whole rule in double quotes",
    )
}

/// A `(` without its `)`.
pub fn open_parenthesis(lexed: &Lexed<'_>, at: usize) -> Diagnostic {
    let fault = syntax("a `(` is never closed").at(lexed.span(at, at + 1), "no `)` for it");
    unclosed(fault, lexed.map())
}

/// A token that cannot be cut: nearly always a quote that is never closed.
pub fn broken_token(text: &str, start: usize, map: &SpanMap) -> Diagnostic {
    let rest = text.get(start..).unwrap_or_default();
    let end = start + rest.trim_end().len();
    let fault = match rest.chars().next() {
        Some('\'') => syntax("a text is never closed")
            .at(map.span(start, end), "no `'` after this one")
            .help("a quote inside of a text is written twice: 'O''Brien'"),
        Some('"') => syntax("a quoted name is never closed")
            .at(map.span(start, end), "no `\"` after this one"),
        Some('/') => {
            syntax("a comment is never closed").at(map.span(start, end), "no `*/` after it")
        }
        first => {
            let end = start + first.map_or(0, char::len_utf8);
            return syntax("this is no part of a rule")
                .at(map.span(start, end), "cannot be read")
                .help(ALLOWED);
        }
    };
    unclosed(fault, map)
}

/// A token that stands where AND, OR or an end was due.
pub fn left_over(lexed: &Lexed<'_>, at: usize) -> Diagnostic {
    let Some(token) = lexed.token(at) else {
        return syntax("the rule ends too early").at(lexed.span(at, at + 1), "more was due here");
    };
    if let Some(fault) = habits::torn(lexed, at) {
        return fault;
    }
    let fault = syntax(format!("expected AND, OR or the end, found `{}`", lexed.written(at)))
        .at(lexed.span(at, at + 1), "not expected here");
    if let Some(help) = habits::operator(lexed, at) {
        return fault.help(help);
    }
    match token {
        Token::Word(word) if word.keyword == Keyword::NOT => {
            fault.help("NOT stands before a condition, or before IN, BETWEEN, LIKE and ILIKE")
        }
        Token::Word(_) => fault.help("a name with blanks stands in double quotes: \"first name\""),
        Token::SingleQuotedString(_) => {
            fault.help("a quote inside of a text is written twice: 'O''Brien'")
        }
        _ => fault,
    }
}

/// The parser's refusal in our words. It gives its place as text only; `stopped` is the token at
/// which it stood.
pub fn misformed(lexed: &Lexed<'_>, error: &ParserError, stopped: usize) -> Diagnostic {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            let at = stopped.min(lexed.tokens.len().saturating_sub(1));
            return too_deep(lexed.span(at, at + 1));
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
    };
    let (text, place) = text.rsplit_once(" at Line: ").map_or((text, None), |(text, place)| {
        let place = place
            .split_once(", Column: ")
            .and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
        (text, place)
    });
    let at =
        place.and_then(|(line, column)| lexed.index_at(line, column)).unwrap_or(lexed.tokens.len());
    if let Some(fault) = habits::torn(lexed, at) {
        return fault;
    }
    let expected = text
        .strip_prefix("Expected: ")
        .and_then(|text| text.split_once(", found: "))
        .map_or("something else", |(expected, _)| expected);
    let expected = match expected {
        "an expression" => "a field, a constant or a condition".to_owned(),
        "IN or BETWEEN after NOT" => "IN, BETWEEN or LIKE after NOT".to_owned(),
        "(" | ")" => format!("`{expected}`"),
        _ if expected.ends_with("after IS") => "NULL, TRUE or FALSE after IS".to_owned(),
        _ => expected.to_owned(),
    };
    let found = match lexed.token(at) {
        Some(_) => format!("`{}`", lexed.written(at)),
        None => "the end of the rule".to_owned(),
    };
    let fault = syntax(format!("expected {expected}, found {found}"))
        .at(lexed.span(at, at + 1), "not expected here");
    if let Some(help) = habits::operator(lexed, at) {
        return fault.help(help);
    }
    let before = |n: usize| at.checked_sub(n).and_then(|at| lexed.token(at));
    match (before(1), lexed.token(at)) {
        (Some(Token::Lt | Token::Gt | Token::Eq), Some(Token::Eq | Token::Gt | Token::Lt)) => {
            fault.help("comparisons: = <> < <= > >=")
        }
        (Some(Token::LParen), Some(Token::RParen)) => {
            fault.help("at least one value stands in ( )")
        }
        (_, None) => unclosed(fault, lexed.map()),
        _ => fault,
    }
}
