//! What the command line changes in every spec: `--set KEY=VALUE`, `--seeds`, `--device`.

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::de::DeTable;

use super::diagnostics::Diagnostic;
use super::keys;
use super::kind::Kind;
use super::node::{self, Entry, Node, Value};
use super::settings::{Setting, Settings};
use super::source::{Place, Source};

/// The options of one command that override keys of its specs; later ones win.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    texts: Vec<String>,
    seeds: Option<String>,
    device: Option<String>,
}

impl Overrides {
    /// Takes one `--set`: a dotted key, `=`, and a TOML value, or a bare word which is taken as a string.
    #[must_use]
    pub fn set(mut self, text: impl Into<String>) -> Self {
        self.texts.push(text.into());
        self
    }

    /// Takes `--seeds`: `0,1,2`, or as in a spec `[0, 1, 2]`.
    #[must_use]
    pub fn seeds(mut self, text: Option<String>) -> Self {
        self.seeds = text;
        self
    }

    /// Takes `--device`: `cpu`, `cuda` or `cuda:N`.
    #[must_use]
    pub fn device(mut self, text: Option<String>) -> Self {
        self.device = text;
        self
    }

    /// The settings of all overrides, laid over each other, and which keys tell trials apart.
    pub(crate) fn read(&self, first_order: usize, problems: &mut Vec<Diagnostic>) -> OverrideLayer {
        let mut layer = OverrideLayer::default();
        for (i, text) in self.texts.iter().enumerate() {
            let source = Source::new("--set", text.as_str(), first_order + i);
            let mut settings = read_set(&source, problems);
            if let Some(extends) = settings.take("extends") {
                let problem = Diagnostic::error(&extends.key, "`extends` cannot be overridden");
                problems.push(problem.help("override the keys that the other base would change"));
            }
            layer.keys.extend(settings.paths().filter(|path| tells_apart(path)));
            layer.settings.lay_over(&settings);
        }
        let order = first_order + self.texts.len();
        if let Some(text) = &self.seeds {
            let source = Source::new("--seeds", text.as_str(), order);
            // `0,1,2` is what a shell user types for a list, and `3` for the seed 3.
            let toml = text.trim_start().starts_with('[');
            let node = if toml { node::parse_value(&source, 0, text) } else { seed_list(&source) };
            layer.replace("seeds", &source, node, problems);
        }
        if let Some(text) = &self.device {
            let source = Source::new("--device", text.as_str(), order + 1);
            let node = Node { place: whole(&source), value: Value::Text(text.clone()) };
            layer.replace("device", &source, Ok(node), problems);
        }
        layer
    }
}

impl From<&[String]> for Overrides {
    fn from(texts: &[String]) -> Self {
        Self { texts: texts.to_vec(), ..Self::default() }
    }
}

impl From<&Vec<String>> for Overrides {
    fn from(texts: &Vec<String>) -> Self {
        texts.as_slice().into()
    }
}

/// What the overrides of a command say.
#[derive(Clone, Debug, Default)]
pub(crate) struct OverrideLayer {
    pub settings: Settings,
    /// Overridden keys that stand in the identity of a trial.
    pub keys: BTreeSet<&'static str>,
}

impl OverrideLayer {
    fn replace(
        &mut self,
        path: &'static str,
        source: &Arc<Source>,
        node: Result<Node, Vec<Diagnostic>>,
        problems: &mut Vec<Diagnostic>,
    ) {
        match node {
            Ok(node) => self.settings.set(path, Setting { key: whole(source), node }),
            Err(found) => problems.extend(found),
        }
    }
}

fn tells_apart(path: &str) -> bool {
    !matches!(path, "name" | "seeds" | "device") && !path.starts_with("sweep.")
}

fn whole(source: &Arc<Source>) -> Place {
    Place { source: Arc::clone(source), span: 0..source.text.len() }
}

/// Reads the text of one `--set`.
fn read_set(source: &Arc<Source>, problems: &mut Vec<Diagnostic>) -> Settings {
    let text = &source.text;
    let Some(equals) = position_of_equals(text) else {
        let problem = Diagnostic::error(&whole(source), "an override is `KEY=VALUE`, and this has no `=`");
        problems.push(problem.help("write it like `--set model.depth=4`"));
        return Settings::default();
    };
    // The parser reads the key as that of a document of one line; the spans stay those of the override.
    let document = format!("{}=0", &text[..equals]);
    let (table, errors) = DeTable::parse_recoverable(&document);
    if !errors.is_empty() {
        node::report(source, 0, &errors, problems);
        return Settings::default();
    }
    let mut entries = node::entries(source, 0, table.get_ref());
    if entries.len() != 1 {
        problems.push(
            Diagnostic::error(&whole(source), "an override sets one key").help("write it like `--set model.depth=4`"),
        );
        return Settings::default();
    }
    let value_text = text[equals + 1..].trim();
    let start = text.len() - text[equals + 1..].trim_start().len();
    let kind = kind_of(&entries);
    let value = match read_value(source, start, value_text).map(|value| as_meant(kind, value, value_text)) {
        Ok(value) => value,
        Err(found) => {
            problems.extend(found);
            return Settings::default();
        }
    };
    let mut deepest = &mut entries;
    loop {
        match deepest.first_mut().map(|entry| &mut entry.node) {
            Some(Node { value: Value::Table(inner), .. }) => deepest = inner,
            Some(leaf) => {
                *leaf = value;
                break;
            }
            None => break,
        }
    }
    Settings::read(entries, problems)
}

