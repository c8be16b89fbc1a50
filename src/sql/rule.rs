//! Segment rules in SQL, with the meaning that `plan::expr` gives them.
//!
//! Three-valued logic and comparison are the engine's own. Arithmetic is not: an int out of range and a
//! division by zero are null here. What changes or ignores case is said for ASCII alone; another
//! text ends the job.

use super::job::{Job, sql_type};
use super::text::{guard, literal, name};
use crate::plan::expr::{ArithmeticOp, Expr, ExprKind, Function, Interval, Literal, Type};
use crate::plan::{DAY, FieldId, PurposeId};

/// Names of what a rule speaks of.
pub struct Scope<'j> {
    /// The job, for names of fields.
    pub job: &'j Job<'j>,
    /// By purpose: the column that tells whether a profile would pass its gate.
    pub passes: &'j [String],
}

impl Scope<'_> {
    fn field(&self, field: FieldId) -> String {
        format!("j.{}", self.job.column("field", field))
    }

    fn passes(&self, purpose: PurposeId) -> String {
        format!("j.{}", name(&self.passes[purpose.0]))
    }

    /// A rule, or a part of one, in parentheses where it needs them.
    pub fn expr(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Field(field) => self.field(*field),
            ExprKind::Consent(purpose) => self.passes(*purpose),
            ExprKind::Literal(constant) => self::constant(constant, expr.ty),
            ExprKind::AsOf => "getvariable('as_of')".to_owned(),
            // The job is refused where a rule asks for rows of a related table.
            ExprKind::Aggregate(_) => constant(&Literal::Null, expr.ty),
            ExprKind::Cast(inner) => self.cast(inner, expr.ty),
            ExprKind::Compare(op, left, right) => {
                format!("({} {} {})", self.expr(left), op.sign(), self.expr(right))
            }
            ExprKind::And(all) => self.joined(all, " AND "),
            ExprKind::Or(all) => self.joined(all, " OR "),
            ExprKind::Not(inner) => format!("(NOT {})", self.expr(inner)),
            ExprKind::In(inner, listed) => {
                let listed: Vec<String> = listed.iter().map(|of| self.expr(of)).collect();
                format!("({} IN ({}))", self.expr(inner), listed.join(", "))
            }
            ExprKind::Like { text, pattern, ignore_case } => self.like(text, pattern, *ignore_case),
            ExprKind::IsNull(inner) => format!("({} IS NULL)", self.expr(inner)),
            ExprKind::Arithmetic(op, left, right) => self.arithmetic(*op, left, right, expr.ty),
            ExprKind::Shift { base, sign, interval } => self.shift(base, *sign, *interval, expr.ty),
            ExprKind::Call(function, arguments) => self.call(*function, arguments, expr.ty),
        }
    }

    fn joined(&self, all: &[Expr], by: &str) -> String {
        let all: Vec<String> = all.iter().map(|of| self.expr(of)).collect();
        format!("({})", all.join(by))
    }

    fn cast(&self, inner: &Expr, ty: Type) -> String {
        let value = self.expr(inner);
        match (inner.ty, ty) {
            (Type::Decimal(scale), _) => {
                // Fifteen digits of a decimal and its power of ten are exact floats, so their
                // quotient is the nearest one, however it is computed.
                let fault = guard("a rule computes with a decimal of more than 15 digits");
                let most = "9".repeat(usize::from(15_u8.saturating_sub(scale).max(1)));
                format!(
                    "CASE WHEN abs({value}) > {most} THEN error({fault}) ELSE CAST({value} AS DOUBLE) END"
                )
            }
            (_, ty) => format!("CAST({value} AS {})", sql_type(ty)),
        }
    }

    fn like(&self, text: &Expr, pattern: &str, ignore_case: bool) -> String {
        let text = self.expr(text);
        // Every `\` of a pattern escapes what follows; one at the end is itself.
        let mut escaped = String::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some(next @ ('%' | '_' | '\\')) => {
                        escaped.push('\\');
                        escaped.push(next);
                    }
                    Some(next) => escaped.push(next),
                    None => escaped.push_str("\\\\"),
                },
                other => escaped.push(other),
            }
        }
        if ignore_case {
            let pattern = literal(&escaped.to_ascii_lowercase());
            format!("(lower(optin_plain({text})) LIKE {pattern} ESCAPE '\\')")
        } else {
            format!("({text} LIKE {} ESCAPE '\\')", literal(&escaped))
        }
    }

    fn arithmetic(&self, op: ArithmeticOp, left: &Expr, right: &Expr, ty: Type) -> String {
        let (left, right) = (self.expr(left), self.expr(right));
        let sign = match op {
            ArithmeticOp::Add => '+',
            ArithmeticOp::Subtract => '-',
            ArithmeticOp::Multiply => '*',
            ArithmeticOp::Divide => '/',
        };
        match (op, ty) {
            (_, Type::Int) => {
                format!(
                    "TRY_CAST(CAST({left} AS HUGEINT) {sign} CAST({right} AS HUGEINT) AS BIGINT)"
                )
            }
            (ArithmeticOp::Divide, _) => {
                format!("optin_number(CASE WHEN {right} = 0 THEN NULL ELSE {left} / {right} END)")
            }
            _ => format!("optin_number({left} {sign} {right})"),
        }
    }

    fn shift(&self, base: &Expr, sign: i8, interval: Interval, ty: Type) -> String {
        let base = self.expr(base);
        let sign = i64::from(sign);
        let mut shifted = format!("CAST({base} AS TIMESTAMP)");
        if interval.months != 0 {
            shifted =
                format!("optin_plus_months({shifted}, {})", sign * i64::from(interval.months));
        }
        if interval.days != 0 {
            shifted =
                format!("optin_plus_hours({shifted}, {})", sign * i64::from(interval.days) * 24);
        }
        if interval.micros != 0 && ty != Type::Date {
            shifted = format!("optin_plus_micros({shifted}, {})", sign * interval.micros);
        }
        match ty {
            Type::Date => format!("CAST({shifted} AS DATE)"),
            _ => shifted,
        }
    }

    fn call(&self, function: Function, arguments: &[Expr], ty: Type) -> String {
        let all: Vec<String> = arguments.iter().map(|of| self.expr(of)).collect();
        let value = all.first().cloned().unwrap_or_else(|| "NULL".to_owned());
        match function {
            Function::Lower => format!("lower(optin_plain({value}))"),
            Function::Upper => format!("upper(optin_plain({value}))"),
            Function::Trim => format!("optin_strip({value})"),
            Function::Length => format!("CAST(length({value}) AS BIGINT)"),
            Function::Coalesce => format!("coalesce({})", all.join(", ")),
            Function::Abs if ty == Type::Int => {
                format!("TRY_CAST(abs(CAST({value} AS HUGEINT)) AS BIGINT)")
            }
            Function::Abs => format!("abs({value})"),
            Function::Round => {
                let digits = match arguments.get(1).map(|digits| &digits.kind) {
                    Some(ExprKind::Literal(Literal::Int(digits))) => *digits,
                    _ => 0,
                };
                if digits == 0 {
                    return format!("round({value})");
                }
                let scale = format!(
                    "CAST('1{}' AS DOUBLE)",
                    "0".repeat(usize::try_from(digits).unwrap_or(0))
                );
                format!("(round({value} * {scale}) / {scale})")
            }
            Function::Year => format!("year({value})"),
            Function::Month => format!("month({value})"),
            Function::Day => format!("day({value})"),
            Function::DaysSince => {
                format!("optin_days(CAST({value} AS DATE), CAST(getvariable('as_of') AS DATE))")
            }
        }
    }
}

fn constant(constant: &Literal, ty: Type) -> String {
    match constant {
        Literal::Null => format!("CAST(NULL AS {})", sql_type(ty)),
        Literal::Text(text) => literal(text),
        Literal::Bool(value) => value.to_string(),
        Literal::Int(number) => format!("CAST('{number}' AS BIGINT)"),
        Literal::Float(number) => format!("CAST('{number:?}' AS DOUBLE)"),
        Literal::Date(days) => {
            format!("CAST({} AS DATE)", instant(i64::from(*days).saturating_mul(DAY)))
        }
        Literal::Datetime(micros) => instant(*micros),
    }
}

/// An instant.
pub fn instant(micros: i64) -> String {
    format!("optin_instant({micros})")
}
