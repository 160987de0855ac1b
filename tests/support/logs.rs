//! What a program wrote to standard error, kept for the test to search.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Lines of a log as they come. A clone reads the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Collects what `source` gives until it closes.
    pub(crate) fn follow(source: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let log = Self::default();
        let lines = log.0.clone();
        tokio::spawn(async move {
            let mut source = BufReader::new(source).lines();
            while let Ok(Some(line)) = source.next_line().await {
                lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        log
    }

    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }

    /// Lines at WARN or ERROR that no part of `expected` explains.
    pub(crate) fn surprises(&self, expected: &[&str]) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let loud = |line: &&String| {
            line.contains("WARN") || line.contains("ERROR") || line.contains("panicked")
        };
        let surprising = |line: &&String| !expected.iter().any(|part| line.contains(part));
        lines
            .iter()
            .filter(loud)
            .filter(surprising)
            .cloned()
            .collect()
    }
}
