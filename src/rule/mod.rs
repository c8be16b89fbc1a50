//! The text of a segment rule as a syntax tree.
//!
//! In comes the text of a `where:` and where it stands in the pipeline file ([`SpanMap`]); out goes
//! an [`Ast`] in which every node knows its place, or every fault that the text alone shows. Names
//! are not looked up and nothing has a type here: that is `resolve`'s work.
//!
//! The grammar of expressions is that of `sqlparser`. What a rule may hold is a list, and all else
//! is refused by name: first by its tokens (`lex`), then by the shape of the parsed expression
//! (`parse`). `sqlparser` does not give every node a place, so places come from the tokens, which
//! are walked once along the tree. AND, OR, NOT and the parentheses around them are read here
//! and not by `sqlparser`, so that a chain of thousands of conditions is a flat list.

mod aggregate;
mod ast;
mod habits;
mod lex;
mod misread;
mod parse;
mod span_map;

pub use ast::{
    AggregateCall, AggregateFunction, ArithmeticOp, Ast, AstKind, CompareOp, Function,
    IntervalPart, IntervalUnit,
};
pub use parse::parse;
pub use span_map::SpanMap;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_habits;
