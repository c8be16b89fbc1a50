//! What is written in other languages, and what to write here instead.
//!
//! Where such a form is a whole, a pair of quotes or a call with its arguments, it is told once: what
//! stands inside goes away with it.

use std::borrow::Cow;

use sqlparser::tokenizer::Token;

use super::lex::{Lexed, syntax, unsupported};
use super::{AggregateFunction, Function};
use crate::diagnostics::{Diagnostic, nearest};

/// What to write instead of the current date.
pub const TODAY: &str = "write days_since(x), the days up to the date of the run";

/// What to do instead of a cast.
pub const CAST: &str = "declare the column's type under `types:` of its source";
const SUBQUERY: &str = "combine segments with `union`, `intersect` and `except`";
const DOTTED: &str = "only `consent.<purpose>` and calls such as orders.count() have a dot; a field with a dot in its name stands in double quotes";
const LIST: &str = "a list stands in ( )";
const WINDOW: &str = "a rule looks at one profile at a time";
const INTO_TEXTS: &str = "LIKE looks into texts: LIKE 'begin%', LIKE '%inside%'";

/// Words that are no names without quotes.
const RESERVED: [&str; 11] =
    ["and", "or", "not", "in", "is", "like", "ilike", "between", "null", "true", "false"];

/// How many bytes of a list a help shows.
const SHOWN: usize = 60;

/// A fault, and the first token behind all that it speaks of.
pub type Told = (Diagnostic, usize);

// Tokens.

/// A word without quotes, in small letters.
fn bare(lexed: &Lexed<'_>, at: usize) -> Option<String> {
    match lexed.token(at) {
        Some(Token::Word(_)) if !lexed.is_quoted(at) => {
            Some(lexed.written(at).to_ascii_lowercase())
        }
        _ => None,
    }
}

/// True if a token stands right behind the one before it.
fn is_joined(lexed: &Lexed<'_>, at: usize) -> bool {
    let before = at.checked_sub(1);
    before.is_some_and(|before| lexed.bytes(before).1 == lexed.bytes(at).0)
}

