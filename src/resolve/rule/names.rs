//! Names in rules: fields and purposes.

use super::{Typer, expr};
use crate::diagnostics::{Code, Diagnostic, Span, Spanned};
use crate::plan::expr::ExprKind;
use crate::plan::{Expr, FieldId, PurposeId, Type};

/// How many fields a help line names.
const SHOWN: usize = 12;

impl Typer<'_> {
    pub(super) fn field(&mut self, name: &str, quoted: bool, span: Span) -> Option<Expr> {
        let scope = self.scope;
        let known = || scope.fields.iter().map(|(name, _)| name.as_str());
        match find(name, quoted, known()) {
            Found::One(at) => {
                let (_, ty) = scope.fields.get(at)?;
                return Some(expr(ExprKind::Field(FieldId(at)), *ty));
            }
            Found::Several(first, second) => self.sink.push(
                Diagnostic::error(Code::UnknownField, format!("`{name}` may be two fields"))
                    .at(span, format!("`{first}` or `{second}`?"))
                    .help("in double quotes the case of a name counts"),
            ),
            // A field of this name comes before the run's date.
            Found::None if !quoted && name.eq_ignore_ascii_case("as_of") => {
                return Some(expr(ExprKind::AsOf, Type::Datetime));
            }
            Found::None if let Some(table) = scope.rows_of => {
                let columns: Vec<_> = known().take(SHOWN).collect();
                let more = if scope.fields.len() > SHOWN { ", ..." } else { "" };
                self.sink.push(
                    Diagnostic::error(
                        Code::UnknownColumn,
                        format!("`{table}` has no column `{name}`"),
                    )
                    .at(span, "no such column")
                    .help(format!("its columns: {}{more}", columns.join(", ")))
                    .suggest(name, known()),
                );
            }
            Found::None => {
                let fault = Diagnostic::error(Code::UnknownField, format!("no field `{name}`"))
                    .at(span, "no such field");
                let purpose = name.strip_prefix("consent_").unwrap_or(name);
                self.sink.push(if scope.purposes.iter().any(|known| known == purpose) {
                    fault.help(format!("did you mean `consent.{purpose}`?"))
                } else if name.eq_ignore_ascii_case("consent") {
                    fault.help("write `consent.<purpose>`")
                } else {
                    let fields: Vec<_> = known().take(SHOWN).collect();
                    let more = if scope.fields.len() > SHOWN { ", ..." } else { "" };
                    fault
                        .help(format!(
                            "fields: {}{more}; if it is a text, write it in single quotes: '{name}'",
                            fields.join(", ")
                        ))
                        .suggest(name, known())
                });
            }
        }
        None
    }

    pub(super) fn consent(&mut self, purpose: &Spanned<String>, quoted: bool) -> Option<Expr> {
        let scope = self.scope;
        if let Some(table) = scope.rows_of {
            self.sink.push(
                super::fault(format!("consent is of customers, not of rows of `{table}`"))
                    .at(purpose.span, "stands in a call on a related table")
                    .help("ask for it outside of the call, with AND"),
            );
            return None;
        }
        let known = || scope.purposes.iter().map(String::as_str);
        let fault = match find(&purpose.value, quoted, known()) {
            Found::One(at) => return Some(expr(ExprKind::Consent(PurposeId(at)), Type::Bool)),
            Found::Several(first, second) => Diagnostic::error(
                Code::UnknownPurpose,
                format!("`{}` may be two purposes", purpose.value),
            )
            .at(purpose.span, format!("`{first}` or `{second}`?"))
            .help("in double quotes the case of a name counts"),
            Found::None => {
                let names: Vec<_> = known().collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Diagnostic::error(Code::UnknownPurpose, format!("no purpose `{}`", purpose.value))
                    .at(purpose.span, "no such purpose")
                    .help(format!("purposes: {names}"))
                    .suggest(&purpose.value, known())
            }
        };
        self.sink.push(fault);
        None
    }
}

/// What a name may stand for.
pub enum Found<'a> {
    /// Nothing.
    None,
    /// The one of this number.
    One(usize),
    /// Two that differ from the name in case only.
    Several(&'a str, &'a str),
}

/// An equal name; else, for a name without quotes, the only one that is equal without case.
pub fn find<'a>(
    name: &str,
    quoted: bool,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Found<'a> {
    if let Some(at) = known.clone().position(|known| known == name) {
        return Found::One(at);
    }
    if quoted {
        return Found::None;
    }
    let folded = name.to_lowercase();
    let mut alike = known.enumerate().filter(|(_, known)| known.to_lowercase() == folded);
    match (alike.next(), alike.next()) {
        (None, _) => Found::None,
        (Some((at, _)), None) => Found::One(at),
        (Some((_, first)), Some((_, second))) => Found::Several(first, second),
    }
}
