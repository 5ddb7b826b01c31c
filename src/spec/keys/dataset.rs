//! `[dataset]`: what is learned.

use super::model::{OF_IMAGES, OF_PLAIN_FEATURES};
use super::row::{Row, amount, choice, float, integer, row};
use crate::spec::keys::Fallback::{Absent, Value};
use crate::spec::keys::Since::Later;
use crate::spec::kind::Bound::{Exclusive, Inclusive, Open};
use crate::spec::kind::Kind;
use crate::spec::variant::When;
use crate::toys::{Parameter, TOYS};

const STANDARDIZE_BY: Kind = choice(&["feature", "channel"]);
const TEXT: When = When::Format(&["csv", "tsv"]);

/// What says which data are learned; the other keys follow.
#[rustfmt::skip]
pub(super) static SOURCE: &[Row] = &[
    row("dataset.name", Kind::Toy, Absent, "", "A toy density; this or `path` must be given."),
    row("dataset.path", Kind::Path, Absent, "",
        "A data file or a folder of images, relative to the spec's folder or else to the working directory.")
        .when(When::Without("dataset.name")),
];

/// The keys that some toy has for itself, by name.
fn toy_parameters() -> impl Iterator<Item = Row> {
    let mut parameters: Vec<_> = TOYS.iter().flat_map(|toy| toy.parameters.iter().map(move |p| (toy, p))).collect();
    parameters.sort_by_key(|(_, parameter)| parameter.name);
    parameters.into_iter().map(|(toy, parameter)| {
        let Parameter { name, default, minimum, maximum, reason, doc } = *parameter;
        // Both live as long as the table, which is never dropped.
        let (path, default) = (format!("dataset.{name}").leak(), format!("{default:?}").leak());
        row(path, float(Inclusive(minimum), Inclusive(maximum)), Value(default), "", doc)
            .when(When::Is("dataset.name", std::slice::from_ref(&toy.name)))
            .because(reason)
    })
}

const CONDITION: &str = "dataset.condition";

/// Whether a toy is conditional, for those that have something to be conditional on.
fn toy_condition() -> Row {
    let of: Vec<_> = TOYS.iter().filter(|toy| toy.has_components()).map(|toy| toy.name).collect();
    let doc = "Whether the density is conditional on the component that a row comes from, a class called `component`.";
    row(CONDITION, Kind::Bool, Value("false"), "", doc).when(When::Is("dataset.name", of.leak())).since(Later)
}

/// All rows but those of the source: those of toys alone beside those of files that have the same key.
pub(super) fn rows() -> impl Iterator<Item = Row> {
    let of_both = |row: &Row| (row.path == CONDITION).then(toy_condition).into_iter().chain([*row]);
    toy_parameters().chain(ROWS.iter().flat_map(of_both))
}

