//! The type checker: expressions of the parser to typed ones of ours.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, operators};
use regex::RegexBuilder;

use crate::diagnostics::{Reporter, Span, shortened};
use crate::facts::{FIELDS, RENAMED, Read, field_at};
use crate::program::{Bool, Comparison, Fact, List, Matching, Number, Text};

/// Most memory that one regular expression may take.
const MAX_REGEX_BYTES: usize = 256 << 10;

/// An expression of any type.
enum Typed {
    Bool(Bool),
    Number(Number),
    Text(Text),
    List(List),
}

impl Typed {
    fn into_list(self) -> Result<List, Self> {
        if let Self::List(list) = self {
            Ok(list)
        } else {
            Err(self)
        }
    }

    fn into_bool(self) -> Result<Bool, Self> {
        if let Self::Bool(condition) = self {
            Ok(condition)
        } else {
            Err(self)
        }
    }

    fn into_literal_text(self) -> Result<std::sync::Arc<str>, Self> {
        if let Self::Text(Text::Const(text)) = self {
            Ok(text)
        } else {
            Err(self)
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Number(Number::Double(_) | Number::DoubleFact(_)) => "double",
            Self::Number(_) => "int",
            Self::Text(_) => "string",
            Self::List(_) => "list(string)",
        }
    }
}

/// Checks one condition.
pub(super) struct Checker<'r, 's, P> {
    report: &'r mut Reporter<'s>,
    place: P,
    /// Names of the elements of the lists around, the outermost first.
    scope: Vec<String>,
}

impl<'r, 's, P: Fn(u64) -> Span> Checker<'r, 's, P> {
    pub(super) fn new(report: &'r mut Reporter<'s>, place: P) -> Self {
        Self {
            report,
            place,
            scope: Vec::new(),
        }
    }

    /// The expression as a condition.
    pub(super) fn condition(&mut self, expr: &IdedExpr) -> Option<Bool> {
        match self.typed(expr)?.into_bool() {
            Ok(condition) => Some(condition),
            Err(other) => self.refuse(
                expr,
                format!(
                    "a condition is true or false, this is of type {}",
                    other.kind()
                ),
            ),
        }
    }

