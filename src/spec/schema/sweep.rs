//! `[sweep.parameters]` as a schema.

use serde_json::{Map, Value, json};

use super::{defined, value};
use crate::spec::keys::{self, SECTIONS, SHORT_FORMS, split};
use crate::spec::sweep::MAX_TRIALS;

/// The table of keys to sweep: by their dotted paths, or, without quotes, in tables.
pub(super) fn parameters() -> Value {
    let mut properties = swept("");
    let paths: Vec<_> = paths().collect();
    for path in &paths {
        properties.insert((*path).to_owned(), axis(path));
    }
    for (short, long) in SHORT_FORMS {
        properties.insert((*short).to_owned(), axis(long));
    }
    let shorts = SHORT_FORMS.iter().map(|(short, _)| *short);
    let one = paths.iter().copied().chain(shorts).map(|path| path.replace('.', "\\.")).collect::<Vec<_>>().join("|");
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": {
            format!("^ *({one}) *(, *({one}) *)+$"): {
                "description": "Keys swept together: one list of values for each point.",
                "type": "array",
                "items": { "type": "array", "minItems": 2 },
                "minItems": 1,
                "maxItems": MAX_TRIALS,
            },
        },
        "additionalProperties": false,
    })
}

/// The keys that can be swept.
fn paths() -> impl Iterator<Item = &'static str> {
    keys::in_order().map(|(path, _)| path).filter(|path| !keys::is_not_swept(path))
}

/// The swept keys and tables of them directly in `section`.
fn swept(section: &str) -> Map<String, Value> {
    let mut properties = Map::new();
    for path in paths().filter(|path| split(path).0 == section) {
        properties.insert(split(path).1.to_owned(), axis(path));
    }
    for (inner, doc) in SECTIONS.iter().filter(|(inner, _)| split(inner).0 == section && !keys::is_not_swept(inner)) {
        let table = json!({ "type": "object", "properties": swept(inner), "additionalProperties": false });
        let mut table = match SHORT_FORMS.iter().find(|(short, _)| short == inner) {
            Some((_, long)) => json!({ "anyOf": [table, axis(long)] }),
            None => table,
        };
        super::merge(&mut table, json!({ "description": doc }));
        properties.insert(split(inner).1.to_owned(), table);
    }
    properties
}

/// How each key is swept, and what all ranges have.
pub(super) fn definitions() -> impl Iterator<Item = (String, Value)> {
    paths().map(|path| (name(path), values(path))).chain([("range".to_owned(), range())])
}

fn name(path: &str) -> String {
    format!("sweep.parameters.{path}")
}

/// Refers to how the key `path` is swept.
fn axis(path: &str) -> Value {
    defined(&name(path))
}

/// The values of one key: a list, or a range where they are numbers.
fn values(path: &str) -> Value {
    let one = defined(path);
    let mut axes = vec![json!({ "type": "array", "items": one, "minItems": 1, "maxItems": MAX_TRIALS })];
    if keys::rows(path).is_some_and(|(_, rows)| rows.iter().any(|row| row.kind.is_number())) {
        axes.push(json!({ "allOf": [defined("range"), { "properties": { "min": one, "max": one } }] }));
    }
    value::either(axes)
}

fn range() -> Value {
    json!({
        "type": "object",
        "properties": {
            "min": { "description": "Least value.", "type": "number" },
            "max": { "description": "Greatest value.", "type": "number" },
            "scale": {
                "description": "What is evenly spread: the values or their logarithms.",
                "type": "string",
                "enum": ["linear", "log"],
                "default": "linear",
            },
            "step": { "description": "Distance of the values.", "type": "number", "exclusiveMinimum": 0 },
            "points": {
                "description": "Number of values; in a grid.",
                "type": "integer",
                "minimum": 2,
                "maximum": MAX_TRIALS,
            },
            "integer": { "description": "Whole numbers only.", "type": "boolean" },
        },
        "required": ["min", "max"],
        "additionalProperties": false,
        "not": { "anyOf": [
            { "required": ["step", "points"] },
            { "required": ["step", "scale"], "properties": { "scale": { "const": "log" } } },
        ] },
    })
}
