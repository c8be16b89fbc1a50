//! Calls on related tables, such as `orders.count(where status = 'paid')`.
//!
//! They are cut out of the tokens before anything else looks at them: one token stands for the whole
//! call, and what it holds is read by itself, as a value or a condition over the rows of that table.
//! So the parser behind sees a name, and the words `by` and `where` mean something here alone.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span as TokenSpan, Token, TokenWithSpan, Word};

use super::habits;
use super::lex::{Lexed, syntax, unsupported};
use super::misread::open_parenthesis;
use super::parse::tree;
use super::{AggregateCall, AggregateFunction, Ast, AstKind};
use crate::diagnostics::{Diagnostic, Faults, Outcome, Span, Spanned, nearest};

/// The help of a call that is written in another way.
fn usage(function: AggregateFunction) -> String {
    let name = function.name();
    match function {
        AggregateFunction::Count => "write count() or count(where CONDITION)".to_owned(),
        AggregateFunction::Last => {
            "write last(VALUE by TIME) or last(VALUE by TIME where CONDITION)".to_owned()
        }
        _ => format!("write {name}(VALUE) or {name}(VALUE where CONDITION)"),
    }
}

/// Puts one token in the place of each call on a related table, and reads the calls. Inside of a call
/// there is none.
pub fn cut(lexed: &mut Lexed<'_>) -> Outcome<()> {
    let mut faults = Vec::new();
    let mut kept = Vec::with_capacity(lexed.tokens.len());
    let mut bytes = Vec::with_capacity(lexed.tokens.len());
    let mut at = 0;
    while at < lexed.tokens.len() {
        if !begins_call(lexed, at) {
            kept.push(lexed.tokens[at].clone());
            bytes.push(lexed.bytes(at));
            at += 1;
            continue;
        }
        let Some(close) = end_of_call(lexed, at) else {
            return Err(open_parenthesis(lexed, at + 3).into());
        };
        if lexed.is_inside {
            let span = lexed.span(at, close + 1);
            faults.push(
                unsupported(span, "an aggregate inside of an aggregate")
                    .help("a call looks at the rows of one table"),
            );
        } else {
            match call(lexed, at, close) {
                Ok(call) => {
                    lexed.calls.insert(kept.len(), call);
                }
                Err(Faults(found)) => faults.extend(found),
            }
        }
        let word = Word {
            value: "aggregate".to_owned(),
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        };
        let span =
            TokenSpan { start: lexed.tokens[at].span.start, end: lexed.tokens[close].span.end };
        kept.push(TokenWithSpan { token: Token::Word(word), span });
        bytes.push((lexed.bytes(at).0, lexed.bytes(close).1));
        at = close + 1;
    }
    lexed.replace(kept, bytes);
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

/// True if a call begins at a token: `name.name(`. No related table is called `consent`.
pub fn begins_call(lexed: &Lexed<'_>, at: usize) -> bool {
    let is_word = |at: usize| matches!(lexed.token(at), Some(Token::Word(_)));
    let qualified = at.checked_sub(1).and_then(|at| lexed.token(at)) == Some(&Token::Period);
    !qualified
        && is_word(at)
        && !lexed.written(at).eq_ignore_ascii_case("consent")
        && lexed.token(at + 1) == Some(&Token::Period)
        && is_word(at + 2)
        && lexed.token(at + 3) == Some(&Token::LParen)
}

/// The closing parenthesis of the call that begins at a token, if it has one.
fn end_of_call(lexed: &Lexed<'_>, at: usize) -> Option<usize> {
    let mut open = 0_usize;
    for close in at + 3..lexed.tokens.len() {
        match lexed.token(close) {
            Some(Token::LParen) => open += 1,
            Some(Token::RParen) => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(close);
        }
    }
    None
}

fn call(lexed: &Lexed<'_>, at: usize, close: usize) -> Outcome<AggregateCall> {
    let name = |at: usize| match lexed.token(at) {
        Some(Token::Word(word)) => Spanned::new(word.value.clone(), lexed.span(at, at + 1)),
        _ => Spanned::new(String::new(), lexed.span(at, at + 1)),
    };
    let (related, written) = (name(at), name(at + 2));
    let Some(function) = AggregateFunction::from_name(&written.value) else {
        let names = || AggregateFunction::ALL.iter().map(|function| function.name());
        if let Some(help) = habits::method(lexed, at + 2) {
            return Err(unsupported(written.span, "this form of a function").help(help).into());
        }
        let fault = unsupported(written.span, &format!("an aggregate `{}`", written.value));
        let fault = match nearest(&written.value, names()) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("aggregates: {}", names().collect::<Vec<_>>().join(" "))),
        };
        return Err(fault.into());
    };
    let (first, end) = (at + 4, close);
    let by = top_level(lexed, first..end, Keyword::BY);
    let filter = top_level(lexed, first..end, Keyword::WHERE);
    let fault = |message: String, span: Span, label: &str| -> Diagnostic {
        syntax(message).at(span, label).help(usage(function))
    };
    if let (Some(by), Some(filter)) = (by, filter)
        && filter < by
    {
        return Err(fault(
            "`by` stands before `where`".to_owned(),
            lexed.span(by, by + 1),
            "not expected here",
        )
        .into());
    }
    let value_end = by.or(filter).unwrap_or(end);
    let by_end = filter.unwrap_or(end);
    let name = function.name();
    let bare_count = match filter {
        None => format!("write {}.count()", lexed.written(at)),
        Some(_) => "write count(where CONDITION)".to_owned(),
    };
    if value_end == first + 1 && lexed.token(first) == Some(&Token::Mul) {
        let span = lexed.span(first, value_end);
        let told = fault(format!("{name} takes no `*`"), span, "not expected here");
        return Err(match function {
            AggregateFunction::Count => told.help(bare_count).into(),
            _ => told.into(),
        });
    }
    let value = part(lexed, first..value_end)?;
    let whole = lexed.span(at + 2, close + 1);
    match (function, &value) {
        (AggregateFunction::Count, Some(value)) if matches!(value.kind, AstKind::Number(_)) => {
            let message = "count takes no value, it counts rows".to_owned();
            return Err(fault(message, value.span, "no value here").help(bare_count).into());
        }
        (AggregateFunction::Count, Some(value)) => {
            return Err(fault("count takes no value, it counts rows".to_owned(), value.span, "no value here")
                .help("write count(where x IS NOT NULL) to count those that have one; a condition stands behind `where`")
                .into());
        }
        (AggregateFunction::Count, None) | (_, Some(_)) => {}
        (_, None) => {
            return Err(fault(format!("{name} takes a value"), whole, "of what?").into());
        }
    }
    let by = match (function, by) {
        (AggregateFunction::Last, Some(by)) => Some(
            part(lexed, by + 1..by_end)?
                .ok_or_else(|| fault("`by` names a time".to_owned(), whole, "by what?"))?,
        ),
        (AggregateFunction::Last, None) => {
            return Err(fault("last needs an order".to_owned(), whole, "last by what?").into());
        }
        (_, Some(by)) => {
            let span = lexed.span(by, by + 1);
            return Err(fault(format!("{name} has no order"), span, "not expected here").into());
        }
        (_, None) => None,
    };
    let filter = match filter {
        Some(filter) => Some(part(lexed, filter + 1..end)?.ok_or_else(|| {
            fault("`where` has no condition".to_owned(), lexed.span(filter, filter + 1), "empty")
        })?),
        None => None,
    };
    Ok(AggregateCall {
        related,
        quoted: lexed.is_quoted(at),
        function: Spanned::new(function, written.span),
        value,
        by,
        filter,
    })
}

/// The first bare word of this kind that stands in no parentheses.
fn top_level(lexed: &Lexed<'_>, tokens: std::ops::Range<usize>, word: Keyword) -> Option<usize> {
    let mut open = 0_usize;
    for at in tokens {
        match lexed.token(at) {
            Some(Token::LParen) => open += 1,
            Some(Token::RParen) => open = open.saturating_sub(1),
            Some(Token::Word(found))
                if open == 0 && found.quote_style.is_none() && found.keyword == word =>
            {
                return Some(at);
            }
            _ => {}
        }
    }
    None
}

/// What some tokens of a call say; none without tokens.
fn part(lexed: &Lexed<'_>, tokens: std::ops::Range<usize>) -> Outcome<Option<Ast>> {
    if tokens.is_empty() {
        return Ok(None);
    }
    let bytes = lexed.bytes(tokens.start).0..lexed.bytes(tokens.end - 1).1;
    tree(&lexed.inside(bytes)?).map(Some)
}