    fn typed(&mut self, expr: &IdedExpr) -> Option<Typed> {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(name) => self.name(expr, name),
            Expr::Select(select) if select.test => {
                self.refuse(expr, "has() is not needed: every fact is always there")
            }
            Expr::Select(_) => self.select(expr),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => self.list(expr, &list.elements),
            Expr::Comprehension(comprehension) => self.comprehension(expr, comprehension),
            Expr::Map(_) => self.refuse(expr, "maps are not supported in conditions"),
            Expr::Struct(_) => self.refuse(expr, "messages are not supported in conditions"),
            Expr::Unspecified => self.refuse(expr, "an expression is missing"),
        }
    }

    fn literal(&mut self, expr: &IdedExpr, literal: &LiteralValue) -> Option<Typed> {
        match literal {
            LiteralValue::Boolean(value) => Some(Typed::Bool(Bool::Const(*value.inner()))),
            LiteralValue::Int(value) => Some(Typed::Number(Number::Int(*value.inner()))),
            LiteralValue::Double(value) => Some(Typed::Number(Number::Double(*value.inner()))),
            LiteralValue::String(value) => Some(Typed::Text(Text::Const(value.inner().into()))),
            LiteralValue::UInt(_) => self.refuse(
                expr,
                "unsigned numbers are not supported: leave the `u` out",
            ),
            LiteralValue::Bytes(_) => self.refuse(expr, "bytes are not supported in conditions"),
            LiteralValue::Null => {
                self.refuse(expr, "null is not supported: every fact is always there")
            }
        }
    }

    fn name(&mut self, expr: &IdedExpr, name: &str) -> Option<Typed> {
        if let Some(depth) = self.scope.iter().rposition(|known| known == name) {
            return Some(Typed::Text(Text::Element(depth)));
        }
        let span = self.span(expr);
        let mut roots: Vec<&str> = FIELDS
            .iter()
            .filter_map(|field| field.path.split('.').next())
            .collect();
        roots.dedup();
        if roots.contains(&name) {
            return self.refuse(
                expr,
                format!(
                    "`{name}` is a group of facts, expected one of them, such as `{}`",
                    first_of(name)
                ),
            );
        }
        let known = roots
            .into_iter()
            .chain(self.scope.iter().map(String::as_str));
        self.report.unknown(span, "name", name, known);
        None
    }

    fn select(&mut self, expr: &IdedExpr) -> Option<Typed> {
        let Some(path) = path(expr) else {
            return self.refuse(expr, "fields can be selected from facts only");
        };
        let span = self.span(expr);
        let renamed = RENAMED.iter().find(|(before, _)| *before == path);
        if let Some((before, now)) = renamed {
            let message = format!("`{before}` is the deprecated name of a fact");
            self.report
                .warn(span, message, format!("it is called `{now}` now"));
        }
        let known = renamed.map_or(path.as_str(), |(_, now)| now);
        let Some(field) = field_at(known) else {
            self.report
                .unknown(span, "fact", &path, FIELDS.iter().map(|field| field.path));
            return None;
        };
        Some(match field.read {
            Read::Bool(read) => Typed::Bool(Bool::Fact(Fact { field, read })),
            Read::Int(read) => Typed::Number(Number::IntFact(Fact { field, read })),
            Read::Double(read) => Typed::Number(Number::DoubleFact(Fact { field, read })),
            Read::Text(read) => Typed::Text(Text::Fact(Fact { field, read })),
            Read::Texts(read) => Typed::List(List::Fact(Fact { field, read })),
        })
    }

    fn list(&mut self, expr: &IdedExpr, elements: &[IdedExpr]) -> Option<Typed> {
        let mut texts = Vec::with_capacity(elements.len());
        for element in elements {
            match self.typed(element)?.into_literal_text() {
                Ok(text) => texts.push(text),
                Err(other) => {
                    return self.refuse(
                        expr,
                        format!(
                            "a list here holds string literals, found a {}",
                            other.kind()
                        ),
                    );
                }
            }
        }
        Some(Typed::List(List::Const(texts.into())))
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let condition = match (
            call.func_name.as_str(),
            call.target.as_deref(),
            call.args.as_slice(),
        ) {
            (operators::LOGICAL_AND, None, [a, b]) => {
                Bool::And(self.parts(operators::LOGICAL_AND, a, b)?)
            }
            (operators::LOGICAL_OR, None, [a, b]) => {
                Bool::Or(self.parts(operators::LOGICAL_OR, a, b)?)
            }
            (operators::LOGICAL_NOT, None, [a]) => Bool::Not(Box::new(self.condition(a)?)),
            (operators::CONDITIONAL, None, [test, yes, no]) => {
                let (test, yes, no) = (
                    self.condition(test),
                    self.condition(yes),
                    self.condition(no),
                );
                let (test, yes, no) = (test?, yes?, no?);
                let otherwise = Bool::And(vec![Bool::Not(Box::new(test.clone())), no]);
                Bool::Or(vec![Bool::And(vec![test, yes]), otherwise])
            }
            (operators::NEGATE, None, [a]) => return self.negated(expr, a),
            (operators::IN, None, [element, list]) => self.membership(expr, element, list)?,
            ("startsWith", Some(text), [part]) => {
                self.matching(expr, Matching::StartsWith, text, part)?
            }
            ("endsWith", Some(text), [part]) => {
                self.matching(expr, Matching::EndsWith, text, part)?
            }
            ("contains", Some(text), [part]) => {
                self.matching(expr, Matching::Contains, text, part)?
            }
            ("matches", Some(text), [pattern]) | ("matches", None, [text, pattern]) => {
                self.expression(text, pattern)?
            }
            ("size", None, [of]) | ("size", Some(of), []) => return self.size(expr, of),
            (name, None, [a, b]) => match comparison(name) {
                Some(how) => self.compare(expr, how, a, b)?,
                None => return self.unsupported(expr, name),
            },
            (name, _, _) => return self.unsupported(expr, name),
        };
        Some(Typed::Bool(condition))
    }

    /// Both sides of `&&` or `||`, with chains of the same operator laid flat.
    fn parts(&mut self, operator: &str, a: &IdedExpr, b: &IdedExpr) -> Option<Vec<Bool>> {
        let mut parts = Vec::new();
        let mut sound = true;
        for side in [a, b] {
            match (operator, self.condition(side)) {
                (operators::LOGICAL_AND, Some(Bool::And(inner))) => parts.extend(inner),
                (operators::LOGICAL_OR, Some(Bool::Or(inner))) => parts.extend(inner),
                (_, Some(part)) => parts.push(part),
                (_, None) => sound = false,
            }
        }
        sound.then_some(parts)
    }

    fn negated(&mut self, expr: &IdedExpr, of: &IdedExpr) -> Option<Typed> {
        match self.typed(of)? {
            Typed::Number(Number::Int(value)) => {
                Some(Typed::Number(Number::Int(value.checked_neg()?)))
            }
            Typed::Number(Number::Double(value)) => Some(Typed::Number(Number::Double(-value))),
            Typed::Bool(_) | Typed::Number(_) | Typed::Text(_) | Typed::List(_) => {
                self.refuse(expr, "only a literal number can be negated")
            }
        }
    }

    fn membership(&mut self, expr: &IdedExpr, element: &IdedExpr, list: &IdedExpr) -> Option<Bool> {
        match (self.typed(element), self.typed(list)) {
            (Some(Typed::Text(text)), Some(Typed::List(list))) => Some(Bool::In(text, list)),
            (Some(element), Some(list)) => self.refuse(
                expr,
                format!(
                    "`in` looks for a string in a list of strings, found {} in {}",
                    element.kind(),
                    list.kind()
                ),
            ),
            (_, None) | (None, _) => None,
        }
    }

    fn matching(
        &mut self,
        expr: &IdedExpr,
        how: Matching,
        text: &IdedExpr,
        part: &IdedExpr,
    ) -> Option<Bool> {
        match (self.typed(text), self.typed(part)) {
            (Some(Typed::Text(text)), Some(Typed::Text(part))) => {
                Some(Bool::Match(how, text, part))
            }
            (Some(text), Some(part)) => self.refuse(
                expr,
                format!(
                    "this function is of a string and takes a string, found {} and {}",
                    text.kind(),
                    part.kind()
                ),
            ),
            (_, None) | (None, _) => None,
        }
    }

    /// A regular expression. It is compiled here, within a bound, and matches in time that grows with
    /// the text alone.
    fn expression(&mut self, text: &IdedExpr, pattern: &IdedExpr) -> Option<Bool> {
        let (subject, literal) = (self.typed(text), self.typed(pattern));
        let Typed::Text(subject) = subject? else {
            return self.refuse(text, "matches() is of a string");
        };
        let Ok(literal) = literal?.into_literal_text() else {
            return self.refuse(pattern, "matches() takes an expression that is written out");
        };
        let built = RegexBuilder::new(&literal)
            .size_limit(MAX_REGEX_BYTES)
            .nest_limit(32)
            .build();
        match built {
            Ok(expression) => Some(Bool::Matches(subject, expression)),
            Err(regex::Error::CompiledTooBig(_)) => self.refuse(
                pattern,
                "this regular expression needs too much memory: write it shorter",
            ),
            Err(_) => self.refuse(pattern, "not a regular expression that is understood here"),
        }
    }

    fn size(&mut self, expr: &IdedExpr, of: &IdedExpr) -> Option<Typed> {
        match self.typed(of)? {
            Typed::List(list) => Some(Typed::Number(Number::ListSize(list))),
            Typed::Text(text) => Some(Typed::Number(Number::TextSize(text))),
            other @ (Typed::Bool(_) | Typed::Number(_)) => self.refuse(
                expr,
                format!("size() is of a list or a string, found {}", other.kind()),
            ),
        }
    }

    fn compare(
        &mut self,
        expr: &IdedExpr,
        how: Comparison,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> Option<Bool> {
        let (a, b) = (self.typed(a), self.typed(b));
        match (a?, b?, how) {
            (Typed::Number(a), Typed::Number(b), _) => Some(Bool::Numbers(how, a, b)),
            (Typed::Text(a), Typed::Text(b), _) => Some(Bool::Texts(how, a, b)),
            (Typed::Bool(a), Typed::Bool(b), Comparison::Equal) => {
                Some(Bool::Same(Box::new(a), Box::new(b)))
            }
            (Typed::Bool(a), Typed::Bool(b), Comparison::NotEqual) => {
                Some(Bool::Not(Box::new(Bool::Same(Box::new(a), Box::new(b)))))
            }
            (a, b, _) => self.refuse(
                expr,
                format!(
                    "{} cannot be compared with {} like this",
                    a.kind(),
                    b.kind()
                ),
            ),
        }
    }

    /// `exists` and `all`, which the parser has expanded into folds.
    fn comprehension(&mut self, expr: &IdedExpr, fold: &ComprehensionExpr) -> Option<Typed> {
        let Some((exists, body)) = quantifier(fold) else {
            return self.refuse(
                expr,
                "of the functions over lists, `exists` and `all` are supported",
            );
        };
        let list = match self.typed(&fold.iter_range)?.into_list() {
            Ok(list) => list,
            Err(other) => {
                return self.refuse(
                    expr,
                    format!("`exists` and `all` are of a list, found {}", other.kind()),
                );
            }
        };
        self.scope.push(fold.iter_var.clone());
        let body = self.condition(body);
        self.scope.pop();
        let body = Box::new(body?);
        Some(Typed::Bool(if exists {
            Bool::Exists(list, body)
        } else {
            Bool::All(list, body)
        }))
    }

    fn unsupported(&mut self, expr: &IdedExpr, name: &str) -> Option<Typed> {
        const KNOWN: [&str; 7] = [
            "matches",
            "startsWith",
            "endsWith",
            "contains",
            "size",
            "exists",
            "all",
        ];
        if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with('_') {
            let span = self.span(expr);
            self.report
                .unknown(span, "function", name, KNOWN.into_iter());
            return None;
        }
        let operator = name.trim_matches(|c| c == '_' || c == '@');
        self.refuse(
            expr,
            format!(
                "the operator `{}` is not supported in conditions",
                shortened(operator)
            ),
        )
    }

    /// Where an expression stands. The parser places a selection at its dot; people look for all of it.
    fn span(&self, expr: &IdedExpr) -> Span {
        let span = (self.place)(expr.id);
        let mut root = expr;
        while let Expr::Select(select) = &root.expr {
            root = &select.operand;
        }
        match path(expr) {
            Some(path) => {
                let start = (self.place)(root.id).start;
                Span {
                    start,
                    end: start + path.len(),
                }
            }
            None => span,
        }
    }

    fn refuse<T>(&mut self, expr: &IdedExpr, message: impl Into<String>) -> Option<T> {
        let span = self.span(expr);
        self.report.error(span, message);
        None
    }
}

