//! The table of all keys of a spec. Checks, defaults, and what documents them come from here.
//!
//! A key has one row for each variant that treats it differently: `optimizer.momentum` has a row for sgd and one for
//! rmsprop with another default, and none for adam, so that setting it there is an error.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::diagnostics::Diagnostic;
use super::kind::{Bound, Kind};
use super::node::{self, Node, Value as Written};
use super::source::Source;
use super::variant::When;
use crate::toys::{self, TOYS};

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Key {
    path: Cow<'static, str>,
    pub kind: Kind,
    pub default: Fallback,
    /// `rows`, `steps`, …; empty where there is none.
    pub unit: &'static str,
    /// What the key means, in one line.
    pub doc: &'static str,
    /// The variant that uses it.
    pub when: When,
    /// Why its range ends where it does; empty where that needs no words.
    pub reason: &'static str,
    value: Option<toml::Value>,
}

/// What a key is where the spec leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It must be written.
    Required,
    /// It stays out, or is told by something else, as its line of documentation says.
    Absent,
    /// A value, as TOML.
    Value(&'static str),
}

impl Key {
    /// Its dotted path, such as `model.depth`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether every variant uses it.
    pub(crate) fn used_always(&self) -> bool {
        self.when == When::Always
    }

    /// The default in canonical form.
    pub fn default_value(&self) -> Option<&toml::Value> {
        self.value.as_ref()
    }

    /// Checks the value it was given, as [`Kind::check`] does, and says why a number is out of range.
    pub(crate) fn check(&self, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<toml::Value> {
        let before = problems.len();
        let value = self.kind.check(&self.path, node, problems);
        if !self.reason.is_empty() && matches!(node.value, Written::Integer(_) | Written::Float(_)) {
            problems[before..].iter_mut().for_each(|problem| problem.help = Some(self.reason.to_owned()));
        }
        value
    }
}

/// The sections: tables in which keys stand, and what each is about.
pub const SECTIONS: &[(&str, &str)] = &[
    ("dataset", "What is learned: a toy by `name`, or a file by `path`."),
    ("model", "The flow: a stack of coupling layers."),
    ("optimizer", "How the weights are moved."),
    ("optimizer.schedule", "The course of the learning rate; `schedule = \"cosine\"` is short for its `name`."),
    ("training", "How long, in which steps, and how often to look."),
    ("sweep", "Trials that differ in some keys; each runs with every seed."),
    ("sweep.parameters", "The keys that differ."),
    ("engine", "Where trials run; nothing here changes a trial."),
    ("engine.slurm", "How `--engine slurm` submits them."),
];

/// `path` as the table spells it, where it is a section.
pub(crate) fn section(path: &str) -> Option<&'static str> {
    SECTIONS.iter().map(|(section, _)| *section).find(|section| *section == path)
}

/// Sections that may be written as the bare value of one of their keys: `schedule = "cosine"`.
pub(crate) const SHORT_FORMS: &[(&str, &str)] = &[("optimizer.schedule", "optimizer.schedule.name")];

/// Keys of which one takes the place of the other when an override sets it.
pub(crate) const ALTERNATIVES: &[(&str, &str)] =
    &[("dataset.name", "dataset.path"), ("training.steps", "training.epochs")];

/// Keys that a sweep cannot change: they do not tell one trial from another.
pub(crate) const NOT_SWEPT: &[&str] = &["name", "extends", "seeds"];

/// Whether a key says something of a trial, rather than of how many there are and where they run.
pub(crate) fn is_of_trial(path: &str) -> bool {
    !path.starts_with("sweep.") && !path.starts_with("engine.")
}

/// All rows, in the order of the documentation; the rows of one key one after the other.
pub fn keys() -> &'static [Key] {
    &TABLE
}