/// The first `=` outside quotes.
fn position_of_equals(text: &str) -> Option<usize> {
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (None, '=') => return Some(i),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The kind of the key that `entries`, one inside the other, name; of several rows the first is enough to tell words from numbers.
fn kind_of(entries: &[Entry]) -> Option<Kind> {
    let mut path = Vec::new();
    let mut here = entries.first();
    while let Some(entry) = here {
        path.push(entry.key.as_str());
        here = match &entry.node.value {
            Value::Table(inner) => inner.first(),
            _ => None,
        };
    }
    keys::rows(&path.join(".")).map(|(_, rows)| rows[0].kind)
}

/// `value` as a key of `kind` takes it, where the shell user wrote `text` without the quotes and brackets of TOML: `2024` for a name,
/// `a,b` for a list of strings, `\t` for a tab.
fn as_meant(kind: Option<Kind>, value: Node, text: &str) -> Node {
    let place = value.place.clone();
    let word = |text: &str| Value::Text(text.to_owned());
    let quoted = text.starts_with(['"', '\'']);
    let meant = match (kind, &value.value) {
        (Some(Kind::Name | Kind::Path | Kind::Text(_)), it) if !matches!(it, Value::Text(_) | Value::List(_)) => {
            word(text)
        }
        (Some(Kind::Character), Value::Text(it)) if it == "\\t" => word("\t"),
        (Some(Kind::Texts | Kind::Words(_)), it) if !matches!(it, Value::List(_)) => {
            let names =
                if quoted { vec![text.trim_matches(['"', '\''])] } else { text.split(',').map(str::trim).collect() };
            Value::List(names.into_iter().map(|name| Node { place: place.clone(), value: word(name) }).collect())
        }
        (_, it) => it.clone(),
    };
    Node { place, value: meant }
}

/// A TOML value, or a bare word: what no shell user wants to quote. The same holds in a list, of which the shell has taken the quotes.
fn read_value(source: &Arc<Source>, start: usize, text: &str) -> Result<Node, Vec<Diagnostic>> {
    let place = Place { source: Arc::clone(source), span: start..start + text.len() };
    if text.is_empty() {
        let problem = Diagnostic::error(&place, "an override needs a value behind `=`");
        return Err(vec![problem.help("an empty string is written `''`")]);
    }
    let looks_like_toml = text.starts_with(['"', '\'', '[', '{']);
    match node::parse_value(source, start, text) {
        Err(_) if !looks_like_toml && !text.contains(['\n', '\r']) => {
            Ok(Node { place, value: Value::Text(text.to_owned()) })
        }
        Err(problems) => match bare_list(text) {
            Some(items) => {
                let item =
                    |item: &str| read_value(source, start + (item.as_ptr() as usize - text.as_ptr() as usize), item);
                let items = items.into_iter().map(item).collect::<Result<_, _>>()?;
                Ok(Node { place, value: Value::List(items) })
            }
            None => Err(problems),
        },
        read => read,
    }
}

/// The words of `[moons, circles]`: a list of one level without quotes.
fn bare_list(text: &str) -> Option<Vec<&str>> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    let items: Vec<&str> = inside.split(',').map(str::trim).collect();
    let bare =
        !inside.contains(['"', '\'', '[', ']', '{', '}', '\n', '\r']) && items.iter().all(|item| !item.is_empty());
    bare.then_some(items)
}

/// The numbers of `0,1,2`.
fn seed_list(source: &Arc<Source>) -> Result<Node, Vec<Diagnostic>> {
    let mut items = Vec::new();
    let mut start = 0;
    for part in source.text.split(',') {
        let trimmed = part.trim();
        // A comma behind the last one is how to write a list of one.
        if !trimmed.is_empty() || start + part.len() < source.text.len() {
            let offset = start + part.len() - part.trim_start().len();
            items.push(read_value(source, offset, trimmed)?);
        }
        start += part.len() + 1;
    }
    Ok(Node { place: whole(source), value: Value::List(items) })
}
