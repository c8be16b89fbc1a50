//! The tokens of a rule, their places, and every fault that tokens alone show.
//!
//! Nothing gets past this room that is not an operator, a name, a constant or a function of the
//! rule language, and nothing that is nested deeper than [`MAX_DEPTH`]. So the parser behind it sees
//! a small part of SQL only, and cannot exhaust the stack.

use std::collections::BTreeMap;
use std::ops::Range;

use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use super::habits::{self, Told};
use super::misread::{broken_token, open_parenthesis};
use super::{AggregateCall, Function, SpanMap, aggregate};
use crate::diagnostics::{Code, Diagnostic, Faults, Outcome, Span};

/// How many operators and parentheses may take each other's results. AND and OR do not count: their
/// chains are flat. Bounds the depth of the tree, and so every recursion over it.
pub const MAX_DEPTH: usize = 64;

/// How often the parser may call itself. It takes up to 90 KB of stack each time in a build without
/// optimization, and threads have 2 MB.
pub const MAX_RECURSION: usize = 16;

/// A rule that is nested too deep.
pub fn too_deep(span: Span) -> Diagnostic {
    syntax("the rule is nested too deep")
        .at(span, "too deep from here on")
        .help("take parentheses away, or split the segment and combine the parts with `intersect`")
}

/// The dialect: names are letters, digits and `_`; only `"` quotes them.
#[derive(Debug)]
pub struct RuleDialect;

impl Dialect for RuleDialect {
    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '"'
    }

    fn supports_national_string_literal(&self) -> bool {
        false
    }
}

/// The tokens of one rule, without blanks.
pub struct Lexed<'a> {
    /// The tokens, for the parser.
    pub tokens: Vec<TokenWithSpan>,
    /// Calls on related tables, by the token that stands for each.
    pub calls: BTreeMap<usize, AggregateCall>,
    /// True for a part of such a call.
    pub is_inside: bool,
    text: &'a str,
    map: &'a SpanMap,
    /// Where the text begins in that of the whole rule.
    offset: usize,
    /// For each token its first byte in the text, and one past its last.
    bytes: Vec<(usize, usize)>,
    /// For each token: true where it opens parentheses around a whole condition.
    groups: Vec<bool>,
}

/// A fault of form.
pub fn syntax(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::RuleSyntax, message)
}

/// A part of SQL that rules do not have.
pub fn unsupported(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code::RuleUnsupported, format!("{what} cannot stand in a rule"))
        .at(span, "not part of the rule language")
}

/// What rules are made of.
pub const ALLOWED: &str = "a rule has = <> < <= > >=, AND OR NOT, IN, BETWEEN, LIKE, IS NULL, + - * /, \
     fields, constants and the functions of the reference";

impl<'a> Lexed<'a> {
    /// Cuts `text` into tokens and looks at each.
    pub fn new(text: &'a str, map: &'a SpanMap) -> Outcome<Self> {
        Self::part(text, 0, map, false)
    }

