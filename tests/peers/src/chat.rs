//! OpenAI's chat completions: who asks, who answers always the same, and who keeps answers open.

mod answers;
mod held;
mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::http::{self, Asked, Caller};

pub(crate) use held::hold;
pub(crate) use upstream::serve;

/// Who is asked, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// Where it is
    #[arg(long)]
    server: SocketAddr,
    /// The file with the bearer token, where one is wanted
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// The model to ask for
    #[arg(long)]
    model: String,
    /// Have the answer in pieces
    #[arg(long)]
    stream: bool,
}

impl Target {
    /// Connects a caller that checks what it is answered.
    ///
    /// # Errors
    ///
    /// When the token cannot be read, or nobody listens.
    pub(crate) async fn connect(&self) -> Result<Caller> {
        let bearer = self.token_file.as_deref().map(Path::new);
        let bearer = bearer.map(http::bearer).transpose()?;
        let asked = self.request(bearer.as_deref())?;
        let is_right = if self.stream {
            answers::is_streamed
        } else {
            answers::is_whole
        };
        Caller::connect(self.server, Arc::new([asked]), 0, is_right).await
    }

    fn request(&self, bearer: Option<&str>) -> Result<Asked> {
        let mut body = json!({
            "model": self.model,
            "messages": [
                { "role": "system", "content": "You know the tides of every harbour. Answer in one sentence." },
                { "role": "user", "content": "When does the tide turn today, and when again?" },
            ],
            "temperature": 0.5,
            "max_tokens": 64,
        });
        if self.stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({ "include_usage": true });
        }
        http::post(self.server, "/v1/chat/completions", bearer, &body)
    }
}
