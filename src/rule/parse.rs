//! From tokens to the tree.
//!
//! Conditions that AND, OR and NOT join are read here; each single condition is parsed by
//! `sqlparser` and then converted. The conversion takes the expression apart in the order in which
//! it was written and steps over the tokens as it goes, so that every node knows its place.

use sqlparser::ast::{
    BinaryOperator, DataType, DateTimeField, Expr, Function as Call, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, InTarget, Interval, TimezoneInfo, TypedString, UnaryOperator, Value,
};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::habits::{TODAY, dotted};
use super::lex::{ALLOWED, Lexed, MAX_RECURSION, RuleDialect, syntax, unsupported};
use super::misread::{left_over, misformed};
use super::{ArithmeticOp, Ast, AstKind, CompareOp, Function, IntervalPart, IntervalUnit, SpanMap};
use crate::diagnostics::{Diagnostic, Faults, Outcome, Span, Spanned};

/// Reads the text of a rule. `map` tells where the text stands in the pipeline file.
///
/// # Errors
///
/// Every part that rules do not have, and else the first fault of form.
pub fn parse(text: &str, map: &SpanMap) -> Outcome<Ast> {
    let lexed = Lexed::new(text, map)?;
    if lexed.tokens.is_empty() {
        return Err(syntax("the rule is empty")
            .at(map.span(0, text.len().max(1)), "no condition")
            .help("leave `where` out to take all who pass the gate")
            .into());
    }
    tree(&lexed)
}

/// The tree of tokens, of which there is at least one.
pub fn tree(lexed: &Lexed<'_>) -> Outcome<Ast> {
    let parser = Parser::new(&RuleDialect)
        .with_recursion_limit(MAX_RECURSION)
        .with_tokens_with_locations(lexed.tokens.clone());
    let mut reader = Reader { lexed, parser, unsupported: Vec::new() };
    let tree = reader.any_of();
    let rest = reader.parser.index();
    let Reader { unsupported: mut faults, .. } = reader;
    match tree {
        Err(fault) => faults.push(*fault),
        Ok(_) if lexed.token(rest).is_some() => faults.push(left_over(lexed, rest)),
        Ok(Some(tree)) if faults.is_empty() => return Ok(tree),
        Ok(_) => {}
    }
    Err(Faults(faults))
}

/// Boxed: the good way stays small.
type Converted<T = Ast> = Result<T, Box<Diagnostic>>;

/// Reads conditions. A part that rules do not have is noted and gives no node; a fault of form ends
/// the reading, since what follows could only be guessed.
struct Reader<'a> {
    lexed: &'a Lexed<'a>,
    parser: Parser<'a>,
    unsupported: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn any_of(&mut self) -> Converted<Option<Ast>> {
        self.chain(Keyword::OR, AstKind::Or, Self::all_of)
    }

    fn all_of(&mut self) -> Converted<Option<Ast>> {
        self.chain(Keyword::AND, AstKind::And, Self::one)
    }

    /// Conditions with one keyword between them, as a flat list.
    fn chain(
        &mut self,
        keyword: Keyword,
        join: fn(Vec<Ast>) -> AstKind,
        read: fn(&mut Self) -> Converted<Option<Ast>>,
    ) -> Converted<Option<Ast>> {
        let start = self.parser.index();
        let mut members = vec![read(self)?];
        while self.parser.parse_keyword(keyword) {
            members.push(read(self)?);
        }
        if members.len() == 1 {
            return Ok(members.pop().flatten());
        }
        let span = self.lexed.span(start, self.parser.index());
        let members: Option<Vec<_>> = members.into_iter().collect();
        Ok(members.map(|members| Ast { kind: join(members), span }))
    }

    /// `NOT` any number of times, then a group or a single condition.
    fn one(&mut self) -> Converted<Option<Ast>> {
        let start = self.parser.index();
        if self.parser.parse_keyword(Keyword::NOT) {
            let inner = self.one()?;
            let span = self.lexed.span(start, self.parser.index());
            return Ok(inner.map(|inner| Ast { kind: AstKind::Not(Box::new(inner)), span }));
        }
        if self.lexed.opens_group(start) {
            self.parser.advance_token();
            let inner = self.any_of()?;
            if !self.parser.consume_token(&Token::RParen) {
                return Err(Box::new(left_over(self.lexed, self.parser.index())));
            }
            let span = self.lexed.span(start, self.parser.index());
            return Ok(inner.map(|inner| Ast { span, ..inner }));
        }
        match self.parser.parse_subexpr(RuleDialect.prec_value(Precedence::And)) {
            Ok(expr) => {
                let mut walk = Walk { lexed: self.lexed, at: start };
                match walk.expr(expr) {
                    Ok(ast) => Ok(Some(ast)),
                    Err(fault) => {
                        self.unsupported.push(*fault);
                        Ok(None)
                    }
                }
            }
            Err(error) => Err(Box::new(misformed(self.lexed, &error, self.parser.index()))),
        }
    }
}