    /// Cuts bytes of the text into tokens by themselves, as a part of a call.
    pub fn inside(&self, bytes: Range<usize>) -> Outcome<Lexed<'a>> {
        let offset = self.offset + bytes.start;
        Lexed::part(self.text.get(bytes).unwrap_or_default(), offset, self.map, true)
    }

    fn part(text: &'a str, offset: usize, map: &'a SpanMap, is_inside: bool) -> Outcome<Self> {
        let mut all = Vec::new();
        let cut = Tokenizer::new(&RuleDialect, text).tokenize_with_location_into_buf(&mut all);
        let mut finder = Finder::new(text);
        if cut.is_err() {
            // What cannot be cut begins behind the last token.
            let start = all.iter().map(|token| finder.find(token.span.end)).last().unwrap_or(0);
            return Err(broken_token(text, start, map).into());
        }
        let mut lexed = Self {
            tokens: Vec::new(),
            calls: BTreeMap::new(),
            is_inside,
            text,
            map,
            offset,
            bytes: Vec::new(),
            groups: Vec::new(),
        };
        let mut faults = Vec::new();
        for token in all {
            let start = finder.find(token.span.start);
            let end = finder.find(token.span.end);
            match &token.token {
                Token::Whitespace(
                    Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_),
                ) => faults.push(
                    // YAML joins lines, and then such a comment would swallow the next condition.
                    unsupported(map.span(start, end), "an SQL comment").help(
                        "write comments with `#` outside of the rule; `- -1` needs the blank",
                    ),
                ),
                Token::Whitespace(_) => {}
                _ => {
                    lexed.bytes.push((start, end));
                    lexed.tokens.push(token);
                }
            }
        }
        if faults.is_empty()
            && let Err(Faults(found)) = aggregate::cut(&mut lexed)
        {
            faults.extend(found);
        }
        let mut at = 0;
        while at < lexed.tokens.len() {
            let told = lexed.look_at(at);
            at = told.as_ref().map_or(0, |(_, end)| *end).max(at + 1);
            faults.extend(told.map(|(fault, _)| fault));
        }
        if faults.is_empty() {
            lexed.mark_names();
            match lexed.find_groups() {
                Ok(()) => faults.extend(lexed.measure_depth()),
                Err(Faults(found)) => faults.extend(found),
            }
        }
        if faults.is_empty() { Ok(lexed) } else { Err(Faults(faults)) }
    }

    /// The token at an index; none at the end.
    pub fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at).map(|token| &token.token)
    }

    /// Where the text stands in the pipeline file.
    pub const fn map(&self) -> &'a SpanMap {
        self.map
    }

    /// True where the token opens parentheses around a whole condition.
    pub fn opens_group(&self, at: usize) -> bool {
        self.groups.get(at).copied().unwrap_or(false)
    }

    /// The place of the tokens from `first` up to, not including, `end`; behind the last token the
    /// empty place at the end of the rule.
    pub fn span(&self, first: usize, end: usize) -> Span {
        let place = |start, end| self.map.span(self.offset + start, self.offset + end);
        let last = self.bytes.last().map_or(0, |(_, end)| *end);
        let Some((start, own_end)) = self.bytes.get(first) else { return place(last, last) };
        let end = end.checked_sub(1).and_then(|at| self.bytes.get(at)).map_or(*own_end, |b| b.1);
        place(*start, end.max(*own_end))
    }

    /// First byte of a token in the text, and one past its last.
    pub fn bytes(&self, at: usize) -> (usize, usize) {
        self.bytes.get(at).copied().unwrap_or_default()
    }

    /// Other tokens, with their bytes.
    pub fn replace(&mut self, tokens: Vec<TokenWithSpan>, bytes: Vec<(usize, usize)>) {
        (self.tokens, self.bytes) = (tokens, bytes);
    }

    /// True where a name stood in double quotes.
    pub fn is_quoted(&self, at: usize) -> bool {
        self.written(at).starts_with('"')
    }

    /// A token as it was written.
    pub fn written(&self, at: usize) -> &'a str {
        self.bytes.get(at).and_then(|(start, end)| self.text.get(*start..*end)).unwrap_or_default()
    }

    /// The tokens from `first` up to, not including, `end` as they were written, with what is between
    /// them.
    pub fn between(&self, first: usize, end: usize) -> &'a str {
        let last = end.checked_sub(1).filter(|last| *last >= first);
        let bytes = last.map(|last| self.bytes(first).0..self.bytes(last).1);
        bytes.and_then(|bytes| self.text.get(bytes)).unwrap_or_default()
    }

    /// The index of the token that begins at a place of the parser.
    pub fn index_at(&self, line: u64, column: u64) -> Option<usize> {
        let location = Location::new(line, column);
        self.tokens.iter().position(|token| token.span.start == location)
    }

    fn keyword(&self, at: usize) -> Option<Keyword> {
        match self.token(at) {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.keyword),
            _ => None,
        }
    }

    /// The fault of one token, if it has no place in a rule.
    fn look_at(&self, at: usize) -> Option<Told> {
        if let Some(told) = habits::fenced(self, at) {
            return Some(told);
        }
        let span = self.span(at, at + 1);
        let written = self.written(at);
        let next_is_paren = self.token(at + 1) == Some(&Token::LParen);
        let (what, help) = match self.token(at)? {
            Token::Word(word) => return self.look_at_word(word, at, next_is_paren),
            Token::Number(_, false)
            | Token::SingleQuotedString(_)
            | Token::Comma
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::LtEq
            | Token::Gt
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::LParen
            | Token::RParen
            | Token::Period => return None,
            Token::DoubleEq => ("`==`", habits::double_equals(self, at)),
            Token::RArrow => ("`=>`", "write `>=`"),
            Token::Overlap => ("`&&`", "write AND"),
            Token::StringConcat => ("`||`", "write OR; texts cannot be joined"),
            Token::ExclamationMark => ("`!`", "write NOT, or `<>` for not equal"),
            Token::SemiColon => ("`;`", "a rule is one condition and has no end mark"),
            Token::DoubleColon => ("a cast", habits::CAST),
            Token::HexStringLiteral(_) => ("a hexadecimal constant", "write a decimal number"),
            Token::Placeholder(_) | Token::Colon | Token::AtSign | Token::Question => {
                ("a placeholder", "write the value itself")
            }
            Token::Tilde | Token::TildeAsterisk | Token::ExclamationMarkTilde => {
                ("a regular expression", "LIKE takes `%` for any text and `_` for one character")
            }
            _ => {
                return Some((unsupported(span, &format!("`{written}`")).help(ALLOWED), at + 1));
            }
        };
        Some((unsupported(span, what).help(help), at + 1))
    }

    fn look_at_word(&self, word: &Word, at: usize, next_is_paren: bool) -> Option<Told> {
        use Keyword as K;
        let span = self.span(at, at + 1);
        let name = word.value.as_str();
        if word.quote_style.is_some() {
            return next_is_paren.then(|| {
                let fault = unsupported(span, &format!("a function `{name}`"));
                (fault.help("names of functions are not quoted"), at + 1)
            });
        }
        // These take whole clauses with them, so that they are refused wherever they stand.
        match word.keyword {
            K::CASE => {
                let fault = unsupported(span, "CASE").help(
                    "write the cases with AND and OR; a field of this name stands in double quotes",
                );
                return Some((fault, at + 1));
            }
            K::SELECT => return Some(habits::query(self, at)),
            _ => {}
        }
        let operator = is_operator(word.keyword);
        if operator && word.keyword != K::NOT && !self.is_operand_before(at) {
            // The parser would take the word for a name.
            let fault =
                syntax(format!("expected a field, a constant or a condition, found `{name}`"))
                    .at(span, "not expected here");
            return Some((fault, at + 1));
        }
        let qualified = at.checked_sub(1).and_then(|at| self.token(at)) == Some(&Token::Period);
        let is_open_call =
            |at: usize| !self.calls.contains_key(&at) && aggregate::begins_call(self, at);
        if at.checked_sub(2).is_some_and(is_open_call) {
            // It was not cut out because it is never closed, and that is told.
            return None;
        }
        let known = Function::from_name(name).is_some() && !qualified;
        (next_is_paren && !operator && !known).then(|| habits::call(self, at))
    }

    /// True where the token before can end an operand, or is the NOT of NOT IN.
    pub fn is_operand_before(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return false };
        match (self.token(before), self.keyword(before)) {
            (_, Some(Keyword::NOT)) => {
                !matches!(self.keyword(at), Some(Keyword::AND | Keyword::OR))
            }
            (_, Some(keyword)) => !is_operator(keyword),
            (Some(token), None) => matches!(
                token,
                Token::Word(_)
                    | Token::Number(..)
                    | Token::SingleQuotedString(_)
                    | Token::RParen
                    // The ends of what is refused by itself.
                    | Token::RBracket
                    | Token::RBrace
                    | Token::Char(_)
                    | Token::Placeholder(_)
                    | Token::Question
                    | Token::HexStringLiteral(_)
            ),
            (None, None) => false,
        }
    }

    /// Makes every word that can only be a name a quoted one, for the parser. To it a bare `interval`,
    /// `array` or `and` may begin something else, and what it does not reserve depends on its version.
    fn mark_names(&mut self) {
        use Keyword as K;
        for at in 0..self.tokens.len() {
            let before = at.checked_sub(1);
            let begins_operand = match before.and_then(|at| self.token(at)) {
                Some(Token::RParen | Token::Number(..) | Token::SingleQuotedString(_)) => false,
                Some(Token::Word(_)) => {
                    let before = before.and_then(|at| self.keyword(at));
                    before.is_some_and(is_operator)
                }
                None | Some(_) => true,
            };
            let ahead = |n: usize| at.checked_sub(n).and_then(|at| self.keyword(at));
            let after_is =
                ahead(1) == Some(K::IS) || (ahead(1) == Some(K::NOT) && ahead(2) == Some(K::IS));
            let begins_more = matches!(
                self.token(at + 1),
                Some(Token::LParen | Token::Number(..) | Token::SingleQuotedString(_))
            );
            if !begins_operand || after_is || begins_more {
                continue;
            }
            let Some(Token::Word(word)) = self.tokens.get_mut(at).map(|token| &mut token.token)
            else {
                continue;
            };
            let special = matches!(
                word.keyword,
                K::NULL
                    | K::TRUE
                    | K::FALSE
                    | K::CURRENT_DATE
                    | K::CURRENT_TIME
                    | K::CURRENT_TIMESTAMP
                    | K::LOCALTIME
                    | K::LOCALTIMESTAMP
            );
            if word.quote_style.is_none() && !special && !is_operator(word.keyword) {
                word.quote_style = Some('"');
                word.keyword = K::NoKeyword;
            }
        }
    }

    /// Pairs the parentheses and finds those that stand around a whole condition: what stands
    /// before and after them is AND, OR, NOT, another such parenthesis or an end of the rule.
    fn find_groups(&mut self) -> Outcome<()> {
        let mut partner = vec![None; self.tokens.len()];
        let mut open = Vec::new();
        for at in 0..self.tokens.len() {
            match self.token(at) {
                Some(Token::LParen) => open.push(at),
                Some(Token::RParen) => match open.pop() {
                    Some(start) => partner[start] = Some(at),
                    None => {
                        return Err(syntax("a `)` closes nothing")
                            .at(self.span(at, at + 1), "no `(` before it")
                            .into());
                    }
                },
                _ => {}
            }
        }
        if let Some(at) = open.last() {
            return Err(open_parenthesis(self, *at).into());
        }
        let mut groups = vec![false; self.tokens.len()];
        let mut between = Betweens::default();
        // Whether the parentheses around the token are a group, outermost first.
        let mut around = vec![true];
        let mut before = true;
        for at in 0..self.tokens.len() {
            let inside = around.last().copied().unwrap_or(true);
            let joins = between.step(self.token(at), self.keyword(at)) == Role::Joins;
            match (self.token(at), partner[at]) {
                (Some(Token::LParen), Some(close)) => {
                    let after = match self.token(close + 1) {
                        None | Some(Token::RParen) => true,
                        _ => matches!(self.keyword(close + 1), Some(Keyword::AND | Keyword::OR)),
                    };
                    groups[at] = inside && before && after;
                    around.push(groups[at]);
                    before = groups[at];
                }
                (Some(Token::RParen), _) => {
                    around.pop();
                    before = false;
                }
                _ => before = joins || (before && self.keyword(at) == Some(Keyword::NOT)),
            }
        }
        self.groups = groups;
        Ok(())
    }

    /// Refuses a rule of which the tree might be deeper than [`MAX_DEPTH`], judged from the tokens:
    /// an operator puts a level on what stands before it or after it, a parenthesis on what stands
    /// in it. Every keyword counts as an operator, so the judgement errs on the safe side.
    fn measure_depth(&self) -> Option<Diagnostic> {
        #[derive(Clone, Copy, Default)]
        struct Level {
            /// Deepest part that is complete.
            deepest: usize,
            /// Depth of the part that is being read.
            current: usize,
            /// True for parentheses around a whole condition.
            group: bool,
        }
        let mut levels = vec![Level { group: true, ..Level::default() }];
        let mut between = Betweens::default();
        for at in 0..self.tokens.len() {
            let role = between.step(self.token(at), self.keyword(at));
            let Some(level) = levels.last_mut() else { break };
            match self.token(at) {
                Some(Token::LParen) => {
                    levels.push(Level { group: self.opens_group(at), ..Level::default() });
                }
                Some(Token::RParen) => {
                    let inner = level.deepest.max(level.current) + 1;
                    levels.pop();
                    if let Some(outer) = levels.last_mut() {
                        outer.current += inner;
                    }
                }
                token if token == Some(&Token::Comma) || (role == Role::Joins && level.group) => {
                    level.deepest = level.deepest.max(level.current);
                    level.current = 0;
                    continue;
                }
                Some(Token::Number(..) | Token::SingleQuotedString(_)) => continue,
                Some(Token::Word(word))
                    if matches!(
                        word.keyword,
                        Keyword::NoKeyword | Keyword::NULL | Keyword::TRUE | Keyword::FALSE
                    ) =>
                {
                    continue;
                }
                _ => level.current += 1,
            }
            let depth: usize = levels.iter().map(|level| level.current + 1).sum();
            if depth > MAX_DEPTH {
                return Some(too_deep(self.span(at, at + 1)));
            }
        }
        None
    }
}

