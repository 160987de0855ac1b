//! The body of an embeddings call: JSON from anyone, checked and typed.
//!
//! Errors say which parameter and where, and quote nothing but the names of
//! parameters.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU32;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};

use super::input::{self, Inputs};
use super::reply::Encoding;
use crate::context::UserName;
use crate::error::{ErrorKind, InferenceError};
use crate::json;
use crate::request::{EmbeddingInput, ModelSelector};

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) model: ModelSelector,
    pub(super) inputs: Vec<EmbeddingInput>,
    pub(super) encoding: Encoding,
    pub(super) dimensions: Option<NonZeroU32>,
    pub(super) user: Option<UserName>,
}

/// Parameters of OpenAI's that change nothing about the vectors.
const HARMLESS: [&str; 5] = [
    "metadata",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "store",
];

/// Reads a call of at most `max_inputs` texts.
pub(super) fn parse(body: &[u8], max_inputs: usize) -> Result<Call, InferenceError> {
    let place = Place::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let form = FormSeed {
        place: &place,
        max_inputs,
    };
    let form = form
        .deserialize(&mut json)
        .and_then(|form| json.end().map(|()| form))
        .map_err(|error| place.explain(&error))?;
    form.check()
}

/// Where the reader is, kept beside it: serde's own messages quote values.
#[derive(Default)]
pub(super) struct Place {
    parameter: Cell<Option<(&'static str, &'static str)>>,
    refusal: Cell<Option<InferenceError>>,
}

impl Place {
    /// Ends the reading with an error of ours.
    pub(super) fn refuse<E: Error>(&self, refusal: InferenceError) -> E {
        self.refusal.set(Some(refusal));
        E::custom("refused")
    }

    fn enter(&self, name: &'static str, expected: &'static str) {
        self.parameter.set(Some((name, expected)));
    }

    fn explain(&self, error: &serde_json::Error) -> InferenceError {
        if let Some(refusal) = self.refusal.take() {
            return refusal;
        }
        match self.parameter.get() {
            Some((name, expected)) if error.is_data() => {
                let at = json::position(error);
                InferenceError::invalid(format!("'{name}' must be {expected}{at}")).with_param(name)
            }
            Some(_) | None => json::malformed(error),
        }
    }
}

/// The parameters as they were written.
#[derive(Default)]
struct Form {
    model: Option<String>,
    inputs: Option<Vec<EmbeddingInput>>,
    encoding_format: Option<String>,
    dimensions: Option<NonZeroU32>,
    user: Option<String>,
}

impl Form {
    fn check(self) -> Result<Call, InferenceError> {
        let model = self.model.ok_or_else(|| missing("model"))?;
        let inputs = self.inputs.ok_or_else(|| missing("input"))?;
        let model = ModelSelector::parse(&model).ok_or_else(|| {
            let message = "'model' must be 1 to 256 visible ASCII characters";
            InferenceError::invalid(message).with_param("model")
        })?;
        let encoding = match self.encoding_format.as_deref() {
            None | Some("float") => Encoding::Float,
            Some("base64") => Encoding::Base64,
            Some(_) => {
                let message = "'encoding_format' must be \"float\" or \"base64\"";
                return Err(InferenceError::invalid(message).with_param("encoding_format"));
            }
        };
        let user = self.user.as_deref().filter(|user| !user.is_empty());
        let user = user.map(|user| {
            UserName::new(user).ok_or_else(|| {
                let most = UserName::MAX_BYTES;
                let message = format!("'user' must be up to {most} bytes without controls");
                InferenceError::invalid(message).with_param("user")
            })
        });
        Ok(Call {
            model,
            inputs,
            encoding,
            dimensions: self.dimensions,
            user: user.transpose()?,
        })
    }
}

fn missing(name: &'static str) -> InferenceError {
    InferenceError::invalid(format!("the parameter '{name}' is missing")).with_param(name)
}

/// An unknown parameter, quoted only when it looks like one.
fn unknown(name: &str) -> InferenceError {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_word) {
        let message = "a parameter is not one of this call's";
        return InferenceError::new(ErrorKind::Unsupported, message);
    }
    let message = format!("the parameter '{name}' is not supported here");
    InferenceError::new(ErrorKind::Unsupported, message).with_param(name.to_owned())
}

struct FormSeed<'a> {
    place: &'a Place,
    max_inputs: usize,
}

impl<'de> DeserializeSeed<'de> for FormSeed<'_> {
    type Value = Form;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Form, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FormSeed<'_> {
    type Value = Form;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Form, A::Error> {
        let place = self.place;
        let mut form = Form::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "model" => {
                    place.enter("model", "a string");
                    form.model = Some(map.next_value()?);
                }
                "input" => {
                    place.enter("input", input::EXPECTED);
                    let max = self.max_inputs;
                    form.inputs = Some(map.next_value_seed(Inputs { place, max })?);
                }
                "encoding_format" => {
                    place.enter("encoding_format", "a string");
                    form.encoding_format = map.next_value()?;
                }
                "dimensions" => {
                    place.enter("dimensions", "a whole number above zero");
                    form.dimensions = map.next_value()?;
                }
                "user" => {
                    place.enter("user", "a string");
                    form.user = map.next_value()?;
                }
                other if HARMLESS.contains(&other) => {
                    map.next_value::<IgnoredAny>()?;
                }
                other => return Err(place.refuse(unknown(other))),
            }
            place.parameter.set(None);
        }
        Ok(form)
    }
}

#[cfg(test)]
mod tests;