/// Steps over the tokens of one expression while it is taken apart.
struct Walk<'a> {
    lexed: &'a Lexed<'a>,
    at: usize,
}

impl Walk<'_> {
    fn expr(&mut self, expr: Expr) -> Converted {
        let start = self.at;
        let kind = match expr {
            Expr::Identifier(name) => self.field(name)?,
            Expr::CompoundIdentifier(names) => self.consent(&names)?,
            Expr::Value(value) => self.constant(value.value)?,
            Expr::Nested(inner) => {
                self.token(&Token::LParen)?;
                let inner = self.expr(*inner)?;
                self.token(&Token::RParen)?;
                inner.kind
            }
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Minus => {
                    self.token(&Token::Minus)?;
                    AstKind::Negate(self.boxed(*expr)?)
                }
                UnaryOperator::Not => {
                    self.word(Keyword::NOT)?;
                    AstKind::Not(self.boxed(*expr)?)
                }
                _ => return Err(self.refuse("this sign", ALLOWED)),
            },
            Expr::BinaryOp { left, op, right } => self.binary(*left, &op, *right)?,
            Expr::IsNull(value) => self.is_null(*value, false)?,
            Expr::IsNotNull(value) => self.is_null(*value, true)?,
            Expr::IsTrue(value) => self.is_truth(*value, true, false)?,
            Expr::IsNotTrue(value) => self.is_truth(*value, true, true)?,
            Expr::IsFalse(value) => self.is_truth(*value, false, false)?,
            Expr::IsNotFalse(value) => self.is_truth(*value, false, true)?,
            Expr::In { expr, target: InTarget::List(list), negated, global: false } => {
                self.is_in(*expr, list, negated)?
            }
            Expr::Between { expr, negated, low, high } => {
                let value = self.boxed(*expr)?;
                self.not(negated)?;
                self.word(Keyword::BETWEEN)?;
                let low = self.boxed(*low)?;
                self.word(Keyword::AND)?;
                AstKind::Between { value, low, high: self.boxed(*high)?, negated }
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(*expr, *pattern, escape_char.is_some(), negated, false)?
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(*expr, *pattern, escape_char.is_some(), negated, true)?
            }
            Expr::TypedString(literal) => self.typed(literal)?,
            Expr::Interval(interval) => self.interval(interval)?,
            Expr::Trim { expr, trim_where: None, trim_what: None, trim_characters: None } => {
                self.call(Function::Trim, vec![*expr])?
            }
            Expr::Function(call) => self.function(call)?,
            other => return Err(self.other(other)),
        };
        Ok(Ast { kind, span: self.lexed.span(start, self.at) })
    }

    fn boxed(&mut self, expr: Expr) -> Converted<Box<Ast>> {
        self.expr(expr).map(Box::new)
    }

    // Tokens. The tree tells which one comes next; if another one does, the tree was built from a
    // form that is not in the list, and is refused at that token.

    fn token(&mut self, token: &Token) -> Converted<Span> {
        if self.lexed.token(self.at) == Some(token) {
            self.at += 1;
            return Ok(self.lexed.span(self.at - 1, self.at));
        }
        Err(self.refuse("this form", ALLOWED))
    }

    fn word(&mut self, keyword: Keyword) -> Converted<()> {
        match self.lexed.token(self.at) {
            Some(Token::Word(word)) if word.quote_style.is_none() && word.keyword == keyword => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.refuse("this form", ALLOWED)),
        }
    }

    fn not(&mut self, negated: bool) -> Converted<()> {
        if negated { self.word(Keyword::NOT) } else { Ok(()) }
    }

    /// Steps over a name; tells its place.
    fn name(&mut self, name: &Ident) -> Converted<Span> {
        match self.lexed.token(self.at) {
            Some(Token::Word(word)) if word.value == name.value => {
                self.at += 1;
                Ok(self.lexed.span(self.at - 1, self.at))
            }
            _ => Err(self.refuse("this form", ALLOWED)),
        }
    }

    /// Refuses what stands at the current token.
    fn refuse(&self, what: &str, help: &str) -> Box<Diagnostic> {
        let at = self.at.min(self.lexed.tokens.len().saturating_sub(1));
        Box::new(unsupported(self.lexed.span(at, at + 1), what).help(help))
    }

    /// Refuses what stands after `left`.
    fn refuse_after(&mut self, left: Expr, what: &str, help: &str) -> Box<Diagnostic> {
        match self.expr(left) {
            Ok(_) => self.refuse(what, help),
            Err(fault) => fault,
        }
    }

    /// Forms of SQL that get this far and are not in the list.
    fn other(&mut self, expr: Expr) -> Box<Diagnostic> {
        const LIKE: &str = "LIKE takes `%` for any text and `_` for one character";
        match expr {
            Expr::SimilarTo { expr, .. } => self.refuse_after(*expr, "SIMILAR TO", LIKE),
            Expr::RLike { expr, .. } => self.refuse_after(*expr, "a regular expression", LIKE),
            Expr::Like { expr, .. } | Expr::ILike { expr, .. } => {
                self.refuse_after(*expr, "LIKE ANY", "join several LIKE with OR")
            }
            Expr::Collate { expr, .. } => {
                self.refuse_after(*expr, "COLLATE", "write lower(x) to compare without case")
            }
            Expr::AtTimeZone { timestamp, .. } => self.refuse_after(
                *timestamp,
                "AT TIME ZONE",
                "datetimes are UTC here; give the source a `timezone`",
            ),
            Expr::IsDistinctFrom(left, _) | Expr::IsNotDistinctFrom(left, _) => self.refuse_after(
                *left,
                "IS DISTINCT FROM",
                "write the nulls out: (a <> b OR a IS NULL)",
            ),
            Expr::IsUnknown(left) | Expr::IsNotUnknown(left) => {
                self.refuse_after(*left, "IS UNKNOWN", "write IS NULL")
            }
            Expr::Tuple(_) => self.refuse("a list of values", "a list stands after IN only"),
            Expr::Trim { .. } => self.refuse("this form of trim", "trim(x) takes one text"),
            Expr::CompoundFieldAccess { .. } => {
                self.refuse("this name", &dotted(self.lexed, self.at))
            }
            _ => self.refuse("this form", ALLOWED),
        }
    }

    // Nodes.

    fn field(&mut self, name: Ident) -> Converted<AstKind> {
        if let Some(call) = self.lexed.calls.get(&self.at) {
            self.at += 1;
            return Ok(AstKind::Aggregate(Box::new(call.clone())));
        }
        let quoted = self.lexed.is_quoted(self.at);
        self.name(&name)?;
        Ok(AstKind::Field { name: name.value, quoted })
    }

    fn consent(&mut self, names: &[Ident]) -> Converted<AstKind> {
        match names {
            [scope, purpose]
                if !self.lexed.is_quoted(self.at)
                    && scope.value.eq_ignore_ascii_case("consent") =>
            {
                self.name(scope)?;
                self.token(&Token::Period)?;
                let quoted = self.lexed.is_quoted(self.at);
                let span = self.name(purpose)?;
                let purpose = Spanned::new(purpose.value.clone(), span);
                Ok(AstKind::Consent { purpose, quoted })
            }
            _ => {
                let end = self.at + 2 * names.len().max(1) - 1;
                let span = self.lexed.span(self.at, end);
                Err(Box::new(unsupported(span, "this name").help(dotted(self.lexed, self.at))))
            }
        }
    }

    fn constant(&mut self, value: Value) -> Converted<AstKind> {
        let kind = match value {
            Value::SingleQuotedString(text) => AstKind::Text(text),
            Value::Number(number, false) => AstKind::Number(number),
            Value::Boolean(value) => AstKind::Bool(value),
            Value::Null => AstKind::Null,
            _ => return Err(self.refuse("this constant", ALLOWED)),
        };
        self.at += 1;
        Ok(kind)
    }

    fn binary(&mut self, left: Expr, op: &BinaryOperator, right: Expr) -> Converted<AstKind> {
        use BinaryOperator as Op;
        let left = self.boxed(left)?;
        let (token, op) = match op {
            Op::And | Op::Or => {
                let and = *op == Op::And;
                self.word(if and { Keyword::AND } else { Keyword::OR })?;
                let members = vec![*left, self.expr(right)?];
                return Ok(if and { AstKind::And(members) } else { AstKind::Or(members) });
            }
            Op::Eq => (Token::Eq, Operator::Compare(CompareOp::Equal)),
            Op::NotEq => (Token::Neq, Operator::Compare(CompareOp::NotEqual)),
            Op::Lt => (Token::Lt, Operator::Compare(CompareOp::Less)),
            Op::LtEq => (Token::LtEq, Operator::Compare(CompareOp::LessEqual)),
            Op::Gt => (Token::Gt, Operator::Compare(CompareOp::Greater)),
            Op::GtEq => (Token::GtEq, Operator::Compare(CompareOp::GreaterEqual)),
            Op::Plus => (Token::Plus, Operator::Arithmetic(ArithmeticOp::Add)),
            Op::Minus => (Token::Minus, Operator::Arithmetic(ArithmeticOp::Subtract)),
            Op::Multiply => (Token::Mul, Operator::Arithmetic(ArithmeticOp::Multiply)),
            Op::Divide => (Token::Div, Operator::Arithmetic(ArithmeticOp::Divide)),
            _ => return Err(self.refuse("this operator", ALLOWED)),
        };
        let span = self.token(&token)?;
        let right = self.boxed(right)?;
        Ok(match op {
            Operator::Compare(op) => AstKind::Compare { op: Spanned::new(op, span), left, right },
            Operator::Arithmetic(op) => {
                AstKind::Arithmetic { op: Spanned::new(op, span), left, right }
            }
        })
    }

    fn is_null(&mut self, value: Expr, negated: bool) -> Converted<AstKind> {
        let value = self.boxed(value)?;
        if self.word(Keyword::IS).is_err() {
            let help = if negated { "write IS NOT NULL" } else { "write IS NULL" };
            return Err(self.refuse("this form", help));
        }
        self.not(negated)?;
        self.word(Keyword::NULL)?;
        Ok(AstKind::IsNull { value, negated })
    }

    fn is_truth(&mut self, value: Expr, truth: bool, negated: bool) -> Converted<AstKind> {
        let value = self.boxed(value)?;
        self.word(Keyword::IS)?;
        self.not(negated)?;
        self.word(if truth { Keyword::TRUE } else { Keyword::FALSE })?;
        Ok(AstKind::IsTruth { value, truth, negated })
    }

    fn is_in(&mut self, value: Expr, list: Vec<Expr>, negated: bool) -> Converted<AstKind> {
        let value = self.boxed(value)?;
        self.not(negated)?;
        self.word(Keyword::IN)?;
        let list = self.list(list)?;
        Ok(AstKind::In { value, list, negated })
    }

    fn like(
        &mut self,
        text: Expr,
        pattern: Expr,
        escape: bool,
        negated: bool,
        ignore_case: bool,
    ) -> Converted<AstKind> {
        let text = self.boxed(text)?;
        self.not(negated)?;
        self.word(if ignore_case { Keyword::ILIKE } else { Keyword::LIKE })?;
        let pattern = self.boxed(pattern)?;
        if escape {
            return Err(self.refuse("ESCAPE", "`\\` escapes in a pattern: LIKE '100\\%'"));
        }
        Ok(AstKind::Like { text, pattern, negated, ignore_case })
    }

    /// `(a, b)`.
    fn list(&mut self, list: Vec<Expr>) -> Converted<Vec<Ast>> {
        self.token(&Token::LParen)?;
        let mut items = Vec::with_capacity(list.len());
        for (position, item) in list.into_iter().enumerate() {
            if position > 0 {
                self.token(&Token::Comma)?;
            }
            items.push(self.expr(item)?);
        }
        self.token(&Token::RParen)?;
        Ok(items)
    }

    fn call(&mut self, function: Function, arguments: Vec<Expr>) -> Converted<AstKind> {
        let span = self.lexed.span(self.at, self.at + 1);
        self.at += 1;
        let arguments = self.list(arguments)?;
        Ok(AstKind::Call { function: Spanned::new(function, span), arguments })
    }

    fn function(&mut self, call: Call) -> Converted<AstKind> {
        let name = call.name.to_string();
        let Some(function) = Function::from_name(&name) else {
            let help =
                if name.to_ascii_lowercase().starts_with("current_") { TODAY } else { ALLOWED };
            return Err(self.refuse(&format!("`{name}`"), help));
        };
        let plain = call.filter.is_none()
            && call.over.is_none()
            && call.null_treatment.is_none()
            && call.within_group.is_empty()
            && matches!(call.parameters, FunctionArguments::None);
        let FunctionArguments::List(list) = call.args else {
            return Err(self.refuse("this form", ALLOWED));
        };
        if !plain || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return Err(self.refuse("this form of a function", "write function(x)"));
        }
        let mut arguments = Vec::with_capacity(list.args.len());
        for argument in list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
                FunctionArg::Unnamed(_) => {
                    return Err(self.refuse("`*` as an argument", "name the field"));
                }
                _ => return Err(self.refuse("a named argument", "write function(x)")),
            }
        }
        self.call(function, arguments)
    }

    fn typed(&mut self, literal: TypedString) -> Converted<AstKind> {
        let build: fn(Spanned<String>) -> AstKind = match literal.data_type {
            DataType::Date => AstKind::Date,
            DataType::Timestamp(None, TimezoneInfo::None) => AstKind::Timestamp,
            _ => {
                return Err(self.refuse(
                    "this constant",
                    "typed constants: DATE 'YYYY-MM-DD', TIMESTAMP 'YYYY-MM-DD hh:mm:ss'",
                ));
            }
        };
        let (Value::SingleQuotedString(text), false) =
            (literal.value.value, literal.uses_odbc_syntax)
        else {
            return Err(self.refuse("this constant", "the date stands in single quotes"));
        };
        self.at += 1;
        self.at += 1;
        Ok(build(Spanned::new(text, self.lexed.span(self.at - 1, self.at))))
    }

    fn interval(&mut self, interval: Interval) -> Converted<AstKind> {
        self.word(Keyword::INTERVAL)?;
        let text = match *interval.value {
            Expr::Value(value) => match value.value {
                Value::SingleQuotedString(text) | Value::Number(text, false) => text,
                _ => return Err(self.refuse("this interval", INTERVAL)),
            },
            _ => return Err(self.refuse("this interval", INTERVAL)),
        };
        let span = self.lexed.span(self.at, self.at + 1);
        self.at += 1;
        let Some(field) = interval.leading_field else {
            let parts = interval_parts(&text);
            return parts.map(AstKind::Interval).ok_or_else(|| bad_interval(span));
        };
        let Some(unit) = unit(&field) else {
            return Err(self.refuse("this unit", UNITS));
        };
        let count = text.trim().parse().map_err(|_| bad_interval(span))?;
        self.at += 1;
        if interval.last_field.is_some()
            || interval.leading_precision.is_some()
            || interval.fractional_seconds_precision.is_some()
        {
            return Err(self.refuse("this form of an interval", INTERVAL));
        }
        Ok(AstKind::Interval(vec![IntervalPart { count, unit }]))
    }
}

enum Operator {
    Compare(CompareOp),
    Arithmetic(ArithmeticOp),
}

const INTERVAL: &str = "such as INTERVAL '3' MONTH or INTERVAL '1 year 6 months'";
const UNITS: &str = "units: year month week day hour minute second";

fn bad_interval(span: Span) -> Box<Diagnostic> {
    Box::new(
        syntax("an interval is whole numbers with their units")
            .at(span, "cannot be read")
            .help(INTERVAL),
    )
}

fn unit(field: &DateTimeField) -> Option<IntervalUnit> {
    match field {
        DateTimeField::Week(Some(_)) => None,
        field => IntervalUnit::from_name(&field.to_string()),
    }
}

/// Reads `3 months` and `1 year 6 months`.
fn interval_parts(text: &str) -> Option<Vec<IntervalPart>> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (pairs, rest) = words.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[count, unit]| {
            let unit = IntervalUnit::from_name(unit)?;
            Some(IntervalPart { count: count.parse().ok()?, unit })
        })
        .collect()
}
