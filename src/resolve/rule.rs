//! Segment rules: names become ids, and every part gets its type.
//!
//! In comes the tree of [`crate::rule`] and the profile's schema; out goes the typed expression of
//! [`crate::plan::expr`], in which every operand has the type that its operator takes. A part with
//! a fault gives no expression and no further faults above it, but its neighbours are still looked
//! at, so that all faults of a rule are told at once. Nothing is computed here but signs, and
//! constants are read as what they are compared with.

mod aggregate;
mod coerce;
mod habits;
mod literal;
pub(super) mod names;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_habits;

use self::coerce::{Joining, Value};
use crate::diagnostics::{Code, Diagnostic, Sink, Span, Spanned};
use crate::plan::expr::{ArithmeticOp, CompareOp, ExprKind, Function, Interval, Literal};
use crate::plan::{Aggregate, Expr, Related, Type};
use crate::rule::{self, Ast, AstKind};

/// Characters of a `LIKE` pattern. Engines turn it into a regular expression, and these have a
/// bound on their size (10 MB in the `regex` crate, met at about 10,000 times `_`).
const LONGEST_PATTERN: usize = 1000;

/// What a rule can name. Datetimes are UTC, in constants too.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The profile's fields; the index is the `FieldId`.
    pub fields: &'a [(String, Type)],
    /// The purposes; the index is the `PurposeId`.
    pub purposes: &'a [String],
    /// The related tables; the index is the `RelatedId`.
    pub related: &'a [Related],
    /// The related table of which this is a row; none: of a profile.
    pub rows_of: Option<&'a str>,
}

/// The typed expression of a rule, of type bool. None where a fault was reported. What it asks of
/// related tables is added to `aggregates`, unless it stands there.
pub fn resolve_rule(
    ast: &Ast,
    scope: &Scope<'_>,
    aggregates: &mut Vec<Aggregate>,
    sink: &mut Sink,
) -> Option<Expr> {
    if ast.kind == AstKind::Null {
        sink.push(
            fault("a rule that is NULL holds for nobody")
                .at(ast.span, "always null")
                .help("leave `where` out to take all who pass the gate"),
        );
        return None;
    }
    Typer { scope, sink, aggregates }.condition(ast)
}

/// A fault of types.
fn fault(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::RuleType, message)
}

fn expr(kind: ExprKind, ty: Type) -> Expr {
    Expr { kind, ty }
}

fn constant(literal: Literal, ty: Type) -> Expr {
    expr(ExprKind::Literal(literal), ty)
}

fn not_if(negated: bool, inner: Expr) -> Expr {
    if negated { expr(ExprKind::Not(Box::new(inner)), Type::Bool) } else { inner }
}

/// A part of a rule.
enum Operand {
    /// It has a type.
    Value(Value),
    /// `NULL`, of any type.
    Null(Span),
    /// An interval: only added to dates and taken from them.
    Interval(Interval, Span),
}

struct Typer<'a> {
    scope: &'a Scope<'a>,
    sink: &'a mut Sink,
    aggregates: &'a mut Vec<Aggregate>,
}

