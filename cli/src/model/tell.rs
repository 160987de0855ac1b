//! An installed model, told to people and programs.

use model_runtime::{Installed, InstalledFile, InstalledVariant, Task};
use serde_json::{Value, json};

use crate::client::Failure;
use crate::print::{Format, plain, structured, table};
use crate::time::utc;

/// The heads of a list's columns.
pub(super) const HEADS: [&str; 6] = ["NAME", "TASK", "VARIANTS", "SIZE", "LICENCE", "FROM"];

/// One that came in right now.
pub(super) fn installed(installed: &Installed, format: Format) -> Result<(), Failure> {
    let value = short(installed);
    if structured(&value, format)? {
        return Ok(());
    }
    println!("installed {}", installed.record.name);
    table(&HEADS, &[row(&value)]);
    println!("A running agent loads it within a few seconds; every other one at its start.");
    Ok(())
}

/// What a list says of it.
pub(super) fn short(installed: &Installed) -> Value {
    let record = &installed.record;
    let variant = |variant: &InstalledVariant| {
        json!({
            "name": variant.name,
            "precision": variant.precision.name(),
            "bytes": variant.bytes,
        })
    };
    json!({
        "name": record.name.as_str(),
        "task": task(record.task),
        "variants": record.variants.iter().map(variant).collect::<Vec<_>>(),
        "bytes": record.bytes(),
        "licence": record.licence,
        "source": record.source.to_string(),
        "installed": utc(i64::try_from(record.installed_unix_seconds).unwrap_or(i64::MAX)),
        "path": installed.path,
    })
}

/// The same as a row of a table.
pub(super) fn row(model: &Value) -> Vec<String> {
    let variants = model["variants"].as_array().into_iter().flatten();
    let variants: Vec<_> = variants
        .map(|it| format!("{} {}", text(&it["name"]), bytes(&it["bytes"])))
        .collect();
    vec![
        text(&model["name"]),
        text(&model["task"]),
        variants.join(", "),
        bytes(&model["bytes"]),
        text(&model["licence"]),
        text(&model["source"]),
    ]
}

/// All that is known of one.
pub(super) fn whole(installed: &Installed, format: Format) -> Result<(), Failure> {
    let mut value = short(installed);
    let file = |file: &InstalledFile| {
        json!({
            "path": file.path.as_str(),
            "bytes": file.bytes,
            "sha256": file.sha256.to_string(),
        })
    };
    let files: Vec<_> = installed.record.files.iter().map(file).collect();
    if let Value::Object(map) = &mut value {
        map.insert("files".into(), files.clone().into());
    }
    if structured(&value, format)? {
        return Ok(());
    }
    for (name, key) in [
        ("name", "name"),
        ("task", "task"),
        ("licence", "licence"),
        ("from", "source"),
        ("installed", "installed"),
        ("folder", "path"),
    ] {
        println!("{:<10} {}", format!("{name}:"), text(&value[key]));
    }
    println!();
    let variants = installed.record.variants.iter().map(|variant| {
        let precision = variant.precision.name().to_owned();
        vec![plain(&variant.name), precision, size(variant.bytes)]
    });
    table(
        &["VARIANT", "PRECISION", "SIZE"],
        &variants.collect::<Vec<_>>(),
    );
    println!();
    let row = |file: &Value| {
        vec![
            text(&file["path"]),
            bytes(&file["bytes"]),
            text(&file["sha256"]),
        ]
    };
    table(
        &["FILE", "SIZE", "SHA-256"],
        &files.iter().map(row).collect::<Vec<_>>(),
    );
    Ok(())
}

const fn task(task: Task) -> &'static str {
    match task {
        Task::Embedding => "embedding",
        Task::Infer => "infer",
        Task::Generation => "chat",
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| "-".into(), plain)
}

fn bytes(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".into(), size)
}

/// A number of bytes as people read it, in decimal units as disks and hubs have them.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    let fitting = units.iter().find(|(_, unit)| bytes >= *unit);
    fitting.map_or_else(
        || format!("{bytes} B"),
        |(name, unit)| format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
    )
}
