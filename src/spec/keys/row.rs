//! How a row of the table of keys is written.

use std::sync::Arc;

use super::{Fallback, Key, Since};
use crate::spec::kind::{Bound, Kind};
use crate::spec::node;
use crate::spec::source::Source;
use crate::spec::variant::When;

/// A row as it is written: a [`Key`] whose default is still text.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(super) path: &'static str,
    kind: Kind,
    default: Fallback,
    unit: &'static str,
    doc: &'static str,
    when: When,
    reason: &'static str,
    since: Since,
    formerly: Option<&'static str>,
}

/// Path, kind, default, unit and meaning of a key that every variant uses, and that the first release had.
pub(crate) const fn row(
    path: &'static str,
    kind: Kind,
    default: Fallback,
    unit: &'static str,
    doc: &'static str,
) -> Row {
    Row { path, kind, default, unit, doc, when: When::Always, reason: "", since: Since::First, formerly: None }
}

impl Row {
    /// Only this variant uses it.
    pub(super) const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// Why its range ends where it does.
    pub(super) const fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }

    /// It came later.
    pub(crate) const fn since(self, since: Since) -> Self {
        Self { since, ..self }
    }

    /// Its default was another one, as TOML, until it was measured which is best.
    pub(crate) const fn formerly(self, value: &'static str) -> Self {
        Self { formerly: Some(value), ..self }
    }

    pub(crate) fn key(self) -> Key {
        let Self { path, kind, default, unit, doc, when, reason, since, formerly } = self;
        // A test holds every default to be valid TOML and of its key's kind.
        let read = |text| {
            let source: Arc<Source> = Source::new("default", text, 0);
            let node = node::parse_value(&source, 0, text).ok();
            node.and_then(|node| kind.check(path, &node, &mut Vec::new()))
        };
        let value = match default {
            Fallback::Value(text) => read(text),
            Fallback::Required | Fallback::Absent => None,
        };
        Key {
            path,
            kind,
            default,
            unit,
            doc,
            when,
            reason,
            since,
            formerly,
            first_value: formerly.and_then(read),
            value,
        }
    }
}

/// Longest run, in steps.
pub(super) const MAX_STEPS: i64 = 1_000_000_000;

pub(super) const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

pub(super) const fn float(min: Bound, max: Bound) -> Kind {
    Kind::Float { min, max }
}

pub(crate) const fn choice(of: &'static [&'static str]) -> Kind {
    Kind::Choice { of, refused: &[] }
}

pub(super) const fn amount(file: bool, fresh: bool) -> Kind {
    Kind::Amount { file, fresh }
}