impl Typer<'_> {
    /// Something true, false or null.
    fn condition(&mut self, ast: &Ast) -> Option<Expr> {
        match &ast.kind {
            AstKind::Null => return Some(constant(Literal::Null, Type::Bool)),
            AstKind::And(members) => return self.members(members, ExprKind::And),
            AstKind::Or(members) => return self.members(members, ExprKind::Or),
            AstKind::Not(inner) => return self.condition(inner).map(|inner| not_if(true, inner)),
            _ => {}
        }
        let value = self.value(ast)?;
        if value.expr.ty == Type::Bool {
            return Some(value.expr);
        }
        let ty = value.expr.ty.name();
        let help = match (self.field_name(&value), value.expr.ty) {
            (Some(name), Type::Text) => {
                format!("compare it, such as {name} = 'text', or write {name} IS NOT NULL")
            }
            (Some(name), _) => format!("compare it, or write {name} IS NOT NULL"),
            (None, _) => "compare it with something".to_owned(),
        };
        self.sink.push(
            fault(format!("a condition is true or false, this is {ty}"))
                .at(value.span, self.label(&value))
                .help(help),
        );
        None
    }

    fn members(&mut self, members: &[Ast], join: fn(Vec<Expr>) -> ExprKind) -> Option<Expr> {
        let typed: Vec<_> = members.iter().map(|member| self.condition(member)).collect();
        let typed: Option<Vec<_>> = typed.into_iter().collect();
        Some(expr(join(typed?), Type::Bool))
    }

    /// Something with a type of its own.
    fn value(&mut self, ast: &Ast) -> Option<Value> {
        match self.operand(ast)? {
            Operand::Value(value) => Some(value),
            Operand::Null(span) => {
                self.sink.push(
                    fault("NULL stands for nothing here")
                        .at(span, "makes the whole null")
                        .help("look for nulls with IS NULL, replace them with coalesce"),
                );
                None
            }
            Operand::Interval(_, span) => {
                self.stray_interval(span);
                None
            }
        }
    }

    fn stray_interval(&mut self, span: Span) {
        self.sink.push(
            fault("an interval is added to a date or taken from one")
                .at(span, "not beside a date")
                .help("such as updated_at + INTERVAL '30' DAY > DATE '2026-01-31'"),
        );
    }

    fn operand(&mut self, ast: &Ast) -> Option<Operand> {
        let span = ast.span;
        let typed = match &ast.kind {
            AstKind::Null => return Some(Operand::Null(span)),
            AstKind::Interval(parts) => {
                return Some(Operand::Interval(self.interval(parts, span)?, span));
            }
            AstKind::Field { name, quoted } => self.field(name, *quoted, span)?,
            AstKind::Consent { purpose, quoted } => self.consent(purpose, *quoted)?,
            AstKind::Text(text) => constant(Literal::Text(text.clone()), Type::Text),
            AstKind::Number(number) => self.number(number, span)?,
            AstKind::Bool(value) => constant(Literal::Bool(*value), Type::Bool),
            AstKind::Date(text) => self.date_constant(text, Type::Date)?,
            AstKind::Timestamp(text) => self.date_constant(text, Type::Datetime)?,
            AstKind::And(_) | AstKind::Or(_) | AstKind::Not(_) => self.condition(ast)?,
            AstKind::Negate(inner) => self.negate(inner)?,
            AstKind::Compare { op, left, right } => self.compare(op.value, left, right)?,
            AstKind::Arithmetic { op, left, right } => self.arithmetic(op, left, right)?,
            AstKind::In { value, list, negated } => not_if(*negated, self.is_in(value, list)?),
            AstKind::Between { value, low, high, negated } => {
                not_if(*negated, self.between(value, low, high)?)
            }
            AstKind::Like { text, pattern, negated, ignore_case } => {
                not_if(*negated, self.like(text, pattern, *ignore_case)?)
            }
            AstKind::IsNull { value, negated } => {
                let value = self.value(value)?;
                not_if(*negated, expr(ExprKind::IsNull(Box::new(value.expr)), Type::Bool))
            }
            // With coalesce the operand stands there once, however often this is nested.
            AstKind::IsTruth { value, truth, negated } => {
                let value = self.condition(value)?;
                let otherwise = constant(Literal::Bool(!truth), Type::Bool);
                let known = ExprKind::Call(Function::Coalesce, vec![value, otherwise]);
                not_if(*truth == *negated, expr(known, Type::Bool))
            }
            AstKind::Call { function, arguments } => self.call(function, arguments)?,
            AstKind::Aggregate(call) => self.aggregate(call)?,
        };
        Some(Operand::Value(Value { expr: typed, span }))
    }

    /// Both operands, looked at before either is given up.
    fn two(&mut self, left: &Ast, right: &Ast) -> Option<(Operand, Operand)> {
        let left = self.operand(left);
        let right = self.operand(right);
        left.zip(right)
    }

    fn compare(&mut self, op: rule::CompareOp, left: &Ast, right: &Ast) -> Option<Expr> {
        let written = (left, right);
        let (left, right) = match self.two(left, right)? {
            (Operand::Value(left), Operand::Value(right)) => (left, right),
            (Operand::Interval(_, span), _) | (_, Operand::Interval(_, span)) => {
                self.stray_interval(span);
                return None;
            }
            (Operand::Null(span), _) | (_, Operand::Null(span)) => {
                let instead = match op {
                    rule::CompareOp::NotEqual => "IS NOT NULL",
                    _ => "IS NULL",
                };
                self.sink.push(
                    fault("a comparison with NULL is never true")
                        .at(span, "equals nothing, not even itself")
                        .help(format!("write {instead}")),
                );
                return None;
            }
        };
        let op = op_of(op);
        if right.expr.ty != Type::Bool && self.is_chain(written.0, op, written.1) {
            return None;
        }
        let span = left.span;
        let (mut sides, ty) = self.common(&[left, right], Joining::Compare)?;
        if ty == Type::Bool && !matches!(op, CompareOp::Equal | CompareOp::NotEqual) {
            self.no_order(span);
            return None;
        }
        let right = sides.pop()?;
        let left = sides.pop()?;
        Some(compared(op, left, right))
    }

    fn no_order(&mut self, span: Span) {
        self.sink.push(
            fault("TRUE and FALSE have no order")
                .at(span, "bool")
                .help("write `=` or `<>`, or NOT"),
        );
    }

    fn between(&mut self, value: &Ast, low: &Ast, high: &Ast) -> Option<Expr> {
        let typed: Vec<_> = [value, low, high].into_iter().map(|part| self.value(part)).collect();
        let typed: Option<Vec<_>> = typed.into_iter().collect();
        let (mut parts, ty) = self.common(&typed?, Joining::Compare)?;
        if ty == Type::Bool {
            self.no_order(value.span);
            return None;
        }
        let last = parts.pop()?;
        let first = parts.pop()?;
        let value = parts.pop()?;
        if self.is_empty_range((low, &first), (high, &last)) {
            return None;
        }
        let above = compared(CompareOp::GreaterEqual, value.clone(), first);
        let below = compared(CompareOp::LessEqual, value, last);
        Some(expr(ExprKind::And(vec![above, below]), Type::Bool))
    }

    fn is_in(&mut self, value: &Ast, list: &[Ast]) -> Option<Expr> {
        let span = value.span;
        let mut typed = vec![self.value(value)];
        let are_texts = self.are_texts_without_quotes(list);
        let mut has_null = false;
        for item in list {
            if item.kind == AstKind::Null {
                if !has_null {
                    self.sink.push(
                        fault("NULL in a list equals nothing")
                            .at(item.span, "never found")
                            .help("take it out of the list and add `OR x IS NULL`"),
                    );
                }
                has_null = true;
                typed.push(None);
            } else if are_texts && self.is_unknown(item) {
                typed.push(None);
            } else {
                typed.push(self.value(item));
            }
        }
        let typed: Option<Vec<_>> = typed.into_iter().collect();
        let (mut typed, ty) = self.common(&typed?, Joining::Compare)?;
        if ty == Type::Bool {
            self.sink.push(
                fault("IN takes no true or false")
                    .at(span, "bool")
                    .help("write x, NOT x or x IS NOT NULL"),
            );
            return None;
        }
        let list = typed.split_off(1);
        let value = typed.pop()?;
        Some(expr(ExprKind::In(Box::new(value), list), Type::Bool))
    }

    fn like(&mut self, text: &Ast, pattern: &Ast, ignore_case: bool) -> Option<Expr> {
        let text = self.value(text);
        let text = self.of_type(text, Type::Text, "LIKE");
        let AstKind::Text(pattern_text) = &pattern.kind else {
            self.sink.push(
                fault("the pattern of LIKE is a text constant")
                    .at(pattern.span, "not a text constant")
                    .help("such as LIKE 'begin%'"),
            );
            return None;
        };
        if pattern_text.chars().count() > LONGEST_PATTERN {
            self.sink.push(
                fault(format!("a pattern has at most {LONGEST_PATTERN} characters"))
                    .at(pattern.span, "too long"),
            );
            return None;
        }
        let trailing = pattern_text.bytes().rev().take_while(|b| *b == b'\\').count();
        if trailing % 2 == 1 {
            self.sink.push(
                fault("the pattern ends in a `\\` that escapes nothing")
                    .at(pattern.span, "one `\\` at its end")
                    .help("`\\\\` is one backslash"),
            );
            return None;
        }
        let kind =
            ExprKind::Like { text: Box::new(text?), pattern: pattern_text.clone(), ignore_case };
        Some(expr(kind, Type::Bool))
    }

    fn negate(&mut self, inner: &Ast) -> Option<Expr> {
        if let AstKind::Number(number) = &inner.kind {
            // With its sign, because the least int has no positive counterpart.
            return self.number(&format!("-{number}"), inner.span);
        }
        let value = self.value(inner)?;
        let value = self.as_number(value, "`-`")?;
        let ty = value.ty;
        let zero = if ty == Type::Int { Literal::Int(0) } else { Literal::Float(0.0) };
        let sides = (Box::new(constant(zero, ty)), Box::new(value));
        Some(expr(ExprKind::Arithmetic(ArithmeticOp::Subtract, sides.0, sides.1), ty))
    }

    fn arithmetic(
        &mut self,
        op: &Spanned<rule::ArithmeticOp>,
        left: &Ast,
        right: &Ast,
    ) -> Option<Expr> {
        use rule::ArithmeticOp as Op;
        let (left, right) = self.two(left, right)?;
        let (left, right) = match (left, right, op.value) {
            (Operand::Value(base), Operand::Interval(interval, span), Op::Add)
            | (Operand::Interval(interval, span), Operand::Value(base), Op::Add) => {
                return self.shift(base, 1, interval, span);
            }
            (Operand::Value(base), Operand::Interval(interval, span), Op::Subtract) => {
                return self.shift(base, -1, interval, span);
            }
            (Operand::Interval(_, span), _, _) | (_, Operand::Interval(_, span), _) => {
                self.stray_interval(span);
                return None;
            }
            (Operand::Null(span), _, _) | (_, Operand::Null(span), _) => {
                self.sink.push(
                    fault("a sum with NULL is NULL")
                        .at(span, "makes the whole null")
                        .help("replace nulls with coalesce"),
                );
                return None;
            }
            (Operand::Value(left), Operand::Value(right), _) => (left, right),
        };
        let is_date = |value: &Value| matches!(value.expr.ty, Type::Date | Type::Datetime);
        if is_date(&left) || is_date(&right) {
            let both = is_date(&left) && is_date(&right);
            let help = if both {
                "count days with days_since(x), or compare: a > b + INTERVAL '30' DAY"
            } else {
                "add an interval: x + INTERVAL '30' DAY"
            };
            self.sink.push(
                fault("dates are not numbers")
                    .at(op.span, "takes numbers")
                    .at(left.span, self.label(&left))
                    .at(right.span, self.label(&right))
                    .help(help),
            );
            return None;
        }
        let (op, sign) = match op.value {
            Op::Add => (ArithmeticOp::Add, "`+`"),
            Op::Subtract => (ArithmeticOp::Subtract, "`-`"),
            Op::Multiply => (ArithmeticOp::Multiply, "`*`"),
            Op::Divide => (ArithmeticOp::Divide, "`/`"),
        };
        let places = (left.span, right.span);
        let left = self.as_number(left, sign);
        let right = self.as_number(right, sign);
        let (left, right) = left.zip(right)?;
        if op == ArithmeticOp::Divide && self.is_always_null((&left, places.0), (&right, places.1))
        {
            return None;
        }
        let ints = left.ty == Type::Int && right.ty == Type::Int;
        let ty = if ints && op != ArithmeticOp::Divide { Type::Int } else { Type::Float };
        let sides = (Box::new(coerce::widen(left, ty)), Box::new(coerce::widen(right, ty)));
        Some(expr(ExprKind::Arithmetic(op, sides.0, sides.1), ty))
    }

    fn shift(&mut self, base: Value, sign: i8, interval: Interval, span: Span) -> Option<Expr> {
        match base.expr.ty {
            Type::Date if interval.micros != 0 => {
                self.sink.push(
                    fault("a date has no time of day")
                        .at(span, "has hours, minutes or seconds")
                        .at(base.span, self.label(&base))
                        .help("use days, weeks, months or years"),
                );
                None
            }
            ty @ (Type::Date | Type::Datetime) => {
                let base = Box::new(base.expr);
                Some(expr(ExprKind::Shift { base, sign, interval }, ty))
            }
            _ => {
                self.of_date(base, "an interval");
                None
            }
        }
    }

    fn call(&mut self, function: &Spanned<rule::Function>, arguments: &[Ast]) -> Option<Expr> {
        use rule::Function as F;
        let name = function.name();
        let (fewest, most, usage) = match function.value {
            F::Coalesce => (2, usize::MAX, "coalesce(x, y, ...)".to_owned()),
            F::Round => (1, 2, "round(x) or round(x, digits)".to_owned()),
            _ => (1, 1, format!("{name}(x)")),
        };
        if arguments.len() < fewest || arguments.len() > most {
            let plural = if arguments.len() == 1 { "" } else { "s" };
            self.sink.push(
                fault(format!("{name} does not take {} argument{plural}", arguments.len()))
                    .at(function.span, "wrong number of arguments")
                    .help(format!("write {usage}")),
            );
            return None;
        }
        if function.value == F::Coalesce {
            return self.coalesce(arguments);
        }
        let first = arguments.first()?;
        let value = self.value(first);
        let (function, argument, ty) = match function.value {
            F::Lower => (Function::Lower, self.of_type(value, Type::Text, name)?, Type::Text),
            F::Upper => (Function::Upper, self.of_type(value, Type::Text, name)?, Type::Text),
            F::Trim => (Function::Trim, self.of_type(value, Type::Text, name)?, Type::Text),
            F::Length => (Function::Length, self.of_type(value, Type::Text, name)?, Type::Int),
            F::Year => (Function::Year, self.of_date(value?, name)?, Type::Int),
            F::Month => (Function::Month, self.of_date(value?, name)?, Type::Int),
            F::Day => (Function::Day, self.of_date(value?, name)?, Type::Int),
            F::DaysSince => (Function::DaysSince, self.of_date(value?, name)?, Type::Int),
            F::Abs => {
                let number = self.as_number(value?, name)?;
                let ty = number.ty;
                (Function::Abs, number, ty)
            }
            F::Round => return self.round(value, arguments.get(1)),
            F::Coalesce => return None,
        };
        Some(expr(ExprKind::Call(function, vec![argument]), ty))
    }

    fn round(&mut self, value: Option<Value>, digits: Option<&Ast>) -> Option<Expr> {
        let number = value.and_then(|value| self.as_number(value, "round"));
        let digits = match digits {
            None => None,
            Some(ast) => match &ast.kind {
                AstKind::Number(text) if text.parse().is_ok_and(|digits: u8| digits <= 15) => {
                    Some(self.number(text, ast.span)?)
                }
                _ => {
                    self.sink.push(
                        fault("round takes 0 to 15 digits")
                            .at(ast.span, "not a whole number from 0 to 15"),
                    );
                    return None;
                }
            },
        };
        let mut arguments = vec![coerce::widen(number?, Type::Float)];
        arguments.extend(digits);
        Some(expr(ExprKind::Call(Function::Round, arguments), Type::Float))
    }

    fn coalesce(&mut self, arguments: &[Ast]) -> Option<Expr> {
        let mut good = true;
        let mut values = Vec::new();
        // Where a NULL stood; it takes the type of the others.
        let mut nulls = Vec::new();
        for (position, argument) in arguments.iter().enumerate() {
            if argument.kind == AstKind::Null {
                nulls.push(position);
                continue;
            }
            match self.value(argument) {
                Some(value) => values.push(value),
                None => good = false,
            }
        }
        if values.is_empty() && good {
            self.sink.push(
                fault("a coalesce of NULLs is NULL")
                    .at(arguments.first()?.span, "nothing but NULL")
                    .help("name a field"),
            );
        }
        if values.is_empty() || !good {
            return None;
        }
        let (mut typed, ty) = self.common(&values, Joining::Coalesce)?;
        for position in nulls {
            typed.insert(position, constant(Literal::Null, ty));
        }
        Some(expr(ExprKind::Call(Function::Coalesce, typed), ty))
    }
}

/// A comparison as a plan has it.
const fn op_of(op: rule::CompareOp) -> CompareOp {
    match op {
        rule::CompareOp::Equal => CompareOp::Equal,
        rule::CompareOp::NotEqual => CompareOp::NotEqual,
        rule::CompareOp::Less => CompareOp::Less,
        rule::CompareOp::LessEqual => CompareOp::LessEqual,
        rule::CompareOp::Greater => CompareOp::Greater,
        rule::CompareOp::GreaterEqual => CompareOp::GreaterEqual,
    }
}

fn compared(op: CompareOp, left: Expr, right: Expr) -> Expr {
    expr(ExprKind::Compare(op, Box::new(left), Box::new(right)), Type::Bool)
}
