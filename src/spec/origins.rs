//! A resolved spec with where each of its values comes from.

use std::fmt::Write;

use super::earlier::NAME;
use super::keys::rows;
use super::load::ResolvedExperiment;

impl ResolvedExperiment {
    /// The resolved spec as TOML, each value with a comment: `file:line`, the option that set it, or `default`. Where
    /// there is a sweep, the swept keys stand at their first values.
    pub fn to_annotated_toml(&self) -> String {
        let mut text = String::new();
        // What was just written reads again.
        if let Ok(table) = self.spec.to_toml().parse() {
            self.write_table(&mut text, "", &table);
        }
        text
    }

    fn write_table(&self, text: &mut String, section: &str, table: &toml::Table) {
        let path = |key: &str| if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        // A key whose value is a table stands in one line.
        let is_section = |key: &str, value: &toml::Value| value.is_table() && rows(&path(key)).is_none();
        let (tables, values): (Vec<_>, Vec<_>) = table.iter().partition(|(key, value)| is_section(key, value));
        for (key, value) in values {
            // Writing to a string has no way to fail.
            let _ = writeln!(text, "{key} = {value}  # {}", self.origin(&path(key)));
        }
        for (key, value) in tables {
            let _ = writeln!(text, "\n[{}]", path(key));
            if let toml::Value::Table(inner) = value {
                self.write_table(text, &path(key), inner);
            }
        }
    }

    fn origin(&self, path: &str) -> String {
        let swept = self.sweep.iter().flat_map(|sweep| &sweep.axes).find(|axis| axis.keys.contains(&path));
        let place = match (swept, self.settings.get(path)) {
            (Some(axis), _) => &axis.place,
            (None, Some(setting)) => &setting.node.place,
            (None, None) if path == "name" => return "the file's name".to_owned(),
            (None, None) => return "default".to_owned(),
        };
        let name = &place.source.name;
        let from = if name.starts_with("--") || name == NAME {
            name.clone()
        } else {
            format!("{name}:{}", place.source.line(place.span.start).0)
        };
        if swept.is_some() { format!("{from}, swept") } else { from }
    }
}
