//! The shape of policy documents as a JSON Schema, for editors. The facts in it are those of the one
//! table that conditions are checked against.

use serde_json::{Map, Value, json};

use crate::boundary::Boundary;
use crate::candidate::PlacementKind;
use crate::facts::{FIELDS, Field, Read};
use crate::mode::Mode;

/// The JSON Schema (draft 2020-12) of `PlacementPolicy`, `PolicySet` and `PolicyTest`.
#[must_use]
pub fn schema() -> Value {
    let document = |kind: &str, spec: &str| {
        json!({
            "if": { "properties": { "kind": { "const": kind } } },
            "then": { "properties": { "spec": { "$ref": format!("#/$defs/{spec}") } } }
        })
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tideline policy documents",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": { "const": "tideline.dev/v1" },
            "kind": { "enum": ["PlacementPolicy", "PolicySet", "PolicyTest"] },
            "metadata": object(&["name"], json!({ "name": named("#/$defs/name") })),
            "spec": { "type": "object" }
        },
        "allOf": [
            document("PlacementPolicy", "policy"),
            document("PolicySet", "set"),
            document("PolicyTest", "test")
        ],
        "$defs": definitions()
    })
}

fn definitions() -> Value {
    let boundaries: Vec<&str> = Boundary::ALL
        .iter()
        .map(|boundary| boundary.name())
        .collect();
    let kinds: Vec<&str> = PlacementKind::ALL.iter().map(|kind| kind.name()).collect();
    json!({
        "name": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,63}$" },
        "names": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        "amount": { "type": "number", "minimum": 0 },
        "condition": { "type": "string", "maxLength": 16384, "description": conditions() },
        "boundary": { "enum": boundaries, "description": "how far content may travel" },
        "kind": { "enum": kinds },
        "bounded": object(&["boundary"], json!({ "boundary": named("#/$defs/boundary") })),
        "selector": { "anyOf": [
            { "type": "array", "items": named("#/$defs/kind"), "minItems": 1 },
            object(&[], dimensions())
        ] },
        "preference": { "anyOf": [
            { "type": "array", "items": named("#/$defs/kind"), "minItems": 1 },
            object(&[], with(dimensions(), "priority", json!({ "type": "integer", "minimum": 1, "maximum": 100 })))
        ] },
        "limits": object(&[], json!({
            "maxLatencySeconds": named("#/$defs/amount"),
            "maxCostUsd": named("#/$defs/amount"),
            "whenNothingFits": { "enum": ["refuse", "relax"], "default": "refuse" }
        })),
        "cascade": object(&["minConfidence"], json!({
            "minConfidence": { "type": "number", "minimum": 0, "maximum": 1 },
            "holdTokens": { "type": "integer", "minimum": 1, "maximum": 4096, "default": 16 }
        })),
        "effects": object(&[], effects()),
        "rule": object(&["name"], with(with(effects(), "name", named("#/$defs/name")), "when", named("#/$defs/condition"))),
        "budget": object(&["name", "usdPerMonth", "whenSpent"], json!({
            "name": named("#/$defs/name"),
            "match": named("#/$defs/condition"),
            "usdPerMonth": named("#/$defs/amount"),
            "whenSpent": named("#/$defs/effects")
        })),
        "policy": object(&[], json!({
            "objective": object(&[], json!({
                "usdPerSecond": named("#/$defs/amount"),
                "usdPerWattHour": named("#/$defs/amount"),
                "usdPerError": named("#/$defs/amount")
            })),
            "rules": { "type": "array", "items": named("#/$defs/rule") },
            "budgets": { "type": "array", "items": named("#/$defs/budget") },
            "default": named("#/$defs/bounded"),
            "onError": named("#/$defs/bounded")
        })),
        "set": object(&["include"], json!({
            "include": { "type": "array", "minItems": 1, "items": object(&["policy"], json!({
                "policy": named("#/$defs/name"),
                "when": named("#/$defs/condition")
            })) }
        })),
        "facts": facts(),
        "candidate": candidate(),
        "test": test()
    })
}

fn effects() -> Value {
    json!({
        "boundary": named("#/$defs/boundary"),
        "require": named("#/$defs/selector"),
        "avoid": named("#/$defs/selector"),
        "prefer": named("#/$defs/preference"),
        "limits": named("#/$defs/limits"),
        "cascade": named("#/$defs/cascade"),
        "fallback": { "enum": ["none", "same-model", "any-model"] },
        "redact": named("#/$defs/names")
    })
}

