//! Reading `dataset.transform`: a word for all columns, or a table of them.

use super::check::number;
use super::diagnostics::{Diagnostic, quoted};
use super::kind::{Bound, Kind};
use super::node::{Entry, Node, Value};
use super::suggest::choose;

/// A transform as a spec names it.
pub(crate) struct Transform {
    /// Its word.
    pub kind: &'static str,
    /// The numbers that may stand beside it, and the ends of what they may be.
    pub numbers: &'static [(&'static str, Bound)],
}

/// All transforms.
pub(crate) const TRANSFORMS: [Transform; 3] = [
    Transform { kind: "log", numbers: &[("low", Bound::Open)] },
    Transform { kind: "logit", numbers: &[("low", Bound::Open), ("high", Bound::Open)] },
    Transform { kind: "symlog", numbers: &[("scale", Bound::Exclusive(0.0))] },
];

/// Words with a reason of their own for not being taken.
const REFUSED: [(&str, &str); 2] = [
    (
        "period",
        "a flow on the line has no density that closes on a circle; shift the angles so that the cut falls where there are few \
         rows, \
         and use \"logit\" between its two ends",
    ),
    ("quantile", "its map is as rough as the training rows are few; `symlog` shortens tails"),
];

/// The canonical form of what was written for `path`: the word, or by column a table with the kind and its numbers.
pub(super) fn read(path: &str, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<toml::Value> {
    let Value::Table(entries) = &node.value else {
        return named(node, path, problems).map(|transform| transform.kind.into());
    };
    if entries.is_empty() {
        let help = "write `{ price = \"log\" }`, or leave the key out";
        problems.push(Diagnostic::error(&node.place, format!("`{path}` names no column")).help(help));
        return None;
    }
    // All are checked before any may end it.
    let columns = entries.iter().map(|entry| Some((entry.key.clone(), column(path, entry, problems)?)));
    let columns: Vec<_> = columns.collect();
    Some(columns.into_iter().collect::<Option<toml::Table>>()?.into())
}

/// What one column goes through.
fn column(path: &str, entry: &Entry, problems: &mut Vec<Diagnostic>) -> Option<toml::Value> {
    let path = format!("{path}.{}", entry.key);
    let Value::Table(parts) = &entry.node.value else {
        let transform = named(&entry.node, &path, problems)?;
        return Some(complete(transform, toml::Table::new()).into());
    };
    let Some(kind) = parts.iter().find(|part| part.key == "kind") else {
        let problem = Diagnostic::error(&entry.node.place, format!("`{path}` has no `kind`"));
        problems.push(problem.help("write it like `{ kind = \"log\", low = 2 }`"));
        return None;
    };
    let transform = named(&kind.node, &path, problems)?;
    let before = problems.len();
    let mut table = toml::Table::new();
    for part in parts.iter().filter(|part| part.key != "kind") {
        let Some((_, least)) = transform.numbers.iter().find(|(name, _)| *name == part.key) else {
            let message = format!("`{}` takes no {}", transform.kind, quoted(&part.key));
            let help = choose(&part.key, transform.numbers.iter().map(|(name, _)| *name));
            problems.push(Diagnostic::error(&part.place, message).help(help));
            continue;
        };
        let (path, float) = (format!("{path}.{}", part.key), Kind::Float { min: *least, max: Bound::Open });
        match part.node.value {
            Value::Integer(_) | Value::Float(_) => {
                let value = number(&path, &part.node, *least, Bound::Open, &float, problems);
                table.extend(value.map(|value| (part.key.clone(), value.into())));
            }
            _ => {
                let message = format!("`{path}` takes {float}, not {}", part.node.value.type_name());
                problems.push(Diagnostic::error(&part.node.place, message));
            }
        }
    }
    let table = complete(transform, table);
    let end = |name: &str| table.get(name).and_then(toml::Value::as_float);
    if let (Some(low), Some(high)) = (end("low"), end("high"))
        && low >= high
    {
        let message = format!("`{path}`: nothing lies between {low} and {high}");
        problems.push(Diagnostic::error(&entry.node.place, message).help("`low` is less than `high`"));
    }
    (problems.len() == before).then(|| table.into())
}

/// `table` with the kind, and with the ends that were left out: 0 and 1.
fn complete(transform: &Transform, mut table: toml::Table) -> toml::Table {
    table.insert("kind".to_owned(), transform.kind.into());
    for (name, end) in [("low", 0.0), ("high", 1.0)] {
        if transform.numbers.iter().any(|(number, _)| *number == name) && !table.contains_key(name) {
            table.insert(name.to_owned(), end.into());
        }
    }
    table
}

/// The transform that a word names.
fn named(node: &Node, path: &str, problems: &mut Vec<Diagnostic>) -> Option<&'static Transform> {
    let Value::Text(word) = &node.value else {
        let message = format!("`{path}` takes {}, not {}", Kind::Transforms, node.value.type_name());
        problems.push(Diagnostic::error(&node.place, message));
        return None;
    };
    let found = TRANSFORMS.iter().find(|transform| transform.kind == word);
    if found.is_none() {
        let words = TRANSFORMS.iter().map(|transform| transform.kind);
        problems.push(match REFUSED.iter().find(|(refused, _)| refused == word) {
            Some((_, why)) => Diagnostic::error(&node.place, format!("`{path}`: \"{word}\" is not offered")).help(*why),
            None => {
                Diagnostic::error(&node.place, format!("unknown transform {}", quoted(word))).help(choose(word, words))
            }
        });
    }
    found
}
