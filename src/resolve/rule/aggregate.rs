//! Calls on related tables: their names, and the types of what they take and give.

use super::names::{Found, find};
use super::{Scope, Typer, expr, fault};
use crate::diagnostics::{Code, Diagnostic};
use crate::plan::expr::ExprKind;
use crate::plan::{Aggregate, AggregateFunction, AggregateId, Expr, RelatedId, Type};
use crate::rule::{AggregateCall, AggregateFunction as Written};

impl Typer<'_> {
    pub(super) fn aggregate(&mut self, call: &AggregateCall) -> Option<Expr> {
        let of = self.related(call)?;
        let related = &self.scope.related[of.0];
        let scope = Scope {
            fields: &related.columns,
            purposes: &[],
            related: &[],
            rows_of: Some(related.name.as_str()),
        };
        // All parts are looked at before any is given up.
        let mut rows = Typer { scope: &scope, sink: self.sink, aggregates: self.aggregates };
        let value = call.value.as_ref().map(|ast| rows.value(ast));
        let by = call.by.as_ref().map(|ast| rows.value(ast));
        let filter = call.filter.as_ref().map(|ast| rows.condition(ast));
        let function = match call.function.value {
            Written::Count => AggregateFunction::Count,
            Written::Sum => AggregateFunction::Sum,
            Written::Min => AggregateFunction::Min,
            Written::Max => AggregateFunction::Max,
            Written::Avg => AggregateFunction::Avg,
            Written::Last => AggregateFunction::Last,
        };
        let name = function.name();
        let value = match value {
            None => None,
            Some(value) => {
                let value = value?;
                let ty = value.expr.ty;
                let is_good = match function {
                    AggregateFunction::Sum | AggregateFunction::Avg => ty.is_number(),
                    AggregateFunction::Min | AggregateFunction::Max => ty != Type::Bool,
                    AggregateFunction::Count | AggregateFunction::Last => true,
                };
                if !is_good {
                    let wanted = match function {
                        AggregateFunction::Sum | AggregateFunction::Avg => "numbers",
                        _ => "what has an order",
                    };
                    let told = fault(format!("{name} takes {wanted}, not {}", ty.name()))
                        .at(value.span, rows.label(&value));
                    rows.sink.push(if ty == Type::Text {
                        told.help(rows.declare(&value, Type::Float))
                    } else {
                        told.help("count the rows: count(where CONDITION)")
                    });
                    return None;
                }
                Some(value.expr)
            }
        };
        let by = match by {
            None => None,
            Some(by) => {
                let by = by?;
                if !matches!(by.expr.ty, Type::Int | Type::Date | Type::Datetime) {
                    let told = fault(format!(
                        "last orders rows by a date, a datetime or an int, not by {}",
                        by.expr.ty.name()
                    ))
                    .at(by.span, rows.label(&by));
                    rows.sink.push(if by.expr.ty == Type::Text {
                        told.help(rows.declare(&by, Type::Datetime))
                    } else {
                        told.help("name the time of the row")
                    });
                    return None;
                }
                Some(by.expr)
            }
        };
        let filter = match filter {
            None => None,
            Some(filter) => Some(filter?),
        };
        let ty = match (function, &value) {
            (AggregateFunction::Count, _) | (_, None) => Type::Int,
            (AggregateFunction::Avg, _) => Type::Float,
            (_, Some(value)) => value.ty,
        };
        let aggregate = Aggregate { of, function, value, by, filter, ty };
        let known = self.aggregates.iter().position(|known| *known == aggregate);
        let at = known.unwrap_or_else(|| {
            self.aggregates.push(aggregate);
            self.aggregates.len() - 1
        });
        Some(expr(ExprKind::Aggregate(AggregateId(at)), ty))
    }

    fn related(&mut self, call: &AggregateCall) -> Option<RelatedId> {
        let scope = self.scope;
        let known = || scope.related.iter().map(|related| related.name.as_str());
        let name = &call.related;
        let fault = match find(&name.value, call.quoted, known()) {
            Found::One(at) => return Some(RelatedId(at)),
            Found::Several(first, second) => Diagnostic::error(
                Code::UnknownRelated,
                format!("`{}` may be two related tables", name.value),
            )
            .at(name.span, format!("`{first}` or `{second}`?"))
            .help("in double quotes the case of a name counts"),
            Found::None => {
                if self.sink.is_poisoned(&name.value) || self.sink.is_poisoned("a related table") {
                    return None;
                }
                let names: Vec<_> = known().collect();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Diagnostic::error(
                    Code::UnknownRelated,
                    format!("no related table `{}`", name.value),
                )
                .at(name.span, "not among `related`")
                .help(format!("related tables: {names}"))
                .suggest(&name.value, known())
            }
        };
        self.sink.push(fault);
        None
    }
}
