//! What is well formed and of the right types, and still cannot be what was meant.

use std::num::FpCategory;

use super::names::{Found, find};
use super::{Typer, fault, op_of};
use crate::diagnostics::{Code, Diagnostic, Span};
use crate::plan::Expr;
use crate::plan::expr::{CompareOp, ExprKind, Literal};
use crate::rule::{Ast, AstKind};

/// How many names of a list a help shows.
const SHOWN: usize = 5;

/// The comparison that says the same with its sides changed.
const fn turned(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Equal | CompareOp::NotEqual => op,
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessEqual => CompareOp::GreaterEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterEqual => CompareOp::LessEqual,
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A field or a constant as it is written in a rule.
fn written(ast: &Ast) -> Option<String> {
    Some(match &ast.kind {
        AstKind::Field { name, quoted: false } => name.clone(),
        AstKind::Field { name, quoted: true } => format!("\"{}\"", name.replace('"', "\"\"")),
        AstKind::Text(text) => quoted(text),
        AstKind::Number(number) => number.clone(),
        AstKind::Negate(inner) => match &inner.kind {
            AstKind::Number(number) => format!("-{number}"),
            _ => return None,
        },
        AstKind::Date(text) => format!("DATE {}", quoted(&text.value)),
        AstKind::Timestamp(text) => format!("TIMESTAMP {}", quoted(&text.value)),
        _ => return None,
    })
}

const fn is_field(ast: &Ast) -> bool {
    matches!(ast.kind, AstKind::Field { .. })
}

impl Typer<'_> {
    /// True, and told, if a comparison is `a < b < c`, of which `left` is the first part.
    pub(super) fn is_chain(&mut self, left: &Ast, op: CompareOp, right: &Ast) -> bool {
        let AstKind::Compare { op: before, left: first, right: middle } = &left.kind else {
            return false;
        };
        // In parentheses it is meant as a bool.
        if left.span.start != first.span.start {
            return false;
        }
        let before = op_of(before.value);
        let help = match (written(first), written(middle), written(right)) {
            (Some(first_text), Some(middle_text), Some(last_text)) => {
                let (one, other, way) = if is_field(middle) && !is_field(first) {
                    (&middle_text, &first_text, turned(before))
                } else {
                    (&first_text, &middle_text, before)
                };
                format!(
                    "write {one} {} {other} AND {middle_text} {} {last_text}",
                    way.sign(),
                    op.sign()
                )
            }
            _ => "write each comparison by itself, with AND between them".to_owned(),
        };
        self.sink.push(
            fault("a comparison is of two values")
                .at(left.span.to(right.span), "of three")
                .help(help),
        );
        true
    }

    /// True, and told, if nothing can lie between two bounds: constants of which the greater one
    /// stands first.
    pub(super) fn is_empty_range(&mut self, low: (&Ast, &Expr), high: (&Ast, &Expr)) -> bool {
        let (ExprKind::Literal(first), ExprKind::Literal(last)) = (&low.1.kind, &high.1.kind)
        else {
            return false;
        };
        let is_empty = match (first, last) {
            (Literal::Int(first), Literal::Int(last))
            | (Literal::Datetime(first), Literal::Datetime(last)) => first > last,
            (Literal::Float(first), Literal::Float(last)) => first > last,
            (Literal::Date(first), Literal::Date(last)) => first > last,
            (Literal::Text(first), Literal::Text(last)) => first > last,
            _ => false,
        };
        if is_empty {
            let help = match (written(low.0), written(high.0)) {
                (Some(low), Some(high)) => format!("write BETWEEN {high} AND {low}"),
                _ => "write the smaller bound first".to_owned(),
            };
            self.sink.push(
                fault("no value lies between these bounds")
                    .at(low.0.span.to(high.0.span), "the greater one stands first")
                    .help(help),
            );
        }
        is_empty
    }

    /// True, and told, if one constant is divided by another one that is 0.
    pub(super) fn is_always_null(&mut self, left: (&Expr, Span), right: (&Expr, Span)) -> bool {
        let is_zero = match &right.0.kind {
            ExprKind::Literal(Literal::Int(number)) => *number == 0,
            ExprKind::Literal(Literal::Float(number)) => number.classify() == FpCategory::Zero,
            _ => false,
        };
        let is_null = is_zero && matches!(left.0.kind, ExprKind::Literal(_));
        if is_null {
            self.sink.push(
                fault("a number divided by 0 is null")
                    .at(left.1.to(right.1), "always null")
                    .help("nothing compares with null: write the number that is meant"),
            );
        }
        is_null
    }

    /// True for a name that is no field.
    pub(super) fn is_unknown(&self, ast: &Ast) -> bool {
        let AstKind::Field { name, quoted } = &ast.kind else { return false };
        let known = self.scope.fields.iter().map(|(name, _)| name.as_str());
        let is_date = !quoted && name.eq_ignore_ascii_case("as_of");
        !is_date && matches!(find(name, *quoted, known), Found::None)
    }

    /// True, and told once, if several names in a list are no fields: nearly always texts without
    /// their quotes.
    pub(super) fn are_texts_without_quotes(&mut self, list: &[Ast]) -> bool {
        let mut names = Vec::new();
        for item in list.iter().filter(|item| self.is_unknown(item)) {
            if let AstKind::Field { name, .. } = &item.kind {
                names.push((name.as_str(), item.span));
            }
        }
        let [(name, span), _, ..] = names.as_slice() else { return false };
        let (code, message) = match self.scope.rows_of {
            Some(table) => (Code::UnknownColumn, format!("`{table}` has no column `{name}`")),
            None => (Code::UnknownField, format!("no field `{name}`")),
        };
        let texts: Vec<_> = names.iter().take(SHOWN).map(|(name, _)| quoted(name)).collect();
        let dots = if names.len() > SHOWN { ", ..." } else { "" };
        let more = names.len() - 1;
        let (subject, verb) = if more == 1 { ("name", "is") } else { ("names", "are") };
        let help = format!(
            "{more} more {subject} in this list {verb} unknown; a text stands in single quotes: {}{dots}",
            texts.join(", ")
        );
        self.sink.push(Diagnostic::error(code, message).at(*span, "unknown").help(help));
        true
    }
}
