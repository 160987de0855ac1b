//! YAML as a tree with places, within hard bounds: no anchors, aliases or tags.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::Located;
use crate::diagnostics::{Reporter, Span};

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Value {
    Scalar { text: Located, plain: bool },
    Sequence(Vec<Node>),
    Mapping(Vec<(Located, Node)>),
}

impl Value {
    /// What it is, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Scalar { .. } => "a scalar",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

/// Largest document, in bytes.
const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most documents in one source.
const MAX_DOCUMENTS: usize = 100;
/// Most values.
const MAX_NODES: usize = 100_000;

/// Reads the documents in `source`; what is wrong goes to `report`. `None` when it could not be read
/// to its end.
pub(crate) fn parse(source: &str, report: &mut Reporter<'_>) -> Option<Vec<Node>> {
    if source.len() > MAX_BYTES {
        let message = format!(
            "the document has {} bytes, at most {MAX_BYTES} are read",
            source.len()
        );
        report.error(Span { start: 0, end: 0 }, message);
        return None;
    }
    let mut builder = Builder {
        offsets: Offsets::new(source),
        open: Vec::new(),
        roots: Vec::new(),
        nodes: 0,
    };
    for event in Parser::new_from_str(source) {
        let stop = match event {
            Ok((event, span)) => {
                let span = Span {
                    start: builder.offsets.byte(span.start.index()),
                    end: builder.offsets.byte(span.end.index()),
                };
                builder.event(event, span, report)
            }
            Err(error) => {
                let at = builder.offsets.byte(error.marker().index());
                report.error(
                    Span { start: at, end: at },
                    format!("not valid YAML: {}", error.info()),
                );
                Err(Stop)
            }
        };
        if stop.is_err() {
            return None;
        }
    }
    if builder.roots.is_empty() && report.is_clean() {
        report.error(
            Span { start: 0, end: 0 },
            "the source is empty, expected a PlacementPolicy",
        );
    }
    Some(builder.roots)
}

/// The document is not read any further.
struct Stop;

struct Builder<'s> {
    offsets: Offsets<'s>,
    open: Vec<Open>,
    roots: Vec<Node>,
    nodes: usize,
}

/// A collection whose end has not come yet.
enum Open {
    Sequence(usize, Vec<Node>),
    Mapping {
        start: usize,
        entries: Vec<(Located, Node)>,
        key: Option<Located>,
    },
}

impl Builder<'_> {
    fn event(
        &mut self,
        event: Event<'_>,
        span: Span,
        report: &mut Reporter<'_>,
    ) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.roots.len() < MAX_DOCUMENTS => Ok(()),
            Event::DocumentStart(_) => refuse(
                report,
                span,
                format!("more than {MAX_DOCUMENTS} documents in one source"),
            ),
            Event::Alias(_) => refuse(
                report,
                span,
                "aliases are not read here: write the value out",
            ),
            Event::Scalar(text, style, anchor, tag) => {
                bare(anchor, tag.is_some(), span, report)?;
                let plain = style == ScalarStyle::Plain;
                let text = Located {
                    text: text.into_owned(),
                    span,
                    style,
                };
                self.add(
                    Node {
                        span,
                        value: Value::Scalar { text, plain },
                    },
                    report,
                )
            }
            Event::SequenceStart(anchor, tag) => {
                bare(anchor, tag.is_some(), span, report)?;
                self.enter(Open::Sequence(span.start, Vec::new()), span, report)
            }
            Event::MappingStart(anchor, tag) => {
                bare(anchor, tag.is_some(), span, report)?;
                self.enter(
                    Open::Mapping {
                        start: span.start,
                        entries: Vec::new(),
                        key: None,
                    },
                    span,
                    report,
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(span, report),
        }
    }

    fn enter(&mut self, open: Open, span: Span, report: &mut Reporter<'_>) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            return refuse(report, span, format!("nested more than {MAX_DEPTH} deep"));
        }
        if let Some(Open::Mapping { key: None, .. }) = self.open.last() {
            return refuse(
                report,
                span,
                "a collection where a key must stand, expected a name",
            );
        }
        self.open.push(open);
        Ok(())
    }

    fn leave(&mut self, span: Span, report: &mut Reporter<'_>) -> Result<(), Stop> {
        let node = match self.open.pop() {
            Some(Open::Sequence(start, items)) => Node {
                span: Span {
                    start,
                    end: span.end,
                },
                value: Value::Sequence(items),
            },
            Some(Open::Mapping { start, entries, .. }) => Node {
                span: Span {
                    start,
                    end: span.end,
                },
                value: Value::Mapping(entries),
            },
            None => return Ok(()),
        };
        self.add(node, report)
    }

    fn add(&mut self, node: Node, report: &mut Reporter<'_>) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return refuse(report, node.span, format!("more than {MAX_NODES} values"));
        }
        match self.open.last_mut() {
            None => self.roots.push(node),
            Some(Open::Sequence(_, items)) => items.push(node),
            Some(Open::Mapping { entries, key, .. }) => match (key.take(), node.value) {
                (Some(name), value) => entries.push((
                    name,
                    Node {
                        span: node.span,
                        value,
                    },
                )),
                (None, Value::Scalar { text, .. }) => {
                    if entries.iter().any(|(known, _)| known.text == text.text) {
                        report.error(
                            text.span,
                            format!(
                                "`{}` stands here twice",
                                crate::diagnostics::shortened(&text.text)
                            ),
                        );
                    }
                    *key = Some(text);
                }
                (None, Value::Sequence(_) | Value::Mapping(_)) => {
                    return refuse(
                        report,
                        node.span,
                        "a collection where a key must stand, expected a name",
                    );
                }
            },
        }
        Ok(())
    }
}

fn bare(anchor: usize, tagged: bool, span: Span, report: &mut Reporter<'_>) -> Result<(), Stop> {
    if anchor != 0 {
        return refuse(
            report,
            span,
            "anchors are not read here: write the value out",
        );
    }
    if tagged {
        return refuse(
            report,
            span,
            "tags are not read here: write the value without one",
        );
    }
    Ok(())
}

fn refuse(report: &mut Reporter<'_>, span: Span, message: impl Into<String>) -> Result<(), Stop> {
    report.error(span, message);
    Err(Stop)
}

/// Turns the parser's character counts into byte offsets; they only ever grow a little out of order.
struct Offsets<'s> {
    source: &'s str,
    /// `None` where characters are bytes.
    starts: Option<Vec<usize>>,
}

impl<'s> Offsets<'s> {
    fn new(source: &'s str) -> Self {
        let starts =
            (!source.is_ascii()).then(|| source.char_indices().map(|(at, _)| at).collect());
        Self { source, starts }
    }

    fn byte(&self, character: usize) -> usize {
        match &self.starts {
            None => character.min(self.source.len()),
            Some(starts) => starts.get(character).copied().unwrap_or(self.source.len()),
        }
    }
}