/// The first token behind the one that closes what `open` opens; the end if none does.
fn behind(lexed: &Lexed<'_>, open: usize, signs: (&Token, &Token)) -> usize {
    let mut depth = 0_usize;
    for at in open..lexed.tokens.len() {
        match lexed.token(at) {
            Some(token) if token == signs.0 => depth += 1,
            Some(token) if token == signs.1 => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    lexed.tokens.len()
}

fn behind_parentheses(lexed: &Lexed<'_>, open: usize) -> usize {
    behind(lexed, open, (&Token::LParen, &Token::RParen))
}

/// The first token behind a query: what closes the parentheses around it, or the end.
fn behind_query(lexed: &Lexed<'_>, select: usize) -> usize {
    let mut depth = 0_usize;
    for at in select..lexed.tokens.len() {
        match lexed.token(at) {
            Some(Token::LParen) => depth += 1,
            Some(Token::RParen) if depth == 0 => return at,
            Some(Token::RParen) => depth -= 1,
            _ => {}
        }
    }
    lexed.tokens.len()
}

/// A name as it is written in a rule.
fn as_name(name: &str) -> String {
    let is_word = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_word && !RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

// Searches in texts.

/// Where a text is looked for in another one.
#[derive(Clone, Copy)]
enum Part {
    Begin,
    End,
    Inside,
}

impl Part {
    /// What a function of this name, in small letters, looks for.
    fn of_function(name: &str) -> Option<Self> {
        Some(match name.replace('_', "").as_str() {
            "startswith" | "beginswith" => Self::Begin,
            "endswith" => Self::End,
            "contains" | "includes" | "instr" | "strpos" | "charindex" => Self::Inside,
            _ => return None,
        })
    }

    /// `LIKE` with the pattern that finds the text.
    fn like(self, text: &str) -> String {
        let mut pattern = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '%' | '_' | '\\' => pattern.push('\\'),
                '\'' => pattern.push('\''),
                _ => {}
            }
            pattern.push(c);
        }
        match self {
            Self::Begin => format!("LIKE '{pattern}%'"),
            Self::End => format!("LIKE '%{pattern}'"),
            Self::Inside => format!("LIKE '%{pattern}%'"),
        }
    }
}

/// What to write for a word of another language that stands behind an operand, such as
/// `country CONTAINS 'D'`.
pub fn operator(lexed: &Lexed<'_>, at: usize) -> Option<String> {
    let is_negated = bare(lexed, at)? == "not";
    let word = at + usize::from(is_negated);
    let name = match at.checked_sub(1) {
        Some(before) if matches!(lexed.token(before), Some(Token::Word(_))) => {
            format!("{} ", lexed.written(before))
        }
        _ => String::new(),
    };
    let found = bare(lexed, word)?;
    let has_with = bare(lexed, word + 1).is_some_and(|next| next == "with");
    let (part, value) = match (found.as_str(), has_with) {
        ("isnull", _) if !is_negated => return Some(format!("write {name}IS NULL")),
        ("notnull", _) if !is_negated => return Some(format!("write {name}IS NOT NULL")),
        ("starts" | "begins", true) => (Part::Begin, word + 2),
        ("ends", true) => (Part::End, word + 2),
        ("has", _) => (Part::Inside, word + 1),
        _ => (Part::of_function(&found)?, word + 1),
    };
    let text = match lexed.token(value) {
        Some(Token::SingleQuotedString(text)) => text.as_str(),
        _ => "text",
    };
    let not = if is_negated { "NOT " } else { "" };
    Some(format!("write {name}{not}{}", part.like(text)))
}

/// What to write for a call that looks into a text, in the form `name(field, 'text')`.
fn search(lexed: &Lexed<'_>, at: usize, part: Part) -> String {
    let call = (lexed.token(at + 2), lexed.token(at + 3), lexed.token(at + 4), lexed.token(at + 5));
    match call {
        (
            Some(Token::Word(_)),
            Some(Token::Comma),
            Some(Token::SingleQuotedString(text)),
            Some(Token::RParen),
        ) => format!("write {} {}", lexed.written(at + 2), part.like(text)),
        _ => format!("write x {}", part.like("text")),
    }
}

/// What to write for a call on a field, in the form `field.name('text')`, of which `name` stands at
/// the token.
pub fn method(lexed: &Lexed<'_>, at: usize) -> Option<String> {
    let name = bare(lexed, at)?;
    let field = lexed.written(at.checked_sub(2)?);
    let argument = (lexed.token(at + 2), lexed.token(at + 3));
    if let Some(part) = Part::of_function(&name) {
        let text = match argument {
            (Some(Token::SingleQuotedString(text)), Some(Token::RParen)) => text.as_str(),
            _ => "text",
        };
        return Some(format!("write {field} {}", part.like(text)));
    }
    let function = Function::from_name(&name)?;
    Some(format!("write {}({field})", function.name()))
}

// Constants.

/// A constant that was meant as one and is several tokens: `1_000`, `1,000`, `''DE''`. `at` is the
/// token at which the reading stopped.
pub fn torn(lexed: &Lexed<'_>, at: usize) -> Option<Diagnostic> {
    let first = at.checked_sub(1)?;
    if lexed.token(at).is_none() || !is_joined(lexed, at) {
        return None;
    }
    match lexed.token(first)? {
        Token::Number(..) => torn_number(lexed, first),
        Token::SingleQuotedString(text) if text.is_empty() => {
            let is_text =
                |at: &usize| matches!(lexed.token(*at), Some(Token::SingleQuotedString(_)));
            let last = (at..lexed.tokens.len()).find(is_text)?;
            let inner = lexed.between(at, last);
            let is_pair = last > at && lexed.written(last) == "''" && is_joined(lexed, last);
            is_pair.then(|| {
                syntax("a text stands in one pair of quotes")
                    .at(lexed.span(first, last + 1), "in two pairs")
                    .help(format!("write '{inner}'"))
            })
        }
        _ => None,
    }
}

fn torn_number(lexed: &Lexed<'_>, first: usize) -> Option<Diagnostic> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let head = lexed.written(first);
    let mut end = first + 1;
    let (sign, number) = match bare(lexed, end) {
        Some(rest) if rest.starts_with('_') => {
            end += 1;
            ('_', format!("{head}{}", rest.replace('_', "")))
        }
        Some(_) => return None,
        None => {
            let mut groups = Vec::new();
            while lexed.token(end) == Some(&Token::Comma)
                && matches!(lexed.token(end + 1), Some(Token::Number(..)))
                && is_joined(lexed, end)
                && is_joined(lexed, end + 1)
            {
                groups.push(lexed.written(end + 1));
                end += 2;
            }
            let (last, others) = groups.split_last()?;
            let whole = last.split_once('.').map_or(*last, |(whole, _)| whole);
            let is_thousand = |group: &str| group.len() == 3 && is_digits(group);
            if is_thousand(whole) && others.iter().all(|group| is_thousand(group)) {
                (',', format!("{head}{}", groups.concat()))
            } else if others.is_empty() && is_digits(last) {
                (',', format!("{head}.{last}"))
            } else {
                return None;
            }
        }
    };
    let is_number = is_digits(head) && number.parse::<f64>().is_ok();
    is_number.then(|| {
        syntax(format!("a number has no `{sign}` in it"))
            .at(lexed.span(first, end), "cannot be read")
            .help(format!("write {number}"))
    })
}

/// What to write instead of `==`.
pub fn double_equals(lexed: &Lexed<'_>, at: usize) -> &'static str {
    let is_null = |at: usize| bare(lexed, at).is_some_and(|word| word == "null");
    // Some write three of them.
    let right = at + 1 + usize::from(lexed.token(at + 1) == Some(&Token::Eq));
    if is_null(right) || at.checked_sub(1).is_some_and(is_null) {
        "write IS NULL"
    } else {
        "write `=`"
    }
}

/// The help for a call such as `DATE('2026-01-31')`.
fn date(lexed: &Lexed<'_>, at: usize, name: &str) -> (&'static str, Cow<'static, str>) {
    let text = match (lexed.token(at + 2), lexed.token(at + 3)) {
        (Some(Token::SingleQuotedString(text)), Some(Token::RParen)) => text.as_str(),
        (Some(Token::Word(word)), Some(Token::RParen)) => word.value.as_str(),
        _ => "",
    };
    let is_day = text.len() >= 10
        && text.bytes().take(10).enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_day {
        let help = "a constant is written DATE '2026-01-31'; a column's type is declared under `types:` of its source";
        return ("a cast", help.into());
    }
    let word = if name.contains("time") { "TIMESTAMP" } else { "DATE" };
    ("this form of a constant", format!("write {word} '{text}'").into())
}

// Names.

/// What to write instead of a name with a dot, which begins at the token.
pub fn dotted(lexed: &Lexed<'_>, at: usize) -> String {
    let is_word = |at: usize| matches!(lexed.token(at), Some(Token::Word(_)));
    let is_period = |at: usize| lexed.token(at) == Some(&Token::Period);
    let (table, name) = (lexed.written(at), lexed.written(at + 2));
    let are_two = is_word(at) && is_period(at + 1) && is_word(at + 2) && !is_period(at + 3);
    if !are_two || as_bare(table).eq_ignore_ascii_case("consent") {
        return DOTTED.to_owned();
    }
    if lexed.is_inside {
        return format!("write {name}: the call names its table already");
    }
    if let Some(function) = AggregateFunction::from_name(name) {
        let argument = match function {
            AggregateFunction::Count => "",
            AggregateFunction::Last => "VALUE by TIME",
            _ => "VALUE",
        };
        return format!("write {table}.{}({argument})", function.name());
    }
    if nearest(table, ["consent"]).is_some() {
        return format!("did you mean `consent.{name}`?");
    }
    format!(
        "write {name}; rows of a related table are asked with a call such as {table}.count(), and \
         a name with a dot in it stands in double quotes"
    )
}

fn as_bare(name: &str) -> &str {
    name.trim_matches('"')
}

// Pairs of signs.

/// True for a quote of books: single, double or angled, at either end.
const fn is_typographic(sign: char) -> bool {
    matches!(sign, '\u{2018}'..='\u{201f}' | '\u{2039}' | '\u{203a}' | '\u{ab}' | '\u{bb}')
}

/// The next of these signs behind a token.
fn next_sign(lexed: &Lexed<'_>, at: usize, is: fn(char) -> bool) -> Option<usize> {
    (at + 1..lexed.tokens.len())
        .find(|at| matches!(lexed.token(*at), Some(Token::Char(sign)) if is(*sign)))
}

/// Signs that quote, list or fill in elsewhere, with all between them.
pub fn fenced(lexed: &Lexed<'_>, at: usize) -> Option<Told> {
    let told = |what: &str, end: usize, help: String| {
        Some((unsupported(lexed.span(at, end), what).help(help), end))
    };
    match lexed.token(at)? {
        Token::Char('`') => {
            const BACKTICK: &str = "a name stands bare, or in double quotes where it has blanks";
            match next_sign(lexed, at, |sign| sign == '`') {
                None => told("a backtick", at + 1, BACKTICK.to_owned()),
                Some(close) => {
                    let name = as_name(lexed.between(at + 1, close));
                    told("a backtick", close + 1, format!("{BACKTICK}: {name}"))
                }
            }
        }
        Token::Char(sign) if is_typographic(*sign) => {
            let close = next_sign(lexed, at, is_typographic);
            let inner = close.map_or("x", |close| lexed.between(at + 1, close));
            let text = format!("'{}'", inner.replace('\'', "''"));
            let help = if matches!(*sign, '\u{2018}'..='\u{201b}' | '\u{2039}' | '\u{203a}') {
                format!("a text stands in straight quotes: {text}")
            } else {
                format!(
                    "a text stands in straight single quotes: {text}; a name in straight double quotes: \"{inner}\""
                )
            };
            told("a typographic quote", close.unwrap_or(at) + 1, help)
        }
        Token::LBracket => Some(brackets(lexed, at)),
        Token::RBracket => told("a bracket", at + 1, LIST.to_owned()),
        Token::LBrace => Some(braces(lexed, at, at)),
        Token::Placeholder(_) if lexed.token(at + 1) == Some(&Token::LBrace) => {
            Some(braces(lexed, at, at + 1))
        }
        _ => None,
    }
}

/// `[ ]` around a name or a list.
fn brackets(lexed: &Lexed<'_>, at: usize) -> Told {
    let end = behind(lexed, at, (&Token::LBracket, &Token::RBracket));
    let close = end - 1;
    if close == at || lexed.token(close) != Some(&Token::RBracket) {
        return (unsupported(lexed.span(at, at + 1), "a bracket").help(LIST), end);
    }
    let inner = lexed.between(at + 1, close);
    let is_after_in = at.checked_sub(1).and_then(|at| bare(lexed, at)).is_some_and(|w| w == "in");
    let is_name = (at + 1..close).all(|at| matches!(lexed.token(at), Some(Token::Word(_))));
    let help = if is_after_in && inner.len() <= SHOWN {
        format!("{LIST}: IN ({inner})")
    } else if is_name && !inner.is_empty() && !is_after_in && !lexed.is_operand_before(at) {
        format!("a name stands bare, or in double quotes where it has blanks: {}", as_name(inner))
    } else {
        LIST.to_owned()
    };
    (unsupported(lexed.span(at, end), "a bracket").help(help), end)
}

/// `{ }` around what another program was to fill in.
fn braces(lexed: &Lexed<'_>, at: usize, open: usize) -> Told {
    let end = behind(lexed, open, (&Token::LBrace, &Token::RBrace));
    let is_closed = lexed.token(end - 1) == Some(&Token::RBrace);
    let shown = if is_closed { end } else { open + 1 };
    let fault = unsupported(lexed.span(at, shown), "a placeholder").help("write the value itself");
    (fault, end)
}

// Calls and queries.

/// A subquery, with all that belongs to it.
pub fn query(lexed: &Lexed<'_>, at: usize) -> Told {
    let fault = unsupported(lexed.span(at, at + 1), "a subquery").help(SUBQUERY);
    (fault, behind_query(lexed, at))
}

/// A call of a function that rules do not have, with its arguments where they go away with it.
pub fn call(lexed: &Lexed<'_>, at: usize) -> Told {
    let span = lexed.span(at, at + 1);
    let written = lexed.written(at);
    let name = written.to_ascii_lowercase();
    let mut end = behind_parentheses(lexed, at + 1);
    let is_followed_by = |end: usize, word: &str| {
        bare(lexed, end).is_some_and(|found| found == word)
            && lexed.token(end + 1) == Some(&Token::LParen)
    };
    if is_followed_by(end, "over") {
        let fault = unsupported(span, "a window function").help(WINDOW);
        return (fault, behind_parentheses(lexed, end + 1));
    }
    if is_followed_by(end, "filter") {
        end = behind_parentheses(lexed, end + 1);
    }
    if let Some((what, help)) = of_other_languages(lexed, at, &name) {
        return (unsupported(span, what).help(help), end);
    }
    let fault = unsupported(span, &format!("a function `{written}`"));
    let names = Function::ALL.iter().map(|function| function.name());
    let fault = match nearest(&name, names.clone()) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help(format!("functions: {}", names.collect::<Vec<_>>().join(" "))),
    };
    (fault, at + 1)
}

/// What a function of other languages is, and what to write here. The name is in small letters.
fn of_other_languages(
    lexed: &Lexed<'_>,
    at: usize,
    name: &str,
) -> Option<(&'static str, Cow<'static, str>)> {
    if let Some(part) = Part::of_function(name) {
        return Some(("this function", search(lexed, at, part).into()));
    }
    let (what, help) = match name {
        "cast" | "try_cast" | "safe_cast" | "convert" => ("a cast", CAST),
        "exists" | "any" | "all" | "some" => ("a subquery", SUBQUERY),
        "over" | "filter" | "within" | "rank" | "dense_rank" | "row_number" | "lag" | "lead" => {
            ("a window function", WINDOW)
        }
        "count" | "sum" | "avg" | "min" | "max" => (
            "an aggregate",
            "of the rows of a table under `related`: orders.count(), orders.sum(x)",
        ),
        "extract" | "date_part" => ("EXTRACT", "write year(x), month(x) or day(x)"),
        "now" | "current_date" | "current_timestamp" | "today" | "getdate" | "sysdate" => {
            ("the current date", TODAY)
        }
        "datediff" | "date_diff" | "timestampdiff" | "months_between" | "age" => (
            "a difference of dates",
            "write days_since(x), the days from x up to the date of the run; two dates are compared: x > y + INTERVAL '30' DAY",
        ),
        "dateadd" | "date_add" | "date_sub" | "datesub" | "timestampadd" | "add_months" => {
            ("this function", "write x + INTERVAL '30' DAY or x - INTERVAL '1' MONTH")
        }
        "date" | "to_date" | "str_to_date" | "timestamp" | "to_timestamp" | "datetime" => {
            return Some(date(lexed, at, name));
        }
        "isnull" | "is_null" | "isnotnull" | "is_not_null" | "notnull" => {
            return Some(("this function", null_test(lexed, at, name)));
        }
        "ifnull" | "nvl" | "iif" | "if" => {
            ("this function", "write coalesce(x, value) where a null is to count as a value")
        }
        "len" | "char_length" | "character_length" => ("this function", "write length(x)"),
        "substr" | "substring" | "mid" | "left" | "right" => ("this function", INTO_TEXTS),
        "concat" | "concat_ws" => (
            "this function",
            "texts cannot be joined: compare each of them by itself, with AND between",
        ),
        "regexp" | "regexp_like" | "regexp_matches" | "regexp_contains" => {
            ("a regular expression", "LIKE takes `%` for any text and `_` for one character")
        }
        _ => return None,
    };
    Some((what, help.into()))
}

/// What to write for `isnull(x)`, which replaces nulls where it has two arguments.
fn null_test(lexed: &Lexed<'_>, at: usize, name: &str) -> Cow<'static, str> {
    let argument = match (lexed.token(at + 2), lexed.token(at + 3)) {
        (Some(Token::Word(_)), Some(Token::RParen)) => lexed.written(at + 2),
        (Some(Token::Word(_)), Some(Token::Comma)) => {
            return "write coalesce(x, value) where a null is to count as a value".into();
        }
        _ => "x",
    };
    let not = if name.contains("not") { "NOT " } else { "" };
    format!("write {argument} IS {not}NULL").into()
}
