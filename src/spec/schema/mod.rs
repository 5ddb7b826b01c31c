//! The JSON Schema of a spec, made from the table of [`keys`](super::keys): completion and first checks in an editor.
//!
//! Draft 7, which both Taplo and Tombi read. Every key has a definition that says what it takes (`value`) and one that says
//! how it is swept (`sweep`), under its dotted path; tables refer to them. Which keys a variant uses is said by conditions on the whole spec (`variants`). What no schema can say (files that are not there,
//! values that do not go together) is named in the tests; `runner check` says it.

mod sweep;
mod value;
mod variants;

use serde_json::{Map, Value, json};

use super::keys::{self, Key, SECTIONS, SHORT_FORMS, split};
use super::reference::{meaning, used};

/// The schema as a JSON document.
pub fn schema() -> Value {
    let mut root = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "runner",
        "description": "An experiment with Real NVP flows.",
    });
    merge(&mut root, section(""));
    merge(&mut root, json!({ "allOf": variants::rules(), "definitions": definitions() }));
    root
}

/// What tables refer to.
fn definitions() -> Map<String, Value> {
    let keys = keys::in_order().map(|(path, rows)| (path.to_owned(), property(rows)));
    keys.chain(sweep::definitions()).collect()
}

/// Refers to the definition of `name`.
fn defined(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

/// The table of all keys and sections that stand directly in `section`; the whole spec for the empty one.
fn section(path: &str) -> Value {
    let mut properties = Map::new();
    for (key, _) in keys::in_order().filter(|(key, _)| split(key).0 == path) {
        properties.insert(split(key).1.to_owned(), defined(key));
    }
    for (inner, doc) in SECTIONS.iter().filter(|(inner, _)| split(inner).0 == path && !properties_are_keys(inner)) {
        let mut table = section(inner);
        if let Some((_, key)) = SHORT_FORMS.iter().find(|(long, _)| long == inner) {
            table = json!({ "anyOf": [table, defined(key)] });
        }
        merge(&mut table, json!({ "description": doc }));
        properties.insert(split(inner).1.to_owned(), table);
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// Whether a section is a key of its own, whose value has keys that are not those of a table of keys.
fn properties_are_keys(section: &str) -> bool {
    keys::rows(section).is_some()
}

/// One key: what it takes in any variant, its default where all agree on it, and what it means in each.
fn property(rows: &[&Key]) -> Value {
    let mut property = value::any_of(rows[0].path());
    merge(&mut property, json!({ "description": description(rows) }));
    if let Some(default) = rows[0].default_value()
        && rows.iter().all(|row| row.default_value() == Some(default))
    {
        merge(&mut property, json!({ "default": default }));
    }
    property
}

fn description(rows: &[&Key]) -> String {
    let line = |row: &&Key| {
        let default = match row.default_value() {
            Some(default) if rows.len() > 1 => format!(" Default: {default}."),
            _ => String::new(),
        };
        let used = if row.used_always() { String::new() } else { format!(" Used: {}.", used(row.when)) };
        format!("{}{default}{used}", meaning(row))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n\n")
}

/// Adds the members of `more` to the object `schema`.
fn merge(schema: &mut Value, more: Value) {
    if let (Value::Object(schema), Value::Object(more)) = (schema, more) {
        schema.extend(more);
    }
}
