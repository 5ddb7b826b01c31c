//! What can be wrong with a toy that is asked for.

/// A toy that cannot be made. A spec's toys are checked when the spec is, so this reaches those who use the library.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "every message tells what its fields are")]
pub enum ToyError {
    #[error("unknown toy `{name}`; known: {}", known.join(", "))]
    Unknown { name: String, known: Vec<&'static str> },
    #[error("toy `{name}` is not offered: {reason}")]
    Degenerate { name: &'static str, reason: &'static str },
    #[error("toy `{toy}` has no parameter `{name}`; {}", match known.as_slice() {
        [] => "it has none".to_owned(),
        known => format!("known: {}", known.join(", ")),
    })]
    UnknownParameter { toy: &'static str, name: String, known: Vec<&'static str> },
    #[error("toy `{toy}` has no components to be conditional on; those that have: {}", known.join(", "))]
    NoComponents { toy: &'static str, known: Vec<&'static str> },
    #[error("toy `{toy}`: `{name}` = {value} is out of range; it must lie in [{minimum}, {maximum}] ({reason})")]
    Range { toy: &'static str, name: &'static str, value: f64, minimum: f64, maximum: f64, reason: &'static str },
}