fn comparison(operator: &str) -> Option<Comparison> {
    Some(match operator {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// Which of the two a fold is (`true` for `exists`), and what it asks of each element.
fn quantifier(fold: &ComprehensionExpr) -> Option<(bool, &IdedExpr)> {
    let Expr::Literal(LiteralValue::Boolean(start)) = &fold.accu_init.expr else {
        return None;
    };
    let Expr::Call(step) = &fold.loop_step.expr else {
        return None;
    };
    let exists = match (step.func_name.as_str(), *start.inner()) {
        (operators::LOGICAL_OR, false) => true,
        (operators::LOGICAL_AND, true) => false,
        _ => return None,
    };
    let one_variable = fold.iter_var2.is_none();
    match step.args.as_slice() {
        [
            IdedExpr {
                expr: Expr::Ident(accumulator),
                ..
            },
            body,
        ] if one_variable && *accumulator == fold.accu_var => Some((exists, body)),
        _ => None,
    }
}

/// `a.b.c` as text.
fn path(expr: &IdedExpr) -> Option<String> {
    if let Expr::Ident(name) = &expr.expr {
        return Some(name.clone());
    }
    let Expr::Select(select) = &expr.expr else {
        return None;
    };
    let operand = path(&select.operand)?;
    (!select.test).then(|| format!("{operand}.{}", select.field))
}

fn first_of(group: &str) -> &'static str {
    FIELDS
        .iter()
        .map(|field| field.path)
        .find(|path| path.split('.').next() == Some(group))
        .unwrap_or_default()
}
