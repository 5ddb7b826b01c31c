//! What one key takes, as a schema.

use serde_json::{Value, json};

use super::merge;
use super::sweep;
use crate::spec::keys;
use crate::spec::kind::{Bound, Kind};
use crate::spec::transforms::{TRANSFORMS, Transform};

/// What key `path` takes in any of its variants.
pub(super) fn any_of(path: &str) -> Value {
    let rows = keys::rows(path).map_or(&[][..], |(_, rows)| rows);
    let mut kinds: Vec<Value> = Vec::new();
    for row in rows {
        let kind = of(&row.kind);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    either(kinds)
}

/// The schema that is met where one of `schemas` is.
pub(super) fn either(mut schemas: Vec<Value>) -> Value {
    if schemas.len() == 1 { schemas.remove(0) } else { json!({ "anyOf": schemas }) }
}

/// What a kind of key takes.
pub(super) fn of(kind: &Kind) -> Value {
    match *kind {
        Kind::Integer { min, max: i64::MAX } => json!({ "type": "integer", "minimum": min }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Float { min, max } => number(min, max),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Choice { .. } | Kind::Toy => json!({ "type": "string", "enum": kind.choices() }),
        // The characters that no folder's name has, and those it does not start or end with.
        Kind::Name => json!({
            "type": "string",
            "maxLength": 150,
            "pattern": r#"^[^\x00-\x1f\x7f-\x9f/\\:*?"<>|. -]([^\x00-\x1f\x7f-\x9f/\\:*?"<>|]*[^\x00-\x1f\x7f-\x9f/\\:*?"<>|. ])?$"#,
        }),
        Kind::Path => json!({ "type": "string", "minLength": 1 }),
        Kind::Device => json!({ "anyOf": [
            { "type": "string", "enum": ["cpu", "cuda"] },
            { "type": "string", "pattern": "^cuda:[0-9]+$" },
        ] }),
        Kind::Seeds => json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": Kind::MAX_SEEDS },
            {
                "type": "array",
                "items": { "type": "integer", "minimum": 0 },
                "minItems": 1,
                "maxItems": Kind::MAX_SEEDS,
                "uniqueItems": true,
            },
        ] }),
        Kind::Texts => json!({
            "type": "array",
            "items": { "type": "string", "minLength": 1 },
            "maxItems": Kind::MAX_TEXTS,
            "uniqueItems": true,
        }),
        Kind::Words(of) => json!({
            "type": "array",
            "items": { "type": "string", "enum": of },
            "uniqueItems": true,
        }),
        Kind::Size => json!({
            "type": "array",
            "items": { "type": "integer", "minimum": 2, "maximum": Kind::MAX_SIDE },
            "minItems": 2,
            "maxItems": 2,
        }),
        Kind::Pair { min, max } => json!({
            "type": "array",
            "items": number(min, max),
            "minItems": 2,
            "maxItems": 2,
        }),
        Kind::NumberOr { min, max, word } => {
            either(vec![number(min, max), json!({ "type": "string", "enum": [word] })])
        }
        Kind::Text(_) => json!({ "type": "string", "pattern": "\\S" }),
        // ASCII but what numbers, quotes and lines are made of.
        Kind::Character => json!({
            "type": "string",
            "pattern": r"^[\x00-\x09\x0b\x0c\x0e-\x21\x23-\x2a\x2c\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]$",
        }),
        Kind::Column => json!({ "anyOf": [
            { "type": "string", "minLength": 1 },
            { "type": "integer", "minimum": 1 },
            { "type": "integer", "maximum": -1 },
        ] }),
        Kind::Steps => either(vec![
            number(Bound::Inclusive(0.0), Bound::Open),
            json!({ "type": "array", "items": number(Bound::Inclusive(0.0), Bound::Open), "minItems": 1 }),
        ]),
        Kind::Transforms => transforms(),
        Kind::Amount { file, fresh } => {
            let mut amounts = vec![json!({ "type": "integer", "minimum": 1, "maximum": Kind::MAX_ROWS })];
            if file {
                amounts.push(number(Bound::Exclusive(0.0), Bound::Exclusive(1.0)));
                amounts.push(json!({ "type": "string", "minLength": 1 }));
            }
            if fresh {
                amounts.push(json!({ "type": "string", "enum": ["fresh"] }));
            }
            either(amounts)
        }
        Kind::Parameters => sweep::parameters(),
    }
}

/// A word for all columns, or for every column a word or a table.
fn transforms() -> Value {
    let words = json!({ "type": "string", "enum": TRANSFORMS.map(|transform| transform.kind) });
    let table = |transform: &Transform| {
        let number = |(name, least): &(&str, Bound)| ((*name).to_owned(), number(*least, Bound::Open));
        let mut properties: serde_json::Map<_, _> = transform.numbers.iter().map(number).collect();
        properties.insert("kind".to_owned(), json!({ "const": transform.kind }));
        json!({ "type": "object", "required": ["kind"], "additionalProperties": false, "properties": properties })
    };
    let of_column = either(std::iter::once(words.clone()).chain(TRANSFORMS.iter().map(table)).collect());
    either(vec![words, json!({ "type": "object", "minProperties": 1, "additionalProperties": of_column })])
}

fn number(min: Bound, max: Bound) -> Value {
    let mut number = json!({ "type": "number" });
    for (bound, inclusive, exclusive) in [(min, "minimum", "exclusiveMinimum"), (max, "maximum", "exclusiveMaximum")] {
        match bound {
            Bound::Open => {}
            Bound::Inclusive(value) => merge(&mut number, json!({ inclusive: value })),
            Bound::Exclusive(value) => merge(&mut number, json!({ exclusive: value })),
        }
    }
    number
}
