//! Rewrites a decoder so that it says what follows the last token alone.
//!
//! Exports give logits for every token that they read, and of a prompt only the last ones are used: a
//! product with the whole vocabulary for each of the others is work for nothing, a fifth of a small
//! model's. What feeds that product is cut to its last token here, by one `Gather` before it. Everything
//! else stays byte for byte as it is.

use super::GraphError;
use super::wire::{self, Field, Message};

/// What is added, by names that no export has.
const HIDDEN: &str = "tideline.last_hidden";
const INDEX: &str = "tideline.last_index";
/// Operators that pass each token's values on by themselves: the product may stand before them.
const PASSES: [&str; 2] = ["Cast", "Identity"];
/// Operators that multiply by the vocabulary's weights.
const PRODUCTS: [&str; 2] = ["MatMul", "MatMulNBits"];
/// Most operators between the product and the output.
const MOST_PASSES: usize = 4;

/// A node, as far as it is looked at.
struct Node<'m> {
    bytes: &'m [u8],
    operator: &'m str,
    inputs: Vec<&'m str>,
    outputs: Vec<&'m str>,
}

/// The model whose output `logits` tells of the last token alone; `None` where the graph does not show
/// what to cut.
///
/// # Errors
/// [`GraphError::Malformed`].
pub(crate) fn last_alone(model: &[u8], logits: &str) -> Result<Option<Vec<u8>>, GraphError> {
    let Some(graph) = find(model, 7)? else {
        return Ok(None);
    };
    let mut nodes = Vec::new();
    for field in Message::new(graph) {
        if let Field::Bytes(1, bytes) = field? {
            nodes.push(node(bytes)?);
        }
    }
    let Some(product) = product(&nodes, logits) else {
        return Ok(None);
    };
    let mut changed = Vec::with_capacity(graph.len() + 256);
    for (number, whole, content) in Message::new(graph).whole() {
        if number == 1 && content.is_some_and(|content| std::ptr::eq(content, product.bytes)) {
            put(&mut changed, 1, &gather(product.inputs.first().copied()));
            put(&mut changed, 1, &fed_by_last(product.bytes)?);
        } else {
            changed.extend_from_slice(whole);
        }
    }
    put(&mut changed, 5, &index());
    let mut rewritten = Vec::with_capacity(model.len() + 256);
    for (number, whole, _) in Message::new(model).whole() {
        if number == 7 {
            put(&mut rewritten, 7, &changed);
        } else {
            rewritten.extend_from_slice(whole);
        }
    }
    Ok(Some(rewritten))
}

/// The field of that number, in a message that is whole.
fn find(message: &[u8], wanted: u64) -> Result<Option<&[u8]>, GraphError> {
    let mut found = None;
    for field in Message::new(message) {
        match field? {
            Field::Bytes(number, content) if number == wanted => found = Some(content),
            Field::Bytes(..) | Field::Number(..) => {}
        }
    }
    Ok(found)
}

fn node(bytes: &[u8]) -> Result<Node<'_>, GraphError> {
    let mut node = Node {
        bytes,
        operator: "",
        inputs: Vec::new(),
        outputs: Vec::new(),
    };
    for field in Message::new(bytes) {
        match field? {
            Field::Bytes(1, input) => node.inputs.push(wire::text(input)?),
            Field::Bytes(2, output) => node.outputs.push(wire::text(output)?),
            Field::Bytes(4, operator) => node.operator = wire::text(operator)?,
            Field::Bytes(..) | Field::Number(..) => {}
        }
    }
    Ok(node)
}

/// The product that becomes `output`, through operators that pass values on, where nothing else reads
/// it on the way.
fn product<'n, 'm>(nodes: &'n [Node<'m>], output: &str) -> Option<&'n Node<'m>> {
    let mut wanted = output;
    for _ in 0..=MOST_PASSES {
        let maker = nodes
            .iter()
            .find(|node| node.outputs.as_slice() == [wanted])?;
        if PRODUCTS.contains(&maker.operator) {
            return Some(maker);
        }
        if !PASSES.contains(&maker.operator) {
            return None;
        }
        wanted = maker.inputs.first()?;
        let readers = nodes.iter().filter(|node| node.inputs.contains(&wanted));
        if readers.count() != 1 {
            return None;
        }
    }
    None
}

/// `Gather(hidden, [-1], axis = 1)`.
fn gather(hidden: Option<&str>) -> Vec<u8> {
    let mut axis = Vec::new();
    put(&mut axis, 1, b"axis");
    axis.extend_from_slice(&[3 << 3, 1]);
    axis.extend_from_slice(&[0xa0, 0x01, 2]);
    let mut gather = Vec::new();
    put(&mut gather, 1, hidden.unwrap_or_default().as_bytes());
    put(&mut gather, 1, INDEX.as_bytes());
    put(&mut gather, 2, HIDDEN.as_bytes());
    put(&mut gather, 3, HIDDEN.as_bytes());
    put(&mut gather, 4, b"Gather");
    put(&mut gather, 5, &axis);
    gather
}

/// The number -1 as a tensor of 64-bit integers with one value.
fn index() -> Vec<u8> {
    let mut tensor = vec![1 << 3, 1, 2 << 3, 7];
    put(&mut tensor, 8, INDEX.as_bytes());
    put(&mut tensor, 9, &(-1_i64).to_le_bytes());
    tensor
}

/// The product, with what was cut as its first input.
fn fed_by_last(node: &[u8]) -> Result<Vec<u8>, GraphError> {
    let mut fed = Vec::with_capacity(node.len() + 32);
    let mut is_first = true;
    for (number, whole, _) in Message::new(node).whole() {
        if number == 1 && is_first {
            put(&mut fed, 1, HIDDEN.as_bytes());
            is_first = false;
        } else {
            fed.extend_from_slice(whole);
        }
    }
    if is_first {
        return Err(GraphError::Malformed("a product has no input"));
    }
    Ok(fed)
}

/// Writes a field of bytes.
fn put(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}
