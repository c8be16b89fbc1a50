//! Queries of `script` in the language of Spark.
//!
//! What comes in is written by this program alone, in the words of DuckDB and with calls of the
//! macros of `prelude`. Calls are replaced by bodies first; then names, texts, lists, types and
//! functions are said as Spark says them, one after the other, and nothing else is changed.

use std::fmt::Write as _;

use crate::sql::prelude;

/// A piece of a query.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A word, outside of quotes: a keyword, a function, a number.
    Word(String),
    /// An identifier, without its quotes.
    Name(String),
    /// A text, without its quotes.
    Text(String),
    /// White space and comments.
    Blank(String),
    /// A sign.
    Sign(char),
}

/// A query as Spark reads it. `as_of` is the date as of which consent is judged, as an expression.
pub fn query(text: &str, as_of: &str) -> String {
    let tokens = expanded(&self::tokens(text));
    let as_of = expanded(&self::tokens(as_of));
    let mut out = String::new();
    say(&tokens, &as_of, &mut out);
    out
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let mut inner = String::new();
                while let Some(next) = chars.next() {
                    if next != c {
                        inner.push(next);
                    } else if chars.peek() == Some(&c) {
                        chars.next();
                        inner.push(c);
                    } else {
                        break;
                    }
                }
                tokens.push(if c == '"' { Token::Name(inner) } else { Token::Text(inner) });
            }
            '-' if chars.peek() == Some(&'-') => {
                let mut comment = String::from("-");
                for next in chars.by_ref() {
                    comment.push(next);
                    if next == '\n' {
                        break;
                    }
                }
                tokens.push(Token::Blank(comment));
            }
            c if c.is_whitespace() => tokens.push(Token::Blank(c.to_string())),
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            c => tokens.push(Token::Sign(c)),
        }
    }
    tokens
}

/// The arguments of a call whose parenthesis stands at `open`, and where it ends.
fn arguments(tokens: &[Token], open: usize) -> (Vec<Vec<Token>>, usize) {
    let mut all = vec![Vec::new()];
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => {
                depth -= 1;
                if depth == 0 {
                    return (all, at);
                }
            }
            Token::Sign(',') if depth == 1 => {
                all.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if at > open
            && let Some(last) = all.last_mut()
        {
            last.push(token.clone());
        }
    }
    (all, tokens.len().saturating_sub(1))
}

fn trimmed(tokens: &[Token]) -> &[Token] {
    let is_blank = |token: &Token| matches!(token, Token::Blank(_));
    let from = tokens.iter().position(|token| !is_blank(token)).unwrap_or(tokens.len());
    let to = tokens.iter().rposition(|token| !is_blank(token)).map_or(from, |at| at + 1);
    &tokens[from..to]
}

/// All calls of macros replaced by their bodies, with their arguments in them.
fn expanded(tokens: &[Token]) -> Vec<Token> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let is_call = tokens.get(at + 1) == Some(&Token::Sign('('));
        if let Token::Word(word) = &tokens[at]
            && is_call
            && let Some((parameters, body)) = prelude::inline(word)
        {
            let (given, end) = arguments(tokens, at + 1);
            let given: Vec<Vec<Token>> =
                given.into_iter().map(|one| expanded(trimmed(&one))).collect();
            let mut filled = Vec::new();
            let body = self::tokens(&body);
            for (number, token) in body.iter().enumerate() {
                let place = match token {
                    Token::Word(word) => parameters.iter().position(|known| known == word),
                    _ => None,
                };
                let is_member = number > 0 && body[number - 1] == Token::Sign('.');
                match place.and_then(|place| given.get(place)) {
                    Some(argument) if !is_member => {
                        // An argument of several words keeps together.
                        let single = argument.iter().all(|t| !matches!(t, Token::Blank(_)));
                        if !single {
                            filled.push(Token::Sign('('));
                        }
                        filled.extend(argument.iter().cloned());
                        if !single {
                            filled.push(Token::Sign(')'));
                        }
                    }
                    _ => filled.push(token.clone()),
                }
            }
            out.push(Token::Sign('('));
            out.extend(expanded(&filled));
            out.push(Token::Sign(')'));
            at = end + 1;
        } else {
            out.push(tokens[at].clone());
            at += 1;
        }
    }
    out
}

