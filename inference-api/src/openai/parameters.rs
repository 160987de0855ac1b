//! The parameters of calls that generate text: JSON from anyone, each parameter read by its own name,
//! so that what is wrong can be said without quoting anything of it.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU8;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_path_to_error::Segment;

use crate::context::UserName;
use crate::error::{ErrorKind, InferenceError};
use crate::generation::Sampling;
use crate::json;
use crate::request::ModelSelector;

/// Parameters of OpenAI's that change nothing about the text.
const HARMLESS: [&str; 10] = [
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "service_tier",
    "store",
    "stream_options",
    "verbosity",
];

/// Most stop texts, and the longest, in bytes.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 1024;
/// Most tokens with a bias.
const MAX_BIASES: usize = 1024;
/// Most answers to one request.
const MAX_CHOICES: u32 = 16;

/// The parameters that nobody has read yet.
pub(super) struct Parameters<'b>(BTreeMap<String, &'b RawValue>);

impl<'b> Parameters<'b> {
    pub(super) fn read(body: &'b [u8]) -> Result<Self, InferenceError> {
        let parameters = serde_json::from_slice(body).map_err(|error| json::malformed(&error))?;
        Ok(Self(parameters))
    }

    /// The parameter of that name; nothing when it is not there or null.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        expected: impl fmt::Display,
    ) -> Result<Option<T>, InferenceError> {
        let Some(raw) = self.0.remove(name) else {
            return Ok(None);
        };
        if let Ok(read) = serde_json::from_str(raw.get()) {
            return Ok(read);
        }
        // Read once more, with an eye on where: only for what is wrong.
        let mut json = serde_json::Deserializer::from_str(raw.get());
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            // Names in a path may be the caller's own; numbers say enough.
            let numbers = error.path().iter().map_while(|segment| match segment {
                Segment::Seq { index } => Some(format!("[{index}]")),
                Segment::Map { .. } | Segment::Enum { .. } | Segment::Unknown => None,
            });
            let within: String = numbers.collect();
            wrong(name, &format!("'{name}{within}' must be {expected}"))
        })
    }

    /// The model and the caller's name for its user, which every call has.
    pub(super) fn model(&mut self) -> Result<ModelSelector, InferenceError> {
        let model: Option<String> = self.take("model", "a string")?;
        let model = model.ok_or_else(|| missing("model"))?;
        ModelSelector::parse(&model)
            .ok_or_else(|| wrong("model", "'model' must be 1 to 256 visible ASCII characters"))
    }

    /// The caller's name for its user.
    pub(super) fn user(&mut self) -> Result<Option<UserName>, InferenceError> {
        let user: Option<String> = self.take("user", "a string")?;
        let Some(user) = user.filter(|user| !user.is_empty()) else {
            return Ok(None);
        };
        let most = UserName::MAX_BYTES;
        let user = UserName::new(&user);
        user.map(Some).ok_or_else(|| {
            wrong(
                "user",
                &format!("'user' must be up to {most} bytes without controls"),
            )
        })
    }

    /// A number between two others.
    fn number(
        &mut self,
        name: &'static str,
        least: f32,
        most: f32,
    ) -> Result<Option<f32>, InferenceError> {
        let expected = format_args!("a number from {least} to {most}");
        let number: Option<f32> = self.take(name, expected)?;
        match number {
            Some(number) if !(least..=most).contains(&number) => {
                Err(wrong(name, &format!("'{name}' must be {expected}")))
            }
            number => Ok(number),
        }
    }

    /// How tokens are drawn; log probabilities are asked for differently in each call.
    pub(super) fn sampling(&mut self) -> Result<Sampling, InferenceError> {
        const COUNT: &str = "a whole number above zero";
        let most = self.take::<u32>("max_tokens", COUNT)?;
        let top_p = self.number("top_p", 0.0, 1.0)?;
        if top_p.is_some_and(|top_p| top_p <= 0.0) {
            return Err(wrong("top_p", "'top_p' must be above 0"));
        }
        if most == Some(0) {
            return Err(wrong("max_tokens", "'max_tokens' must be above 0"));
        }
        Ok(Sampling {
            max_tokens: most,
            temperature: self.number("temperature", 0.0, 2.0)?,
            top_p,
            top_k: self.take("top_k", "a whole number")?,
            min_p: self.number("min_p", 0.0, 1.0)?,
            seed: self
                .take::<i64>("seed", "a whole number of 64 bits")?
                .map(i64::cast_unsigned),
            frequency_penalty: self.number("frequency_penalty", -2.0, 2.0)?.unwrap_or(0.0),
            presence_penalty: self.number("presence_penalty", -2.0, 2.0)?.unwrap_or(0.0),
            logit_bias: self.biases()?,
            stop: self.stops()?,
            choices: self.choices()?,
            logprobs: None,
        })
    }

    fn biases(&mut self) -> Result<Vec<(u32, f32)>, InferenceError> {
        const NAME: &str = "logit_bias";
        const EXPECTED: &str = "an object of token ids with numbers from -100 to 100";
        let biases: BTreeMap<String, f32> = self.take(NAME, EXPECTED)?.unwrap_or_default();
        if biases.len() > MAX_BIASES {
            return Err(wrong(
                NAME,
                &format!("'{NAME}' takes at most {MAX_BIASES} tokens"),
            ));
        }
        let one = |(id, bias): (String, f32)| {
            let id: Option<u32> = id.parse().ok();
            let id = id.filter(|_| (-100.0..=100.0).contains(&bias));
            id.map(|id| (id, bias))
                .ok_or_else(|| wrong(NAME, &format!("'{NAME}' must be {EXPECTED}")))
        };
        biases.into_iter().map(one).collect()
    }

    fn stops(&mut self) -> Result<Vec<String>, InferenceError> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Stops {
            One(String),
            Many(Vec<String>),
        }
        const NAME: &str = "stop";
        let stops = match self.take(NAME, "a string or an array of strings")? {
            None => Vec::new(),
            Some(Stops::One(stop)) => vec![stop],
            Some(Stops::Many(stops)) => stops,
        };
        let fits = |stop: &String| (1..=MAX_STOP_BYTES).contains(&stop.len());
        if stops.len() > MAX_STOPS || !stops.iter().all(fits) {
            let message =
                format!("'{NAME}' takes at most {MAX_STOPS} texts of 1 to {MAX_STOP_BYTES} bytes");
            return Err(wrong(NAME, &message));
        }
        Ok(stops)
    }

    fn choices(&mut self) -> Result<Option<NonZeroU8>, InferenceError> {
        let expected = format_args!("a whole number from 1 to {MAX_CHOICES}");
        let Some(choices) = self.take::<u32>("n", expected)? else {
            return Ok(None);
        };
        let small = u8::try_from(choices)
            .ok()
            .filter(|_| choices <= MAX_CHOICES);
        let choices = small.and_then(NonZeroU8::new);
        choices
            .map(Some)
            .ok_or_else(|| wrong("n", &format!("'n' must be {expected}")))
    }

    /// Refuses what is left and would change the result.
    pub(super) fn finish(self) -> Result<(), InferenceError> {
        let mut left = self.0.into_iter();
        let other =
            left.find(|(name, value)| value.get() != "null" && !HARMLESS.contains(&name.as_str()));
        match other {
            Some((name, _)) => Err(unknown(&name)),
            None => Ok(()),
        }
    }
}

/// The error for a parameter that is not what it must be.
pub(super) fn wrong(name: &'static str, message: &str) -> InferenceError {
    InferenceError::invalid(message.to_owned()).with_param(name)
}

/// The error for a parameter that is not there.
pub(super) fn missing(name: &'static str) -> InferenceError {
    InferenceError::invalid(format!("the parameter '{name}' is missing")).with_param(name)
}

/// The error for what is not done here.
pub(super) fn unsupported(name: &'static str, message: &'static str) -> InferenceError {
    InferenceError::new(ErrorKind::Unsupported, message).with_param(name)
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
