//! What values a key takes.

use std::fmt;

use crate::toys::TOYS;

/// The values a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number, both ends included.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// A finite number; whole numbers are taken too.
    Float {
        /// Lower end.
        min: Bound,
        /// Upper end.
        max: Bound,
    },
    /// A finite number, or a word in its place.
    NumberOr {
        /// Lower end.
        min: Bound,
        /// Upper end.
        max: Bound,
        /// The word.
        word: &'static str,
    },
    /// `true` or `false`.
    Bool,
    /// One of a list of words; `refused` are words with a reason of their own for not being taken.
    Choice {
        /// The words that are taken.
        of: &'static [&'static str],
        /// Words that are not taken, each with the reason.
        refused: &'static [(&'static str, &'static str)],
    },
    /// The name of a toy.
    Toy,
    /// A name for a folder.
    Name,
    /// A path to a file.
    Path,
    /// `cpu`, `cuda` or `cuda:N`.
    Device,
    /// A list of different seeds, or how many, counted from 0.
    Seeds,
    /// A list of different, non-empty strings.
    Texts,
    /// One character of ASCII.
    Character,
    /// A string that is not empty, and what it says.
    Text(&'static str),
    /// A column, by its name or its number.
    Column,
    /// A number of at least 0, or a list of such.
    Steps,
    /// The name of a transform, or a table of them by column.
    Transforms,
    /// A list of two finite numbers.
    Pair {
        /// Lower end, of both.
        min: Bound,
        /// Upper end, of both.
        max: Bound,
    },
    /// A list of different words of these.
    Words(&'static [&'static str]),
    /// Height and width of images, pixels.
    Size,
    /// A number of rows; with `file` also a fraction of a file's rows or another file, with `fresh` also the word
    /// `fresh`.
    Amount {
        /// Whether it may also be a fraction or another file.
        file: bool,
        /// Whether it may also be the word `fresh`.
        fresh: bool,
    },
    /// The table `[sweep.parameters]`.
    Parameters,
}

/// An end of a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// No end.
    Open,
    /// An end that belongs to the range.
    Inclusive(f64),
    /// An end that does not belong to the range.
    Exclusive(f64),
}

impl Bound {
    pub(crate) fn allows_from_below(self, value: f64) -> bool {
        match self {
            Self::Open => true,
            Self::Inclusive(min) => value >= min,
            Self::Exclusive(min) => value > min,
        }
    }

    pub(crate) fn allows_from_above(self, value: f64) -> bool {
        match self {
            Self::Open => true,
            Self::Inclusive(max) => value <= max,
            Self::Exclusive(max) => value < max,
        }
    }
}

impl Kind {
    /// Most rows of a part of the data.
    pub const MAX_ROWS: i64 = 1_000_000_000;
    /// Most pixels of a side of an image.
    pub const MAX_SIDE: i64 = 65_536;
    /// Most strings in a list.
    pub const MAX_TEXTS: usize = 10_000;
    /// Most seeds of an experiment.
    pub const MAX_SEEDS: usize = 10_000;

    /// The words to choose from, where the kind is a choice.
    pub fn choices(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::Choice { of, .. } => Some(of.to_vec()),
            Self::Toy => Some(TOYS.iter().map(|toy| toy.name).collect()),
            _ => None,
        }
    }

    /// Whether ranges of a sweep make sense.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Integer { .. } | Self::Float { .. } | Self::NumberOr { .. } | Self::Amount { .. })
    }
}

/// What a value should have been, with its article.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer { min, max: i64::MAX } => write!(f, "an integer of at least {min}"),
            Self::Integer { min, max } => write!(f, "an integer from {min} to {max}"),
            Self::Float { min, max } => {
                f.write_str("a number")?;
                write_bounds(f, *min, *max)
            }
            Self::NumberOr { min, max, word } => {
                f.write_str("a number")?;
                write_bounds(f, *min, *max)?;
                write!(f, ", or \"{word}\"")
            }
            Self::Bool => f.write_str("`true` or `false`"),
            Self::Choice { .. } | Self::Toy => {
                let words = self.choices().unwrap_or_default();
                write!(f, "one of {}", super::suggest::listed(words).replace('`', "\""))
            }
            Self::Name => f.write_str("a string: the name of a folder"),
            Self::Path => f.write_str("a string: the path to a file"),
            Self::Device => f.write_str("\"cpu\", \"cuda\" or \"cuda:N\""),
            Self::Seeds => f.write_str("a list of integers of at least 0, or how many"),
            Self::Texts => f.write_str("a list of strings"),
            Self::Character => f.write_str("a string of one ASCII character"),
            Self::Text(what) => write!(f, "a string: {what}"),
            Self::Column => f.write_str("the name of a column, or its number: from 1, or from -1 backwards"),
            Self::Steps => f.write_str("a number of at least 0, or a list of them"),
            Self::Transforms => f.write_str("\"log\", \"logit\" or \"symlog\", or a table of them by column"),
            Self::Pair { min, max } => {
                f.write_str("a list of two numbers")?;
                write_bounds(f, *min, *max)
            }
            Self::Words(of) => {
                write!(f, "a list of {}", of.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" and "))
            }
            Self::Size => f.write_str("a list of two integers from 2 to 65536, height and width"),
            Self::Amount { file, fresh } => {
                f.write_str("a number of rows")?;
                f.write_str(if *file { " or a fraction between 0 and 1 or the path to a file" } else { "" })?;
                f.write_str(if *fresh { " or \"fresh\"" } else { "" })
            }
            Self::Parameters => f.write_str("a table of keys to sweep"),
        }
    }
}

fn write_bounds(f: &mut fmt::Formatter<'_>, min: Bound, max: Bound) -> fmt::Result {
    match min {
        Bound::Open => {}
        Bound::Inclusive(value) => write!(f, " of at least {value}")?,
        Bound::Exclusive(value) => write!(f, " above {value}")?,
    }
    let and = if min == Bound::Open { "" } else { " and" };
    match max {
        Bound::Open => Ok(()),
        Bound::Inclusive(value) => write!(f, "{and} at most {value}"),
        Bound::Exclusive(value) => write!(f, "{and} below {value}"),
    }
}