/// Writes tokens in the language of Spark.
fn say(tokens: &[Token], as_of: &[Token], out: &mut String) {
    let mut at = 0;
    while at < tokens.len() {
        let is_call = tokens.get(at + 1) == Some(&Token::Sign('('));
        match &tokens[at] {
            Token::Word(word) if is_call => {
                let (given, end) = arguments(tokens, at + 1);
                if let Some(said) = call(word, &given, as_of) {
                    out.push_str(&said);
                    at = end + 1;
                    continue;
                }
                out.push_str(function(word));
            }
            Token::Word(word) => match word.as_str() {
                "VARCHAR" if tokens.get(at + 1) == Some(&Token::Sign('[')) => {
                    out.push_str("ARRAY<STRING>");
                    at += 2;
                }
                "VARCHAR" => out.push_str("STRING"),
                "HUGEINT" => out.push_str("DECIMAL(38, 0)"),
                "MATERIALIZED" => {}
                other => out.push_str(other),
            },
            Token::Name(text) => out.push_str(&name(text)),
            Token::Text(text) => out.push_str(&literal(text)),
            Token::Blank(text) => out.push_str(text),
            Token::Sign('[') => out.push_str("array("),
            Token::Sign(']') => out.push(')'),
            Token::Sign(c) => out.push(*c),
        }
        at += 1;
    }
}

/// A function's name.
fn function(word: &str) -> &str {
    match word {
        "error" => "raise_error",
        "strlen" => "octet_length",
        "unnest" => "explode",
        other => other,
    }
}

/// A call that is said in another way.
fn call(word: &str, given: &[Vec<Token>], as_of: &[Token]) -> Option<String> {
    let part = |number: usize| {
        let mut out = String::new();
        say(trimmed(given.get(number)?), as_of, &mut out);
        Some(out)
    };
    let text = |number: usize| match trimmed(given.get(number)?) {
        [Token::Text(text)] => Some(text.clone()),
        _ => None,
    };
    Some(match word {
        "getvariable" => {
            let mut out = String::new();
            say(as_of, &[], &mut out);
            out
        }
        "regexp_full_match" => {
            let pattern = literal(&format!(r"\A(?:{})\z", pattern(&text(1)?)));
            format!("({} RLIKE {pattern})", part(0)?)
        }
        "regexp_matches" => format!("({} RLIKE {})", part(0)?, literal(&pattern(&text(1)?))),
        "regexp_replace" => {
            let by = replacement(&text(2)?);
            format!(
                "regexp_replace({}, {}, {})",
                part(0)?,
                literal(&pattern(&text(1)?)),
                literal(&by)
            )
        }
        "regexp_extract" => {
            format!("regexp_extract({}, {}, {})", part(0)?, literal(&pattern(&text(1)?)), part(2)?)
        }
        "sha256" => format!("sha2({}, 256)", part(0)?),
        _ => return None,
    })
}

/// A pattern whose `$` is the end of the text. In Java it also stands before a line's end.
fn pattern(of: &str) -> String {
    let mut out = String::new();
    let mut in_class = false;
    let mut chars = of.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
            }
            '$' if !in_class => out.push_str(r"\z"),
            c => {
                in_class = (in_class || c == '[') && c != ']';
                out.push(c);
            }
        }
    }
    out
}

/// What a match becomes: `\1` is `$1`.
fn replacement(of: &str) -> String {
    let mut out = String::new();
    let mut chars = of.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => out.push('$'),
            ('\\' | '$', _) => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// An identifier.
#[must_use]
pub fn name(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

/// A text.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        query(text, "optin_instant(5)")
    }

    #[test]
    fn words_names_and_texts_are_said_as_spark_says_them() {
        assert_eq!(
            said("SELECT \"a \"\"b`\", 'it''s \\d' -- \"x\"\nFROM t"),
            "SELECT `a \"b```, 'it\\'s \\\\d' -- \"x\"\nFROM t"
        );
        assert_eq!(said("CAST(['a', 'b'] AS VARCHAR[])"), "CAST(array('a', 'b') AS ARRAY<STRING>)");
        assert_eq!(
            said("WITH x AS MATERIALIZED (SELECT unnest(f))"),
            "WITH x AS  (SELECT explode(f))"
        );
        assert_eq!(said("error('optin: no')"), "raise_error('optin: no')");
        assert_eq!(said("x < getvariable('as_of')"), "x < (timestamp_micros(5))");
    }

    #[test]
    fn patterns_mean_the_same() {
        assert_eq!(said("regexp_full_match(v, 'a$|b')"), "(v RLIKE '\\\\A(?:a\\\\z|b)\\\\z')");
        assert_eq!(
            said("regexp_replace(k, '^([^+@$]+)\\+x$', '\\1$', 'g')"),
            "regexp_replace(k, '^([^+@$]+)\\\\+x\\\\z', '$1\\\\$')"
        );
    }

    #[test]
    fn macros_are_replaced_with_what_is_in_them() {
        assert_eq!(said("optin_ascii(r.\"v\")"), "(octet_length(r.`v`) = length(r.`v`))");
        assert_eq!(
            said("optin_plus_months(a + b, 3)").matches("(a + b)").count(),
            3,
            "{}",
            said("optin_plus_months(a + b, 3)")
        );
        let nested = said("optin_loose_id(id)");
        assert!(!nested.contains("optin_"), "{nested}");
    }
}