fn dimensions() -> Value {
    json!({
        "kinds": { "type": "array", "items": named("#/$defs/kind") },
        "sites": named("#/$defs/names"),
        "models": named("#/$defs/names"),
        "variants": named("#/$defs/names"),
        "providers": named("#/$defs/names")
    })
}

fn facts() -> Value {
    let mut groups: Map<String, Value> = Map::new();
    for field in FIELDS {
        let Some((group, name)) = field.path.split_once('.') else {
            continue;
        };
        let group = groups
            .entry(group)
            .or_insert_with(|| object(&[], json!({})));
        let mut described = kind(field);
        described["description"] = json!(field.about);
        group["properties"][name] = described;
    }
    groups["request"]["properties"]["failedSignals"] = named("#/$defs/names");
    object(&[], Value::Object(groups))
}

fn kind(field: &Field) -> Value {
    match field.read {
        Read::Bool(_) => json!({ "type": "boolean" }),
        Read::Int(_) => json!({ "type": "integer", "minimum": 0 }),
        Read::Double(_) => json!({ "type": "number" }),
        Read::Text(_) => json!({ "type": "string" }),
        Read::Texts(_) => json!({ "type": "array", "items": { "type": "string" } }),
    }
}

fn candidate() -> Value {
    let text = || json!({ "type": "string" });
    object(
        &["kind"],
        json!({
            "kind": named("#/$defs/kind"),
            "site": text(),
            "siteBoundary": named("#/$defs/boundary"),
            "model": text(),
            "variant": text(),
            "provider": text(),
            "unavailable": text(),
            "latencySeconds": named("#/$defs/amount"),
            "latencySdSeconds": named("#/$defs/amount"),
            "costUsd": named("#/$defs/amount"),
            "energyWattHours": named("#/$defs/amount"),
            "errorProbability": { "type": "number", "minimum": 0, "maximum": 1 }
        }),
    )
}

fn test() -> Value {
    let modes: Vec<&str> = Mode::ALL.iter().map(|mode| mode.name()).collect();
    let candidates = json!({ "type": "array", "items": named("#/$defs/candidate") });
    let text = || json!({ "type": "string" });
    let expect = object(
        &[],
        json!({
            "boundary": named("#/$defs/boundary"),
            "placement": named("#/$defs/kind"),
            "site": text(),
            "model": text(),
            "variant": text(),
            "denied": { "type": "boolean" },
            "matched": { "type": "array", "items": text() },
            "notMatched": { "type": "array", "items": text() },
            "budgets": { "type": "array", "items": text() }
        }),
    );
    let case = json!({
        "name": text(),
        "facts": named("#/$defs/facts"),
        "mode": { "enum": modes },
        "boundary": named("#/$defs/boundary"),
        "candidates": candidates,
        "expect": expect
    });
    let tests = json!({ "type": "array", "items": object(&["name", "expect"], case) });
    object(
        &["tests"],
        json!({ "policy": named("#/$defs/name"), "candidates": candidates, "tests": tests }),
    )
}

fn conditions() -> String {
    let facts: Vec<String> = FIELDS
        .iter()
        .map(|field| format!("{} ({})", field.path, field.kind()))
        .collect();
    format!("a condition in CEL over these facts: {}", facts.join(", "))
}

fn named(reference: &str) -> Value {
    json!({ "$ref": reference })
}

/// An object of these fields and no others.
fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties
    })
}

fn with(mut properties: Value, name: &str, field: Value) -> Value {
    properties[name] = field;
    properties
}

#[cfg(test)]
mod tests {
    //! The schema names every fact, and nothing that is not defined.

    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    found.push(reference.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_reference_is_defined_and_every_fact_is_there() {
        let schema = schema();
        let mut found = Vec::new();
        references(&schema, &mut found);
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(schema.pointer(pointer).is_some(), "{reference}");
        }
        for field in FIELDS {
            let pointer = format!(
                "/$defs/facts/properties/{}",
                field.path.replace('.', "/properties/")
            );
            assert!(schema.pointer(&pointer).is_some(), "{pointer}");
        }
    }
}
