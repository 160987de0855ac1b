//! The HTTP API of a program, with its token.

use std::net::SocketAddr;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::programs::{Agent, Gateway};

/// A program's HTTP API.
pub(crate) struct Api {
    client: Client,
    url: String,
    token: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Agent {
    pub(crate) fn api(&self) -> Api {
        Api::new(self.http, self.token())
    }
}

impl Gateway {
    pub(crate) fn api(&self) -> Api {
        Api::new(self.http, self.admin_token())
    }
}

/// A client. Whoever builds the whole workspace has one that speaks TLS, and it asks which.
pub(crate) fn client() -> Client {
    // Another test did it before.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Client::new()
}

impl Api {
    fn new(address: SocketAddr, token: String) -> Self {
        Self {
            client: client(),
            url: format!("http://{address}"),
            token,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(
            self.client
                .get(format!("{}{path}", self.url))
                .bearer_auth(&self.token),
        )
        .await
    }

    /// A POST with the token, to be completed and given to [`send`].
    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
    }

    /// The embedding of a text, with further headers.
    pub(crate) async fn embed(&self, input: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self
            .post("/v1/embeddings")
            .json(&json!({ "model": "minilm", "input": input }));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await
    }

    /// The next message of a conversation of these messages, each by its role; at most four tokens.
    pub(crate) async fn chat(&self, messages: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let messages: Vec<Value> = messages
            .iter()
            .map(|(role, content)| json!({ "role": role, "content": content }))
            .collect();
        let body =
            json!({ "model": "genai", "messages": messages, "max_tokens": 4, "stream": true });
        let mut request = self.post("/v1/chat/completions").json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn placement(&self) -> &str {
        self.header("x-tideline-placement")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The code of an error in OpenAI's shape.
    pub(crate) fn error_code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// Sends a request and reads the answer; status 0 when nobody answers.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let Ok(response) = request.send().await else {
        return Answer {
            status: 0,
            headers: reqwest::header::HeaderMap::new(),
            body: String::new(),
        };
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer {
        status,
        headers,
        body: response.text().await.unwrap_or_default(),
    }
}
