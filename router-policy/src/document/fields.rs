//! The fields of one mapping. Its invariant: what nobody takes is reported by name.

use super::Located;
use super::node::{Node, Value};
use super::values::{text, wrong};
use crate::diagnostics::{Reporter, Span, shortened};

/// The fields of one mapping.
pub(super) struct Fields<'n> {
    what: &'static str,
    pub(super) span: Span,
    left: Vec<&'n (Located, Node)>,
}

impl<'n> Fields<'n> {
    pub(super) fn of(
        node: &'n Node,
        what: &'static str,
        report: &mut Reporter<'_>,
    ) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            wrong(node, &format!("{what}, a mapping,"), report);
            return None;
        };
        // The first key names the place better than a span over the whole mapping.
        let span = entries.first().map_or(node.span, |(key, _)| key.span);
        Some(Self {
            what,
            span,
            left: entries.iter().collect(),
        })
    }

    pub(super) fn take(&mut self, name: &str) -> Option<&'n Node> {
        let at = self.left.iter().position(|(key, _)| key.text == name)?;
        Some(&self.left.swap_remove(at).1)
    }

    pub(super) fn required(&mut self, name: &str, report: &mut Reporter<'_>) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            report.error(self.span, format!("{} has no `{name}`", self.what));
        }
        found
    }

    pub(super) fn expect_text(&mut self, name: &str, expected: &str, report: &mut Reporter<'_>) {
        let Some(node) = self.required(name, report) else {
            return;
        };
        if let Some(located) = text(node, expected, report)
            && located.text != expected
        {
            report.error(
                located.span,
                format!(
                    "`{}` is not understood, expected `{expected}`",
                    shortened(&located.text)
                ),
            );
        }
    }

    /// Every field that nobody took.
    pub(super) fn rest(&mut self) -> Vec<&'n (Located, Node)> {
        std::mem::take(&mut self.left)
    }

    /// Reports what is left; `true` when nothing was.
    pub(super) fn finish(&self, known: &[&str], report: &mut Reporter<'_>) -> bool {
        for (key, _) in &self.left {
            report.unknown(
                key.span,
                &format!("field in {}", self.what),
                &key.text,
                known.iter().copied(),
            );
        }
        self.left.is_empty()
    }
}