/// The rows of the key `path`, and the path as the table spells it.
pub(crate) fn rows(path: &str) -> Option<(&'static str, &'static [&'static Key])> {
    GROUPS.get_key_value(path).map(|(path, rows)| (*path, rows.as_slice()))
}

/// All keys with their rows.
pub(crate) fn groups() -> impl Iterator<Item = (&'static str, &'static [&'static Key])> {
    GROUPS.iter().map(|(path, rows)| (*path, rows.as_slice()))
}

/// The dotted names of all keys.
pub(crate) fn key_paths() -> impl Iterator<Item = &'static str> {
    GROUPS.keys().copied()
}

/// A dotted path as its section and its last part.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// All keys with their rows, in the order of the documentation.
pub(crate) fn in_order() -> impl Iterator<Item = (&'static str, &'static [&'static Key])> {
    let mut last = "";
    keys().iter().map(Key::path).filter(move |path| std::mem::replace(&mut last, path) != *path).filter_map(rows)
}

/// The word that the key `path` has where it is left out.
pub(crate) fn default_word(path: &str) -> Option<&'static str> {
    rows(path)?.1[0].default_value()?.as_str()
}

/// Whether a sweep cannot change the key or section `path`.
pub(crate) fn is_not_swept(path: &str) -> bool {
    NOT_SWEPT.contains(&path) || path == "sweep" || path == "engine" || !is_of_trial(path)
}

static GROUPS: LazyLock<BTreeMap<&'static str, Vec<&'static Key>>> = LazyLock::new(|| {
    let mut groups: BTreeMap<&'static str, Vec<&'static Key>> = BTreeMap::new();
    for key in keys() {
        groups.entry(key.path()).or_default().push(key);
    }
    groups
});

static TABLE: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let mut table = Vec::new();
    for row in ROWS {
        table.push(row.key());
        // The toys' own parameters stand with the dataset's other keys.
        if row.0 == "dataset.path" {
            table.extend(toy_parameters());
        }
    }
    table
});

fn toy_parameters() -> impl Iterator<Item = Key> {
    let mut parameters: Vec<_> = TOYS.iter().flat_map(|toy| toy.parameters.iter().map(move |p| (toy, p))).collect();
    parameters.sort_by_key(|(_, parameter)| parameter.name);
    parameters.into_iter().map(move |(toy, parameter)| {
        let toys::Parameter { name, default, minimum, maximum, reason, doc } = *parameter;
        let kind = Kind::Float { min: Bound::Inclusive(minimum), max: Bound::Inclusive(maximum) };
        // As TOML, and for as long as the table, which is never dropped.
        let default = Fallback::Value(format!("{default:?}").leak());
        let when = When::Is("dataset.name", std::slice::from_ref(&toy.name));
        Key { reason, ..complete(Cow::Owned(format!("dataset.{name}")), kind, default, "", doc, when) }
    })
}

/// Path, kind, default, unit, meaning, variant.
struct Row(&'static str, Kind, Fallback, &'static str, &'static str, When);

impl Row {
    fn key(&self) -> Key {
        complete(Cow::Borrowed(self.0), self.1, self.2, self.3, self.4, self.5)
    }
}

fn complete(
    path: Cow<'static, str>,
    kind: Kind,
    default: Fallback,
    unit: &'static str,
    doc: &'static str,
    when: When,
) -> Key {
    let value = match default {
        // A test holds every default to be valid TOML and of its key's kind.
        Fallback::Value(text) => {
            let source: Arc<Source> = Source::new("default", text, 0);
            let node = node::parse_value(&source, 0, text).ok();
            node.and_then(|node| kind.check(&path, &node, &mut Vec::new()))
        }
        Fallback::Required | Fallback::Absent => None,
    };
    Key { path, kind, default, unit, doc, when, reason: "", value }
}

const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

const fn choice(of: &'static [&'static str]) -> Kind {
    Kind::Choice { of, refused: &[] }
}

const fn amount(file: bool, fresh: bool) -> Kind {
    Kind::Amount { file, fresh }
}

/// From 0, included.
const NOT_NEGATIVE: Kind = Kind::Float { min: Bound::Inclusive(0.0), max: Bound::Open };
/// Between 0 and 1, with 0 and without 1: the decay rate of a running mean.
const DECAY: Kind = Kind::Float { min: Bound::Inclusive(0.0), max: Bound::Exclusive(1.0) };
/// Longest run, in steps.
const MAX_STEPS: i64 = 1_000_000_000;
const NEEDS_IMAGES: &str = "needs image data, and this dataset has plain features";

const ADAMS: When = When::Is("optimizer.name", &["adam", "adamw"]);
const TEXT: When = When::Format(&["csv", "tsv"]);
const STEP: When = When::Is("optimizer.schedule.name", &["step"]);
const DRAWN: When = When::Is("sweep.method", &["random", "sobol"]);

