//! Which keys a variant uses, as conditions on the whole spec.

use serde_json::{Value, json};

use super::value;
use crate::spec::keys::{self, Fallback, Key, SHORT_FORMS, split};
use crate::spec::variant::When;

/// All rules. A base (`extends`) may hold what decides them, and a sweep may change it, so specs that have one are
/// checked by `runner check` alone.
pub(super) fn rules() -> Value {
    let (of_sweeps, of_specs): (Vec<_>, Vec<_>) = keys::in_order()
        .flat_map(|(path, rows)| of(path, rows).into_iter().map(move |rule| (path.starts_with("sweep."), rule)))
        .partition(|(sweep, _)| *sweep);
    let together = |rules: Vec<(bool, Rule)>| grouped(rules.into_iter().map(|(_, rule)| rule));
    let names_data = json!({
        "required": ["dataset"],
        "properties": { "dataset": { "anyOf": [
            { "required": ["name"] },
            { "required": ["path"] },
            { "required": ["train"], "properties": { "train": { "type": "string" } } },
        ] } },
    });
    let of_specs: Vec<_> = std::iter::once(names_data).chain(together(of_specs)).collect();
    json!([
        { "if": { "not": { "required": ["extends"] } }, "then": { "allOf": together(of_sweeps) } },
        {
            "if": { "not": { "anyOf": [{ "required": ["extends"] }, { "required": ["sweep"] }] } },
            "then": { "allOf": of_specs },
        },
    ])
}

/// What must be met where something else is.
struct Rule {
    met: Value,
    then: Value,
}

/// One condition for all rules that share it.
fn grouped(rules: impl Iterator<Item = Rule>) -> Vec<Value> {
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for Rule { met, then } in rules {
        match groups.iter_mut().find(|(known, _)| *known == met) {
            Some((_, all)) => all.push(then),
            None => groups.push((met, vec![then])),
        }
    }
    groups.into_iter().map(|(met, all)| json!({ "if": met, "then": { "allOf": all } })).collect()
}

/// The rules of one key: it stays out of variants without a row of it, and takes what the row of its variant takes.
fn of(path: &str, rows: &[&Key]) -> Vec<Rule> {
    let mut rules = Vec::new();
    if !covers_all(rows) {
        rules.push(Rule { met: json!({ "not": any(rows) }), then: at(path, json!(false), false) });
    }
    let differ = rows.iter().any(|row| row.kind != rows[0].kind);
    for row in rows {
        let met = condition(&row.when);
        if differ {
            rules.push(Rule { met: met.clone(), then: at(path, value::of(&row.kind), false) });
        }
        if row.default == Fallback::Required {
            let section = at(split(path).0, json!(true), true);
            rules.push(Rule { met: json!({ "allOf": [section, met] }), then: at(path, json!(true), true) });
        }
    }
    rules
}

/// Whether every variant has a row.
fn covers_all(rows: &[&Key]) -> bool {
    let has = |wanted: &dyn Fn(&When) -> bool| rows.iter().any(|row| wanted(&row.when));
    let all = [When::Toy, When::File];
    has(&|when| *when == When::Always) || all.iter().all(|wanted| has(&|when| when == wanted))
}

/// Met where the condition of one of `rows` is.
fn any(rows: &[&Key]) -> Value {
    let words = |path: &str| {
        let words = rows.iter().map(|row| match row.when {
            When::Is(other, words) if other == path => Some(words),
            _ => None,
        });
        words.collect::<Option<Vec<_>>>()
    };
    match rows[0].when {
        When::Is(path, _) if let Some(words) = words(path) => is(path, &words.concat()),
        _ => value::either(rows.iter().map(|row| condition(&row.when)).collect()),
    }
}

/// Met by a spec for which `when` holds.
fn condition(when: &When) -> Value {
    match *when {
        When::Always => json!(true),
        When::Toy => at("dataset.name", json!(true), true),
        When::File => json!({ "not": at("dataset.name", json!(true), true) }),
        When::Is(path, words) => is(path, words),
        // The format may be told by an extension, which a schema cannot see.
        When::Format(words) => json!({ "not": { "anyOf": [
            at("dataset.name", json!(true), true),
            { "allOf": [at("dataset.format", json!(true), true), { "not": is("dataset.format", words) }] },
        ] } }),
        When::With(path) => at(path, json!(true), true),
        When::Without(path) => json!({ "not": at(path, json!(true), true) }),
        When::Both(one, other) => json!({ "allOf": [condition(one), condition(other)] }),
    }
}

/// Met where the key `path` has one of `words`, written or by default.
fn is(path: &str, words: &[&str]) -> Value {
    at(path, json!({ "enum": words }), !keys::default_word(path).is_some_and(|default| words.contains(&default)))
}

/// Met where the value of key `path` meets `schema`; `set`: and is written at all. The short form of a section counts as
/// its key.
fn at(path: &str, schema: Value, set: bool) -> Value {
    let mut found = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let (section, last) = split(rest);
        let short = SHORT_FORMS.iter().any(|(short, long)| *short == section && *long == path);
        let value = found.clone();
        found = json!({ "properties": { last: found } });
        if set {
            super::merge(&mut found, json!({ "required": [last] }));
        }
        if short {
            super::merge(&mut found, json!({ "type": "object" }));
            found = json!({ "anyOf": [found, { "type": "string", "allOf": [value] }] });
        }
        rest = section;
    }
    found
}
