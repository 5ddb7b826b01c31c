//! TOML values that remember where they stand.

use std::fmt;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::Diagnostic;
use super::source::{Place, Source};

/// More syntax errors than this only say again that the file is no TOML.
const SYNTAX_ERRORS: usize = 50;

/// A value at its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    /// An integer beyond 64 bits.
    Huge,
    Float(f64),
    Bool(bool),
    Time,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

impl Value {
    /// The name of the type, with its article.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) | Self::Huge => "an integer",
            Self::Float(_) => "a float",
            Self::Bool(_) => "a boolean",
            Self::Time => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// The value as TOML, up to the spelling of its numbers.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: Vec<String>| nodes.join(", ");
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Huge => f.write_str("an integer beyond 64 bits"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Time => f.write_str("a date or time"),
            Self::List(items) => write!(f, "[{}]", list(items.iter().map(|item| item.value.to_string()).collect())),
            Self::Table(entries) => {
                let entry = |entry: &Entry| format!("{} = {}", entry.key, entry.node.value);
                write!(f, "{{ {} }}", list(entries.iter().map(entry).collect()))
            }
        }
    }
}

/// Reads a whole document; syntax errors go to `problems` and what could be read is returned.
pub(crate) fn parse_document(source: &Arc<Source>, problems: &mut Vec<Diagnostic>) -> Vec<Entry> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    report(source, 0, &errors, problems);
    entries(source, 0, table.get_ref())
}

/// Reads `text`, the part of `source` from byte `offset` on, as one value.
pub(crate) fn parse_value(source: &Arc<Source>, offset: usize, text: &str) -> Result<Node, Vec<Diagnostic>> {
    let (value, errors) = DeValue::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(node(source, offset, &value));
    }
    let mut problems = Vec::new();
    report(source, offset, &errors, &mut problems);
    Err(problems)
}

/// Turns the errors of the TOML parser into diagnostics.
pub(crate) fn report(source: &Arc<Source>, offset: usize, errors: &[toml::de::Error], problems: &mut Vec<Diagnostic>) {
    problems.extend(errors.iter().take(SYNTAX_ERRORS).map(|error| {
        let place = place(source, offset, error.span().unwrap_or(0..0));
        let problem = Diagnostic::error(&place, format!("this is not valid TOML: {}", error.message()));
        match without_comma(&source.text, place.span.start) {
            Some(help) => problem.help(help),
            None => problem,
        }
    }));
}

/// How to write the number of which a comma stands at byte `at` of `text`, if there is one.
fn without_comma(text: &str, at: usize) -> Option<String> {
    let (before, behind) = (text.get(..at)?, text.get(at..)?.strip_prefix(',')?);
    let is_digit = |c: char| c.is_ascii_digit();
    let whole = &before[before.trim_end_matches(is_digit).len()..];
    let end = behind.find(|c: char| !is_digit(c) && c != ',').unwrap_or(behind.len());
    let groups: Vec<&str> = behind[..end].split(',').collect();
    match &*groups {
        _ if whole.is_empty() || groups.iter().any(|group| group.is_empty()) => None,
        groups if whole.len() <= 3 && !whole.starts_with('0') && groups.iter().all(|group| group.len() == 3) => {
            Some(format!(
                "write `{whole}_{}` or `{whole}{}`: no comma stands in a number",
                groups.join("_"),
                groups.concat()
            ))
        }
        [decimals] => Some(format!("write `{whole}.{decimals}`: decimals stand behind a point")),
        _ => None,
    }
}

fn place(source: &Arc<Source>, offset: usize, span: std::ops::Range<usize>) -> Place {
    Place { source: Arc::clone(source), span: span.start + offset..span.end + offset }
}

/// The entries of a parsed table. Recursion is as deep as the parser allows: 80 levels.
pub(crate) fn entries(source: &Arc<Source>, offset: usize, table: &DeTable<'_>) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        Entry {
            key: key.get_ref().to_string(),
            place: place(source, offset, key.span()),
            node: node(source, offset, value),
        }
    };
    table.iter().map(entry).collect()
}

fn node(source: &Arc<Source>, offset: usize, value: &Spanned<DeValue<'_>>) -> Node {
    let read = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Huge, Value::Integer)
        }
        // The parser has accepted it, so it parses; a number too large becomes infinite, which every check refuses.
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(_) => Value::Time,
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(source, offset, item)).collect()),
        DeValue::Table(table) => Value::Table(entries(source, offset, table)),
    };
    Node { place: place(source, offset, value.span()), value: read }
}