use Fallback::{Absent, Required, Value};

#[rustfmt::skip]
static ROWS: &[Row] = &[
    Row("name", Kind::Name, Absent, "", "Name of the experiment and of its folder below `results`; the file's stem where left out.", When::Always),
    Row("extends", Kind::Path, Absent, "", "Another spec, relative to this one's folder, whose keys hold where this one leaves them out; it may extend a third.", When::Always),
    Row("seeds", Kind::Seeds, Value("[0]"), "", "Seeds of weights and batch order, one run each; `seeds = 3` means 0, 1, 2.", When::Always),
    Row("device", Kind::Device, Value("'cpu'"), "", "Where to compute: `cpu`, `cuda` (any GPU that is free) or `cuda:N`.", When::Always),

    Row("dataset.name", Kind::Toy, Absent, "", "A toy density; this or `path` must be given.", When::Always),
    Row("dataset.path", Kind::Path, Absent, "", "A data file or a folder of images, relative to the spec's folder or else to the working directory.", When::Without("dataset.name")),
    Row("dataset.format", choice(&["csv", "tsv", "parquet", "npy", "npz", "idx", "images"]), Absent, "", "Format of the files; told by the extension where left out.", When::File),
    Row("dataset.key", Kind::Text("the name of an array"), Absent, "", "The array of the archive; the only one where left out.", When::Format(&["npz"])),
    Row("dataset.header", Kind::Bool, Absent, "", "Whether the first line names the columns; where left out: unless its cells are numbers or missing, or words that come again below.", TEXT),
    Row("dataset.delimiter", Kind::Character, Value("','"), "", "What separates the cells of a line; a blank stands for any number of blanks and tabs.", When::Format(&["csv"])),
    Row("dataset.delimiter", Kind::Character, Value("\"\\t\""), "", "What separates the cells of a line; a blank stands for any number of blanks and tabs.", When::Format(&["tsv"])),
    Row("dataset.decimal", choice(&[".", ","]), Absent, "", "What stands before the decimals of a number; a point where left out.", TEXT),
    Row("dataset.columns", Kind::Texts, Absent, "", "The columns to learn; all where left out.", When::File),
    Row("dataset.drop", Kind::Texts, Value("[]"), "", "Columns to leave out.", When::File),
    Row("dataset.label", Kind::Column, Absent, "", "A column to leave out, for it is no feature: its name, or its number (-1 is the last).", When::File),
    Row("dataset.missing", choice(&["error", "drop"]), Value("'error'"), "", "What becomes of rows with missing values.", When::File),
    Row("dataset.duplicates", choice(&["keep", "drop"]), Value("'keep'"), "", "What becomes of rows that equal an earlier one in all columns learned.", When::File),
    Row("dataset.rows", integer(1, Kind::MAX_ROWS), Absent, "rows", "Use at most so many rows of every file, its first after `missing` and `duplicates`; all where left out.", When::File),
    Row("dataset.dequantize", Kind::Steps, Absent, "data units", "Width of the uniform noise added to quantised values, for all columns or one a column, 0 for none; where left out: 1 for bytes of images and idx files, none for others.", When::File),
    Row("dataset.logit", Kind::Float { min: Bound::Exclusive(0.0), max: Bound::Exclusive(0.5) }, Absent, "", "α of logit(α + (1 − 2α)u), where u is the value (its noise included) within `bounds`, from 0 to 1.", When::File),
    Row("dataset.bounds", Kind::Pair { min: Bound::Open, max: Bound::Open }, Absent, "data units", "Least and greatest value, noise included; where left out: 0 and 256 for bytes of images and idx files, 0 and 1 for others.", When::With("dataset.logit")),
    Row("dataset.train", amount(false, true), Value("20_000"), "rows", "Training rows, or `\"fresh\"` for new rows every step.", When::Toy),
    Row("dataset.train", amount(true, false), Value("0.8"), "rows", "Training rows: how many, the fraction of `path`'s rows, or a file of their own; left out beside files of their own: what they would have taken too.", When::File),
    Row("dataset.validation", amount(false, false), Value("5_000"), "rows", "Validation rows.", When::Toy),
    Row("dataset.validation", amount(true, false), Value("0.1"), "rows", "Validation rows: how many, the fraction of `path`'s rows, or a file of their own.", When::File),
    Row("dataset.test", amount(false, false), Value("20_000"), "rows", "Test rows.", When::Toy),
    Row("dataset.test", amount(true, false), Value("0.1"), "rows", "Test rows: how many, the fraction of `path`'s rows, or a file of their own.", When::File),
    Row("dataset.seed", integer(0, i64::MAX), Value("0"), "", "Seed of data and split, apart from `seeds`.", When::Always),
    Row("dataset.standardize", Kind::Bool, Value("true"), "", "Scale every feature to mean 0 and variance 1 on the training rows.", When::Always),

    Row("model.mask", Kind::Choice { of: &["alternating", "half", "random"], refused: &[("checkerboard", NEEDS_IMAGES), ("channel", NEEDS_IMAGES)] }, Value("'alternating'"), "", "Which features a coupling layer keeps and which it changes.", When::Always),
    Row("model.depth", integer(1, 1_024), Value("8"), "layers", "Number of coupling layers.", When::Always),
    Row("model.width", integer(1, 65_536), Value("64"), "units", "Hidden width of the s and t networks.", When::Always),
    Row("model.hidden_layers", integer(1, 64), Value("2"), "layers", "Hidden layers of the s and t networks.", When::Always),
    Row("model.activation", choice(&["relu", "tanh"]), Value("'relu'"), "", "Nonlinearity of the s and t networks.", When::Always),
    Row("model.coupling", choice(&["affine"]), Value("'affine'"), "", "Kind of coupling layer.", When::Always),
    Row("model.batch_norm", Kind::Bool, Value("false"), "", "Batch normalisation as a flow layer after every coupling.", When::Always),

    Row("optimizer.name", choice(&["adam", "adamw", "sgd", "rmsprop"]), Value("'adam'"), "", "The optimizer.", When::Always),
    Row("optimizer.learning_rate", Kind::Float { min: Bound::Exclusive(0.0), max: Bound::Inclusive(10.0) }, Value("1e-3"), "", "Learning rate after warm-up.", When::Always),
    Row("optimizer.weight_decay", NOT_NEGATIVE, Value("0.0"), "", "L2 penalty added to the gradient.", When::Is("optimizer.name", &["adam", "sgd", "rmsprop"])),
    Row("optimizer.weight_decay", NOT_NEGATIVE, Value("0.01"), "", "Decay of the weights, apart from the gradient.", When::Is("optimizer.name", &["adamw"])),
    Row("optimizer.clip_norm", NOT_NEGATIVE, Value("5.0"), "", "Largest global L2 norm of the gradient; 0 = no clipping.", When::Always),
    Row("optimizer.betas", Kind::Pair { min: Bound::Inclusive(0.0), max: Bound::Exclusive(1.0) }, Value("[0.9, 0.999]"), "", "Decay rates of the two moments.", ADAMS),
    Row("optimizer.epsilon", Kind::Float { min: Bound::Exclusive(0.0), max: Bound::Inclusive(1.0) }, Value("1e-8"), "", "Added to the denominator.", When::Is("optimizer.name", &["adam", "adamw", "rmsprop"])),
    Row("optimizer.momentum", DECAY, Value("0.9"), "", "Momentum.", When::Is("optimizer.name", &["sgd"])),
    Row("optimizer.momentum", DECAY, Value("0.0"), "", "Momentum.", When::Is("optimizer.name", &["rmsprop"])),
    Row("optimizer.alpha", DECAY, Value("0.99"), "", "Decay rate of the squared gradient.", When::Is("optimizer.name", &["rmsprop"])),

    Row("optimizer.schedule.name", choice(&["constant", "cosine", "step"]), Value("'cosine'"), "", "Course of the learning rate after warm-up.", When::Always),
    Row("optimizer.schedule.warmup", integer(0, MAX_STEPS), Value("100"), "steps", "Steps over which the rate rises from 0; left out in a run of fewer than 1,000 steps: a tenth of it.", When::Always),
    Row("optimizer.schedule.every", integer(1, MAX_STEPS), Value("1_000"), "steps", "Steps between drops; left out in a run of fewer than 3,000 steps: a third of it.", STEP),
    Row("optimizer.schedule.factor", Kind::Float { min: Bound::Exclusive(0.0), max: Bound::Exclusive(1.0) }, Value("0.5"), "", "Factor of each drop.", STEP),

    Row("training.batch_size", integer(1, 10_000_000), Value("256"), "rows", "Rows a step; left out where there are fewer training rows: all of them.", When::Always),
    Row("training.steps", integer(1, MAX_STEPS), Value("5_000"), "steps", "Length of the run.", When::Without("training.epochs")),
    Row("training.epochs", integer(1, 1_000_000), Absent, "epochs", "Length of the run in passes over the training rows, in place of `steps`.", When::Always),
    Row("training.evaluate_every", integer(1, MAX_STEPS), Value("250"), "steps", "Steps between evaluations on the validation rows; left out in a shorter run: all of it.", When::Always),
    Row("training.log_every", integer(1, MAX_STEPS), Value("50"), "steps", "Steps between rows of the training curve; left out in a shorter run: all of it.", When::Always),
    Row("training.patience", integer(0, MAX_STEPS), Value("0"), "evaluations", "Evaluations without a better validation NLL before stopping; 0 = off.", When::Always),
    Row("training.kernel", choice(&["fused", "composed"]), Value("'fused'"), "", "What computes: kernels written by hand, or plain dfdx operations.", When::Always),

    Row("sweep.method", choice(&["grid", "random", "sobol"]), Value("'grid'"), "", "How points are chosen: all combinations, at random, or evenly spread.", When::Always),
    Row("sweep.trials", integer(1, super::sweep::MAX_TRIALS as i64), Required, "trials", "Number of points.", DRAWN),
    Row("sweep.seed", integer(0, i64::MAX), Value("0"), "", "Seed of the points.", DRAWN),
    Row("sweep.parameters", Kind::Parameters, Required, "", "Dotted keys with a list of values, or a range: `min`, `max`, `scale` (linear or log), `step` or `points`, `integer`; `\"a,b\"` sweeps keys together.", When::Always),

    Row("engine.trials_per_gpu", integer(1, 1_024), Value("1"), "trials", "CUDA: trials that share one GPU at a time.", When::Always),
    Row("engine.slurm.partition", Kind::Text("the name of a partition"), Absent, "", "Slurm: partition to submit to.", When::Always),
    Row("engine.slurm.account", Kind::Text("the name of an account"), Absent, "", "Slurm: account to charge.", When::Always),
    Row("engine.slurm.time", Kind::Text("a time limit such as \"2:00:00\""), Absent, "", "Slurm: time limit of an array element; when it nears, runs save and the element is queued again.", When::Always),
    Row("engine.slurm.memory", Kind::Text("an amount such as \"8G\""), Absent, "", "Slurm: memory of an array element.", When::Always),
    Row("engine.slurm.cpus", integer(1, 4_096), Absent, "cores", "Slurm: cores of an array element.", When::Always),
    Row("engine.slurm.gpus", integer(0, 64), Absent, "GPUs", "Slurm: GPUs of an array element.", When::Always),
    Row("engine.slurm.at_once", integer(1, 1_000_000), Absent, "elements", "Slurm: most array elements that run at once.", When::Always),
    Row("engine.slurm.trials_per_element", integer(1, 100_000), Value("1"), "runs", "Slurm: runs that an array element does one after the other.", When::Always),
    Row("engine.slurm.extra", Kind::Texts, Value("[]"), "", "Slurm: lines added to the job script, such as `#SBATCH --constraint=a100` or `module load cuda`.", When::Always),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_that_its_key_takes() {
        for key in keys() {
            let expected = matches!(key.default, Fallback::Value(_));
            assert_eq!(key.default_value().is_some(), expected, "{}", key.path());
        }
    }

    #[test]
    fn every_key_is_documented_and_stands_in_a_section() {
        for key in keys() {
            assert!(key.doc.ends_with('.'), "{}: {}", key.path(), key.doc);
            if let Some((section, _)) = key.path().rsplit_once('.') {
                assert!(super::section(section).is_some(), "{}", key.path());
            }
        }
    }

    #[test]
    fn no_variant_finds_two_rows_of_one_key() {
        for (path, rows) in groups() {
            for (i, one) in rows.iter().enumerate() {
                for other in &rows[i + 1..] {
                    assert!(one.when.excludes(&other.when), "{path}: {:?} and {:?}", one.when, other.when);
                }
            }
        }
    }
}
