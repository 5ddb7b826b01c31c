//! Which keys came after the first release, and what they are in the hash of a spec.

use serde_json::Value;

use super::Key;

/// Since when a key is there. The hash of a spec names its results, so it must stay what it is when a release adds a key:
/// finished trials would be trained again otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Since the first release: its value is always hashed.
    First,
    /// Since a later one: its value is hashed where it is not the default that the key's first row had first, for that is what
    /// earlier releases did.
    Later,
    /// Since a later one, in place of the key of this path: of each pair, the first is a word of this key, and the second, as
    /// JSON, the value of the old one that said the same and is hashed for it. Other words are hashed as those of a later key.
    InPlaceOf(&'static str, &'static [(&'static str, &'static str)]),
}

impl Key {
    /// The path and the value, as JSON, that stand in the hash for `value` of this key; `None` where nothing does.
    pub(crate) fn hashed(&self, value: &Value) -> Option<(&'static str, String)> {
        if let Since::InPlaceOf(old, words) = self.since
            && let Some((_, then)) = words.iter().find(|(word, _)| value.as_str() == Some(word))
        {
            return Some((old, (*then).to_owned()));
        }
        let is_default = || self.first_default().and_then(|it| serde_json::to_value(it).ok()).as_ref() == Some(value);
        (self.since == Since::First || !is_default()).then(|| (self.path, value.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::row::{Row, choice, float, integer, row};
    use super::super::{Fallback, groups};
    use super::*;
    use crate::spec::kind::Bound::Open;

    #[test]
    fn keys_of_the_first_release_are_always_hashed_and_later_ones_where_they_are_not_at_their_default() {
        let whole = row("a.whole", integer(0, 9), Fallback::Value("3"), "", "");
        let number = row("a.number", float(Open, Open), Fallback::Value("2"), "", "");
        let absent = row("a.word", choice(&[".", ","]), Fallback::Absent, "", "");
        let later = |row: Row| row.since(Since::Later);
        let cases = [
            (whole, json!(3), Some("3")),
            (later(whole), json!(3), None),
            (later(whole), json!(4), Some("4")),
            (number, json!(2.0), Some("2.0")),
            (later(number), json!(2.0), None),
            (later(number), json!(2.5), Some("2.5")),
            (later(absent), json!("."), Some("\".\"")),
            // What is hashed stays what it is when a default changes.
            (later(number).formerly("1.5"), json!(1.5), None),
            (later(number).formerly("1.5"), json!(2.0), Some("2.0")),
            (whole.formerly("2"), json!(2), Some("2")),
        ];
        for (row, value, expected) in cases {
            let key = row.key();
            let expected = expected.map(|text| (key.path, text.to_owned()));
            assert_eq!(key.hashed(&value), expected, "{} {:?} {value}", key.path, key.since);
        }
    }

    /// The hash does not know the variant, so it asks the first row.
    #[test]
    fn the_rows_of_a_key_agree_since_when_it_is_there() {
        for (path, rows) in groups() {
            assert!(rows.iter().all(|row| row.since == rows[0].since), "{path}");
        }
    }
}
