//! `tideline served`: what the gateway ran itself. Its word on what has left the laptops.

use serde_json::Value;

use crate::client::{Failure, Gateway};
use crate::decode;
use crate::devices::text;
use crate::print::{Format, structured, table};

pub(crate) async fn run(gateway: &mut Gateway, format: Format) -> Result<(), Failure> {
    let counts: Vec<Value> = gateway.served().await?.iter().map(decode::served).collect();
    if !structured(&Value::from(counts.clone()), format)? {
        let row = |count: &Value| {
            ["backend", "model", "boundary", "requests", "refused"]
                .map(|name| text(&count[name]))
                .to_vec()
        };
        table(
            &["BACKEND", "MODEL", "BOUNDARY", "REQUESTS", "REFUSED"],
            &counts.iter().map(row).collect::<Vec<_>>(),
        );
    }
    Ok(())
}