#[rustfmt::skip]
static ROWS: &[Row] = &[
    // Beside the row of the toy that has a parameter of this name.
    row("dataset.weight", Kind::Column, Absent, "",
        "A column of positive weights, no feature: how much each row counts in every mean, of training, of validation and test \
         NLL, \
         and of `standardize`.").when(When::File),
    row("dataset.format", choice(&["csv", "tsv", "parquet", "npy", "npz", "idx", "cifar", "images"]), Absent, "",
        "Format of the files; told by the extension where left out. `cifar`: the binary files of CIFAR-10 and CIFAR-100, or a \
         folder of those of training. `parquet`: columns of numbers, or one of images, each cell a PNG or JPEG file.")
        .when(When::File),
    row("dataset.key", Kind::Text("the name of an array"), Absent, "",
        "The array of the archive; the only one where left out.").when(When::Format(&["npz"])),
    row("dataset.header", Kind::Bool, Absent, "",
        "Whether the first line names the columns; where left out: unless its cells are numbers or missing, or words that come \
         again below.").when(TEXT),
    row("dataset.delimiter", Kind::Character, Value("','"), "",
        "What separates the cells of a line; a blank stands for any number of blanks and tabs.").when(When::Format(&["csv"])),
    row("dataset.delimiter", Kind::Character, Value("\"\\t\""), "",
        "What separates the cells of a line; a blank stands for any number of blanks and tabs.").when(When::Format(&["tsv"])),
    row("dataset.decimal", choice(&[".", ","]), Absent, "",
        "What stands before the decimals of a number; a point where left out.").when(TEXT).since(Later),
    row("dataset.columns", Kind::Texts, Absent, "", "The columns to learn; all where left out.").when(When::File),
    row("dataset.drop", Kind::Texts, Value("[]"), "", "Columns to leave out.").when(When::File),
    row("dataset.label", Kind::Column, Absent, "",
        "A column to leave out, for it is no feature: its name, or its number (-1 is the last).").when(When::File),
    row("dataset.context", Kind::Texts, Value("[]"), "",
        "Columns that the density is conditional on, no features: numbers, scaled as features are, or classes, which columns of words are.").when(When::File).since(Later),
    row("dataset.categories", Kind::Texts, Value("[]"), "",
        "Those of `context` whose numbers name classes, such as 0, 1 and 2.").when(When::File).since(Later),
    row(CONDITION, Kind::Bool, Value("false"), "",
        "Whether the density is conditional on the classes in `label`.").when(When::File).since(Later),
    row("dataset.affine", Kind::Bool, Value("false"), "",
        "Whether the density is conditional on an affine map of the toy, drawn for every row: x = exp(`log_scale`)·R(`turn`)·toy + \
         (`shift1`, `shift2`, …), R turning the first two features to the left. Drawn evenly: `turn` within ±π/2, `log_scale` ±0.5, \
         shifts ±1.").when(When::Toy).since(Later),
    row("dataset.missing", choice(&["error", "drop"]), Value("'error'"), "",
        "What becomes of rows with missing values.").when(When::File),
    row("dataset.duplicates", choice(&["keep", "drop"]), Value("'keep'"), "",
        "What becomes of rows that equal an earlier one in all columns learned.").when(When::File),
    row("dataset.rows", integer(1, Kind::MAX_ROWS), Absent, "rows",
        "Use at most so many rows of every file, its first after `missing` and `duplicates`; all where left out.").when(When::File),
    row("dataset.dequantize", Kind::Steps, Absent, "data units",
        "Width of the uniform noise added to quantised values, for all columns or one a column, 0 for none; where left out: 1 for \
         images of bytes and idx files of them, none for others.").when(When::File),
    row("dataset.logit", float(Exclusive(0.0), Exclusive(0.5)), Absent, "",
        "α of logit(α + (1 − 2α)u), where u is the value (its noise included) within `bounds`, from 0 to 1.").when(When::File),
    row("dataset.bounds", Kind::Pair { min: Open, max: Open }, Absent, "data units",
        "Least and greatest value, noise included; where left out: 0 and 256 for images of bytes and idx files of them, 0 and 1 \
         for others.").when(When::With("dataset.logit")),
    row("dataset.transform", Kind::Transforms, Absent, "",
        "What columns go through before they are scaled, so that samples keep to their support: a word for all, or a table by \
         name. \
         `log`: ln(x − low), values above `low`, 0; `logit`: values between `low` and `high`, 0 and 1; `symlog`: \
         sign(x)·ln(1 + |x|/scale), all values, heavy tails; `scale`: the median of |x| in training where left out. Likelihoods \
         stay those of the data.").when(When::File).since(Later),
    row("dataset.crop", Kind::Size, Absent, "pixels",
        "Height and width of the middle that is left of images; all of them where left out.").when(When::File).since(Later),
    row("dataset.resize", Kind::Size, Absent, "pixels",
        "Height and width that images are brought to, after `crop`: by means over areas where they become smaller, linearly \
         between pixels where larger; whole numbers stay whole, rounded, so that `dequantize` holds as before. Their own where left out.")
        .when(When::File).since(Later),
    row("dataset.augment", Kind::Words(&["flip"]), Value("[]"), "",
        "What is done to images at random, in training alone: `flip` mirrors every other one, left to right.")
        .when(When::File).since(Later),
    row("dataset.train", amount(false, true), Value("20_000"), "rows",
        "Training rows, or `\"fresh\"` for new rows every step.").when(When::Toy),
    row("dataset.train", amount(true, false), Value("0.8"), "rows",
        "Training rows: how many, the fraction of `path`'s rows, or a file of their own; left out beside files of their own: what \
         they would have taken too.").when(When::File),
    row("dataset.validation", amount(false, false), Value("5_000"), "rows", "Validation rows.").when(When::Toy),
    row("dataset.validation", amount(true, false), Value("0.1"), "rows",
        "Validation rows: how many, the fraction of `path`'s rows, or a file of their own.").when(When::File),
    row("dataset.test", amount(false, false), Value("20_000"), "rows", "Test rows.").when(When::Toy),
    row("dataset.test", amount(true, false), Value("0.1"), "rows",
        "Test rows: how many, the fraction of `path`'s rows, or a file of their own.").when(When::File),
    row("dataset.seed", integer(0, i64::MAX), Value("0"), "", "Seed of data and split, apart from `seeds`."),
    row("dataset.standardize", Kind::Bool, Value("true"), "",
        "Scale every feature, or every channel of images, to mean 0 and variance 1 on the training rows."),
    row("dataset.standardize_by", STANDARDIZE_BY, Value("'feature'"), "",
        "Whether every feature is scaled for itself, or all of a channel's alike.")
        .when(When::Both(&When::File, &When::Is("model.mask", OF_PLAIN_FEATURES))).since(Later),
    row("dataset.standardize_by", STANDARDIZE_BY, Value("'channel'"), "",
        "The same for masks of images: by channel, a value means the same at every pixel, as convolutions take it.")
        .when(When::Both(&When::File, &When::Is("model.mask", OF_IMAGES))).since(Later),
];
