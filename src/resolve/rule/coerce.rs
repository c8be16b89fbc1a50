//! Types that fit together, and what is said where they do not.

use super::{Typer, constant, expr, fault, literal};
use crate::diagnostics::{Diagnostic, Span};
use crate::plan::expr::{ExprKind, Literal};
use crate::plan::{Expr, Type};

/// A typed part and its place.
pub(super) struct Value {
    pub(super) expr: Expr,
    pub(super) span: Span,
}

impl Value {
    fn text_constant(&self) -> Option<&str> {
        match &self.expr.kind {
            ExprKind::Literal(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn number_constant(&self) -> Option<String> {
        match &self.expr.kind {
            ExprKind::Literal(Literal::Int(number)) => Some(number.to_string()),
            ExprKind::Literal(Literal::Float(number)) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Why values must be of one type.
#[derive(Clone, Copy)]
pub(super) enum Joining {
    /// They are compared.
    Compare,
    /// One stands in for the other.
    Coalesce,
}

/// The first of the values that do not fit, and how many do not.
#[derive(Default)]
struct Misfits {
    first: Option<(Span, Diagnostic)>,
    count: usize,
}

impl Misfits {
    /// `told` is the fault of the value that stands at `place`.
    fn add(&mut self, place: Span, told: impl FnOnce() -> Diagnostic) {
        self.count += 1;
        if self.first.as_ref().is_none_or(|(first, _)| place.start < first.start) {
            self.first = Some((place, told()));
        }
    }

    /// One fault for all of them; none without any.
    fn told(self) -> Option<Diagnostic> {
        let (_, fault) = self.first?;
        let more = match self.count {
            ..=1 => return Some(fault),
            2 => "1 more value does not fit either".to_owned(),
            count => format!("{} more values do not fit either", count - 1),
        };
        let help =
            fault.help.as_ref().map_or_else(|| more.clone(), |help| format!("{help}; {more}"));
        Some(fault.help(help))
    }
}

/// Rules compute with decimals as floats.
fn settled(ty: Type) -> Type {
    if let Type::Decimal(_) = ty { Type::Float } else { ty }
}

/// The type that holds both; ints widen to floats, dates to datetimes.
fn join(left: Type, right: Type) -> Option<Type> {
    match (left, right) {
        _ if left == right => Some(left),
        (Type::Int, Type::Float) | (Type::Float, Type::Int) => Some(Type::Float),
        (Type::Date, Type::Datetime) | (Type::Datetime, Type::Date) => Some(Type::Datetime),
        _ => None,
    }
}

/// Widens to a type that [`join`] gave; constants at once, all else by a cast.
pub(super) fn widen(value: Expr, ty: Type) -> Expr {
    if value.ty == ty {
        return value;
    }
    match (value.kind, ty) {
        // As the engine casts: to the nearest float.
        #[expect(clippy::cast_precision_loss, reason = "an int beyond 2^53 is compared as a float")]
        (ExprKind::Literal(Literal::Int(number)), Type::Float) => {
            constant(Literal::Float(number as f64), ty)
        }
        (ExprKind::Literal(Literal::Date(days)), Type::Datetime) => {
            constant(Literal::Datetime(literal::midnight(days)), ty)
        }
        (ExprKind::Literal(Literal::Null), _) => constant(Literal::Null, ty),
        (kind, _) => expr(ExprKind::Cast(Box::new(expr(kind, value.ty))), ty),
    }
}

impl Typer<'_> {
    pub(super) fn field_name(&self, value: &Value) -> Option<&str> {
        match value.expr.kind {
            ExprKind::Field(id) => self.scope.fields.get(id.0).map(|(name, _)| name.as_str()),
            _ => None,
        }
    }

    /// What a place says about the value there.
    pub(super) fn label(&self, value: &Value) -> String {
        let ty = value.expr.ty.name();
        match self.field_name(value) {
            Some(name) => format!("`{name}` is {ty}"),
            None => ty.to_owned(),
        }
    }

    /// All values as one type. Text constants are read as dates where the others are dates.
    pub(super) fn common(&mut self, values: &[Value], why: Joining) -> Option<(Vec<Expr>, Type)> {
        let mut joined: Option<(&Value, Type)> = None;
        let mut misfits = Misfits::default();
        for value in values.iter().filter(|value| value.text_constant().is_none()) {
            let own = settled(value.expr.ty);
            let Some((first, ty)) = joined else {
                joined = Some((value, own));
                continue;
            };
            if let Some(ty) = join(ty, own) {
                joined = Some((first, ty));
            } else {
                misfits.add(value.span, || self.misfit(first, value, why));
            }
        }
        let Some((first, ty)) = joined else {
            return Some((values.iter().map(|value| value.expr.clone()).collect(), Type::Text));
        };
        let mut typed = Vec::with_capacity(values.len());
        for value in values {
            match value.text_constant() {
                None => typed.push(widen(value.expr.clone(), ty)),
                Some(_) if ty == Type::Text => typed.push(value.expr.clone()),
                Some(text) if matches!(ty, Type::Date | Type::Datetime) => {
                    if let Some(date) = literal::read_date(text, ty) {
                        typed.push(date);
                        continue;
                    }
                    misfits.add(value.span, || {
                        fault(format!("`{text}` is not a {}", ty.name()))
                            .at(value.span, "cannot be read")
                            .at(first.span, self.label(first))
                            .help(literal::usage(ty))
                    });
                }
                Some(_) => misfits.add(value.span, || self.misfit(first, value, why)),
            }
        }
        match misfits.told() {
            None => Some((typed, ty)),
            Some(fault) => {
                self.sink.push(fault);
                None
            }
        }
    }

    fn misfit(&self, first: &Value, second: &Value, why: Joining) -> Diagnostic {
        let (one, other) = (first.expr.ty.name(), second.expr.ty.name());
        let message = match why {
            Joining::Compare => format!("{one} cannot be compared with {other}"),
            Joining::Coalesce => {
                format!("coalesce takes values of one type, not {one} and {other}")
            }
        };
        let fault =
            fault(message).at(first.span, self.label(first)).at(second.span, self.label(second));
        let help =
            self.misfit_help(first, second, why).or_else(|| self.misfit_help(second, first, why));
        match help {
            Some(help) => fault.help(help),
            None => fault,
        }
    }

    /// What to do about two types that do not fit, seen from the first.
    fn misfit_help(&self, first: &Value, second: &Value, why: Joining) -> Option<String> {
        let other = settled(second.expr.ty);
        if let Some(text) = first.text_constant() {
            return match other {
                Type::Bool => Some("write TRUE or FALSE, without quotes".to_owned()),
                _ if other.is_number() && text.trim().parse::<f64>().is_ok() => {
                    Some(format!("write {} without quotes", text.trim()))
                }
                _ if other.is_number() => Some("a number stands without quotes".to_owned()),
                _ => None,
            };
        }
        match (first.expr.ty, other) {
            (Type::Text, _) if second.text_constant().is_none() => {
                let declare = self.declare(first, second.expr.ty);
                Some(match second.number_constant() {
                    Some(number) => format!("compare it with the text '{number}', or {declare}"),
                    None => declare,
                })
            }
            (Type::Bool, Type::Int | Type::Float) => Some(match (why, second.number_constant()) {
                (_, Some(_)) => "write TRUE or FALSE".to_owned(),
                (Joining::Coalesce, None) => "write a number".to_owned(),
                (Joining::Compare, None) => match self.field_name(second) {
                    Some(name) => format!("compare a number with a number, such as {name} > 0"),
                    None => "compare a number with a number".to_owned(),
                },
            }),
            (Type::Date, Type::Int | Type::Float) => {
                Some("a date is written DATE '2026-01-31'".to_owned())
            }
            (Type::Datetime, Type::Int | Type::Float) => {
                Some("a datetime is written TIMESTAMP '2026-01-31 12:00:00'".to_owned())
            }
            _ => None,
        }
    }

    /// How to make a text something else.
    pub(super) fn declare(&self, value: &Value, ty: Type) -> String {
        let column =
            self.field_name(value).map_or_else(String::new, |name| format!(" of `{name}`"));
        format!(
            "declare the column{column} under `types:` of its source: `types: {{ COLUMN: {} }}`",
            ty.name()
        )
    }

    /// A number, decimals as floats.
    pub(super) fn as_number(&mut self, value: Value, taker: &str) -> Option<Expr> {
        let ty = settled(value.expr.ty);
        if ty.is_number() {
            return Some(widen(value.expr, ty));
        }
        let help = match value.text_constant() {
            Some(_) => "a number stands without quotes".to_owned(),
            None if ty == Type::Text => self.declare(&value, Type::Float),
            None => "only numbers are computed with".to_owned(),
        };
        self.wrong(&value, taker, "numbers", &help);
        None
    }

    /// A date or datetime; a text constant is read as one.
    pub(super) fn of_date(&mut self, value: Value, taker: &str) -> Option<Expr> {
        if let Type::Date | Type::Datetime = value.expr.ty {
            return Some(value.expr);
        }
        let help = match value.text_constant() {
            Some(_) => "write DATE before it: DATE '2026-01-31'".to_owned(),
            None if value.expr.ty == Type::Text => self.declare(&value, Type::Date),
            None => "only dates and datetimes have a place in the calendar".to_owned(),
        };
        self.wrong(&value, taker, "dates and datetimes", &help);
        None
    }

    /// A value of just this type.
    pub(super) fn of_type(&mut self, value: Option<Value>, ty: Type, taker: &str) -> Option<Expr> {
        let value = value?;
        if value.expr.ty == ty {
            return Some(value.expr);
        }
        let help = format!("only {} goes here", ty.name());
        self.wrong(&value, taker, ty.name(), &help);
        None
    }

    fn wrong(&mut self, value: &Value, taker: &str, wanted: &str, help: &str) {
        let fault = fault(format!("{taker} takes {wanted}, not {}", value.expr.ty.name()))
            .at(value.span, self.label(value))
            .help(help);
        self.sink.push(fault);
    }
}