fn is_operator(keyword: Keyword) -> bool {
    use Keyword as K;
    matches!(keyword, K::AND | K::OR | K::NOT | K::IN | K::IS | K::LIKE | K::ILIKE | K::BETWEEN)
}

/// What a keyword does between conditions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// AND or OR between two conditions.
    Joins,
    /// Anything else, such as the AND of a BETWEEN.
    Other,
}

/// Tells the AND of a BETWEEN from others, parenthesis by parenthesis.
struct Betweens {
    open: Vec<usize>,
}

impl Default for Betweens {
    fn default() -> Self {
        Self { open: vec![0] }
    }
}

impl Betweens {
    fn step(&mut self, token: Option<&Token>, keyword: Option<Keyword>) -> Role {
        match token {
            Some(Token::LParen) => self.open.push(0),
            Some(Token::RParen) => {
                self.open.pop();
            }
            _ => {}
        }
        let Some(open) = self.open.last_mut() else { return Role::Other };
        match keyword {
            Some(Keyword::BETWEEN) => *open += 1,
            Some(Keyword::AND) if *open > 0 => *open -= 1,
            Some(Keyword::AND | Keyword::OR) => {
                *open = 0;
                return Role::Joins;
            }
            _ => {}
        }
        Role::Other
    }
}

/// Turns the tokenizer's lines and columns into bytes. Places must be asked for in order.
struct Finder<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
    column: u64,
}

impl<'a> Finder<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, byte: 0, line: 1, column: 1 }
    }

    fn find(&mut self, location: Location) -> usize {
        while (self.line, self.column) < (location.line, location.column) {
            let Some(c) = self.text[self.byte..].chars().next() else { break };
            self.byte += c.len_utf8();
            // As the tokenizer counts: only a line feed ends a line.
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.byte
    }
}
