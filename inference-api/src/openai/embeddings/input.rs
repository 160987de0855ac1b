//! The `input` of an embeddings call in its four forms: a string, a list of
//! strings, a list of token ids, a list of such lists.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

use super::call::Place;
use crate::error::InferenceError;
use crate::request::EmbeddingInput;

/// What an input must be.
pub(super) const EXPECTED: &str =
    "a string, a list of strings, a list of token ids or a list of lists of token ids";

/// Reads an input of at most `max` texts.
pub(super) struct Inputs<'a> {
    pub(super) place: &'a Place,
    pub(super) max: usize,
}

impl<'de> DeserializeSeed<'de> for Inputs<'_> {
    type Value = Vec<EmbeddingInput>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inputs<'_> {
    type Value = Vec<EmbeddingInput>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let text = EmbeddingInput::Text(text.to_owned());
        Ok(vec![self.not_empty(text)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        let mut ids = Vec::new();
        while let Some(item) = items.next_element()? {
            match item {
                Item::Id(id) if texts.is_empty() => ids.push(id),
                Item::Text(text) if ids.is_empty() => texts.push(self.not_empty(text)?),
                Item::Id(_) | Item::Text(_) => return Err(Error::custom(EXPECTED)),
            }
            if texts.len() > self.max {
                let rest = count(&mut items)?;
                return Err(self.refuse_length(texts.len() + rest));
            }
        }
        if !ids.is_empty() {
            texts.push(EmbeddingInput::Tokens(ids));
        }
        if texts.is_empty() {
            return Err(self.refuse("'input' must not be an empty list"));
        }
        Ok(texts)
    }
}

impl Inputs<'_> {
    fn not_empty<E: Error>(&self, input: EmbeddingInput) -> Result<EmbeddingInput, E> {
        let is_empty = match &input {
            EmbeddingInput::Text(text) => text.is_empty(),
            EmbeddingInput::Tokens(ids) => ids.is_empty(),
        };
        if is_empty {
            return Err(self.refuse("'input' must not hold an empty text"));
        }
        Ok(input)
    }

    fn refuse_length<E: Error>(&self, length: usize) -> E {
        let max = self.max;
        let message = format!(
            "Invalid 'input': array too long. Expected an array with maximum length {max}, \
             but got an array with length {length} instead."
        );
        let refusal = InferenceError::invalid(message).with_param("input");
        self.place.refuse(refusal)
    }

    fn refuse<E: Error>(&self, message: &'static str) -> E {
        let refusal = InferenceError::invalid(message).with_param("input");
        self.place.refuse(refusal)
    }
}

fn count<'de, A: SeqAccess<'de>>(items: &mut A) -> Result<usize, A::Error> {
    let mut count = 0;
    while items.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// One element of a list.
enum Item {
    Text(EmbeddingInput),
    Id(u32),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct ItemVisitor;

        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a token id or a list of token ids")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Item, E> {
                Ok(Item::Text(EmbeddingInput::Text(text.to_owned())))
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<Item, E> {
                u32::try_from(id).map(Item::Id).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut ids: A) -> Result<Item, A::Error> {
                let mut tokens = Vec::new();
                while let Some(id) = ids.next_element()? {
                    tokens.push(id);
                }
                Ok(Item::Text(EmbeddingInput::Tokens(tokens)))
            }
        }

        json.deserialize_any(ItemVisitor)
    }
}
