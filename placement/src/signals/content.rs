//! The text in a request, as signals read it.

use std::borrow::Cow;

use inference_api::{DataType, EmbeddingInput, Prompt, Task};

use super::tokens::{Prepared, TokenCounter};

/// What a request holds, for signals to look at. It has no `Debug`: it is content.
pub(super) struct Content<'r> {
    /// Every piece of text.
    pub(super) texts: Vec<Cow<'r, str>>,
    /// Whether there is anything that no text could be read from: numbers, or token ids of a
    /// vocabulary that is not here.
    pub(super) opaque: bool,
    /// The tokens, where a tokenizer is here.
    pub(super) prepared: Option<&'r Prepared>,
}

impl<'r> Content<'r> {
    pub(super) fn read(
        task: &'r Task,
        counter: Option<&dyn TokenCounter>,
        prepared: Option<&'r Prepared>,
    ) -> Self {
        let mut content = Self {
            texts: Vec::new(),
            opaque: false,
            prepared,
        };
        match task {
            Task::Embedding(task) => {
                for input in &task.inputs {
                    match input {
                        EmbeddingInput::Text(text) => content.texts.push(Cow::Borrowed(text)),
                        EmbeddingInput::Tokens(ids) => {
                            content.add(counter.and_then(|c| c.text_of(ids)).map(Cow::Owned))
                        }
                    }
                }
            }
            Task::Chat(task) => {
                for message in &task.messages {
                    content.texts.push(Cow::Borrowed(&message.content));
                    let calls = message.tool_calls.iter();
                    let arguments = calls.map(|call| Cow::Borrowed(call.arguments.as_str()));
                    content.texts.extend(arguments);
                }
                let tools = task.tools.iter().map(|tool| tool.json.get());
                content.texts.extend(tools.map(Cow::Borrowed));
            }
            Task::Completion(task) => match &task.prompt {
                Prompt::Text(text) => content.texts.push(Cow::Borrowed(text)),
                Prompt::Tokens(ids) => {
                    content.add(counter.and_then(|c| c.text_of(ids)).map(Cow::Owned));
                }
            },
            Task::Infer(task) => {
                for tensor in &task.inputs {
                    if tensor.datatype() == DataType::Bytes {
                        for value in tensor.strings() {
                            content.add(String::from_utf8(value.into()).ok().map(Cow::Owned));
                        }
                    } else {
                        content.opaque |= !tensor.data().is_empty();
                    }
                }
            }
        }
        content
    }

    fn add(&mut self, text: Option<Cow<'r, str>>) {
        match text {
            Some(text) => self.texts.push(text),
            None => self.opaque = true,
        }
    }
}

/// How much there is to look at, in bytes.
pub(super) fn size_bytes(task: &Task) -> usize {
    match task {
        Task::Embedding(task) => task
            .inputs
            .iter()
            .map(|input| match input {
                EmbeddingInput::Text(text) => text.len(),
                EmbeddingInput::Tokens(ids) => ids.len() * size_of::<u32>(),
            })
            .sum(),
        Task::Chat(task) => {
            let messages = task.messages.iter();
            let said = messages.map(|message| {
                let calls = message.tool_calls.iter().map(|call| call.arguments.len());
                message.content.len() + calls.sum::<usize>()
            });
            let tools = task.tools.iter().map(|tool| tool.json.get().len());
            said.chain(tools).sum()
        }
        Task::Completion(task) => match &task.prompt {
            Prompt::Text(text) => text.len(),
            Prompt::Tokens(ids) => ids.len() * size_of::<u32>(),
        },
        Task::Infer(task) => {
            let strings = task
                .inputs
                .iter()
                .filter(|tensor| tensor.datatype() == DataType::Bytes);
            strings.map(|tensor| tensor.data().len()).sum()
        }
    }
}
