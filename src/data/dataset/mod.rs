//! From the spec's `[dataset]` to rows in model space.

mod from_file;
mod from_toy;
mod parts;

use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::context::Context;
use super::error::DataError;
use super::preprocessing::Preprocessing;
use super::provenance::Provenance;
use super::read::Watch;
use super::weights::Weights;
use crate::matrix::Matrix;
use crate::shape::{Layout, Shape};
use crate::spec::{self, Augment};
use crate::toys::Toy;

pub use parts::{Part, Parts};

/// Everything a run needs to know of its data.
#[derive(Debug)]
pub struct Dataset {
    /// Names of the features, shape `[features]`.
    pub columns: Vec<String>,
    /// What they are conditional on: behind the features, all rows have its values.
    pub context: Context,
    /// How the features of a row lie.
    pub shape: Shape,
    /// What is trained on.
    pub train: Train,
    /// Shape `[rows, features + context]`, model space (see [`Preprocessing`]), dequantisation noise included.
    pub validation: Matrix,
    /// Shape `[rows, features + context]`, model space, dequantisation noise included.
    pub test: Matrix,
    /// How much the rows count; `None`: all alike.
    pub weights: Option<Weights>,
    /// The map from data space to model space.
    pub preprocessing: Preprocessing,
    /// The density itself, where it is known; in data space.
    pub toy: Option<Box<dyn Toy>>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
    /// Rows of the file that no part uses.
    pub unused_rows: usize,
    /// What is done to training rows at random.
    pub augment: Vec<Augment>,
    /// What tells these data from others.
    pub provenance: Provenance,
    /// See [`Dataset::exact_log_density`].
    pub(super) exact: OnceLock<Vec<f64>>,
    /// The spec's `dataset.seed`.
    pub seed: u64,
}

/// The training rows.
#[derive(Debug)]
pub enum Train {
    /// Fixed rows, shape `[rows, features]`, data space: [`Batches`](super::Batches) preprocess them, with new noise at
    /// every step.
    Rows(Matrix<f64>),
    /// A toy draws new rows at every step.
    Fresh,
}

impl Dataset {
    /// The exact log-density of the test rows, nats, data space, where the data are a toy's. Computed once for all runs
    /// on the data.
    pub fn exact_log_density(&self) -> Option<&[f64]> {
        let toy = self.toy.as_ref()?;
        Some(self.exact.get_or_init(|| {
            let rows = self.preprocessing.invert(&self.test);
            rows.as_slice().par_chunks(toy.values()).map(|row| toy.log_density(row)).collect()
        }))
    }

    /// See [`Preprocessing::log_deviation`]: that of the training rows. Fresh rows have it as 20,000 of them do.
    pub fn log_deviation(&self) -> Option<f64> {
        match (&self.train, &self.toy) {
            (Train::Rows(rows), _) => {
                self.preprocessing.log_deviation(rows, self.weights.as_ref().map(|all| &*all.train))
            }
            (Train::Fresh, Some(toy)) => {
                self.preprocessing.log_deviation(&from_toy::rows_for_scale(&**toy, self.seed), None)
            }
            (Train::Fresh, None) => None,
        }
    }

    /// What a row of the flow holds.
    pub fn layout(&self) -> Layout {
        Layout { features: self.shape, context: self.context.values() }
    }

    /// So many contexts, model space: those of the test rows, over and over.
    pub fn contexts(&self, rows: usize) -> Matrix {
        let cycled: Vec<usize> = (0..self.test.rows()).cycle().take(rows).collect();
        self.test.select(&cycled).columns_from(self.features())
    }

    /// Number of features D.
    pub fn features(&self) -> usize {
        self.columns.len()
    }
}

/// Reads or draws the data that `spec` asks for. A relative path is looked up in `folder` (the spec's), then in the working
/// directory. `batch_size`: rows a step, which the training part must be able to fill, unless it is the default, which then is all
/// of them. `watch` hears how far reading is.
///
/// Row i of a toy's part is a pure function of (`spec.seed`, part, i).
///
/// # Errors
/// Everything in [`DataError`].
pub fn load(spec: &spec::Dataset, folder: &Path, batch_size: usize, watch: &Watch) -> Result<Dataset, DataError> {
    let (dataset, path) = match &spec.name {
        Some(name) => (from_toy::load(spec, from_toy::toy_of(spec, name)?)?, None),
        None => {
            let (dataset, path) = from_file::load(spec, folder, watch)?;
            (dataset, Some(path))
        }
    };
    match &dataset.train {
        Train::Rows(rows) if rows.rows() < batch_size && !spec::is_default_batch_size(batch_size) => {
            Err(DataError::FewerThanBatch { path, rows: rows.rows(), batch_size })
        }
        _ => Ok(dataset),
    }
}

#[cfg(test)]
mod tests {
    use super::from_toy::toy_rows;
    use super::*;
    use crate::data::Logit;
    use crate::random::Purpose;
    use crate::spec::{Amount, Fresh};
    use crate::toys::toy;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    fn load(spec: &spec::Dataset, folder: &Path, batch_size: usize) -> Result<Dataset, DataError> {
        super::load(spec, folder, batch_size, &|_, _, _| {})
    }

    fn toy_spec() -> spec::Dataset {
        spec::Dataset {
            name: Some("moons".into()),
            path: None,
            format: None,
            columns: None,
            drop: Vec::new(),
            key: None,
            header: None,
            delimiter: None,
            decimal: None,
            label: None,
            context: Vec::new(),
            categories: Vec::new(),
            condition: false,
            affine: false,
            weight: None,
            missing: None,
            duplicates: None,
            rows: None,
            dequantize: None,
            logit: None,
            bounds: None,
            transform: None,
            crop: None,
            resize: None,
            augment: Vec::new(),
            train: Amount::Rows(3000),
            validation: Amount::Rows(500),
            test: Amount::Rows(700),
            seed: 0,
            standardize: true,
            standardize_by: None,
            parameters: BTreeMap::new(),
        }
    }

    fn file_spec(path: impl Into<PathBuf>) -> spec::Dataset {
        let [train, validation, test] = [0.6, 0.2, 0.2].map(Amount::Fraction);
        spec::Dataset { name: None, path: Some(path.into()), train, validation, test, ..toy_spec() }
    }

    fn write(folder: &Path, name: &str, text: &str) {
        std::fs::write(folder.join(name), text).unwrap();
    }

    fn train(dataset: &Dataset) -> &Matrix<f64> {
        match &dataset.train {
            Train::Rows(rows) => rows,
            Train::Fresh => panic!("fixed rows expected"),
        }
    }

    #[test]
    fn a_toy_row_does_not_depend_on_how_many_are_drawn() {
        let toy = toy("moons", &BTreeMap::new()).unwrap();
        let few = toy_rows(&*toy, 5, Purpose::TrainRows, 1500);
        let many = toy_rows(&*toy, 5, Purpose::TrainRows, 4000);
        assert_eq!(few.as_slice(), &many.as_slice()[..few.as_slice().len()]);
        assert_ne!(few, toy_rows(&*toy, 5, Purpose::TestRows, 1500));
        assert_ne!(few, toy_rows(&*toy, 6, Purpose::TrainRows, 1500));
    }

    #[test]
    fn model_space_rows_lead_back_to_the_toy() {
        let dataset = load(&toy_spec(), Path::new("."), 256).unwrap();
        assert_eq!(dataset.columns, ["x1", "x2"]);
        assert_eq!([train(&dataset).rows(), dataset.validation.rows(), dataset.test.rows()], [3000, 500, 700]);
        let rows = dataset.preprocessing.invert(&dataset.test);
        let expected = toy_rows(&**dataset.toy.as_ref().unwrap(), 0, Purpose::TestRows, 700);
        for (value, expected) in rows.as_slice().iter().zip(expected.as_slice()) {
            assert!((value - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn a_fresh_toy_is_scaled_like_one_of_twenty_thousand_rows() {
        let fresh =
            load(&spec::Dataset { train: Amount::Fresh(Fresh::Fresh), ..toy_spec() }, Path::new("."), 256).unwrap();
        let fixed = load(&spec::Dataset { train: Amount::Rows(20_000), ..toy_spec() }, Path::new("."), 256).unwrap();
        assert!(matches!(fresh.train, Train::Fresh));
        assert_eq!(fresh.preprocessing, fixed.preprocessing);
        assert_eq!(fresh.test, fixed.test);
    }

    #[test]
    fn the_shipped_digits_load_dequantised() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        let spec = spec::Dataset {
            drop: vec!["label".into()],
            dequantize: Some(spec::Steps::All(1.0)),
            ..file_spec("data/digits.csv.gz")
        };
        let dataset = load(&spec, &folder, 256).unwrap();
        assert_eq!((dataset.features(), dataset.unused_rows), (64, 0));
        assert_eq!([train(&dataset).rows(), dataset.validation.rows(), dataset.test.rows()], [1078, 359, 360]);
        let test = dataset.preprocessing.invert(&dataset.test);
        assert!(test.as_slice().iter().all(|value| (-1e-4..17.0 + 1e-4).contains(value)));
        let again = load(&spec, &folder, 256).unwrap();
        assert_eq!((again.test, again.validation), (dataset.test, dataset.validation));
    }

    #[test]
    fn parts_are_disjoint_and_a_seed_gives_its_own_split() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.csv", &(0..100).fold("a,b\n".to_owned(), |text, i| text + &format!("{i},{}\n", i * i)));
        let spec = spec::Dataset { standardize: false, ..file_spec("a.csv") };
        let first = |dataset: &Dataset| {
            let held_out = [&dataset.validation, &dataset.test].map(|part| dataset.preprocessing.invert(part));
            let parts = [train(dataset), &held_out[0], &held_out[1]];
            parts.iter().flat_map(|part| part.iter_rows().map(|row| row[0])).collect::<Vec<_>>()
        };
        let zero = first(&load(&spec, folder.path(), 10).unwrap());
        let one = first(&load(&spec::Dataset { seed: 1, ..spec }, folder.path(), 10).unwrap());
        assert_ne!(zero, one);
        for mut rows in [zero, one] {
            rows.sort_by(f64::total_cmp);
            assert!(rows.iter().enumerate().all(|(i, value)| *value == i as f64));
        }
    }

    #[test]
    fn impossible_datasets_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let rows = |f: &dyn Fn(usize) -> String| (0..100).fold("a,b\n".to_owned(), |text, i| text + &f(i) + "\n");
        write(folder.path(), "good.csv", &rows(&|i| format!("{i},{}.5", i * i)));
        write(folder.path(), "constant.csv", &rows(&|i| format!("{i},7")));
        let cases = [
            (file_spec("good.csv"), 61, "60 training rows are fewer than a batch of 61"),
            (file_spec("constant.csv"), 10, "column `b` is 7 in every training row"),
            (file_spec("missing.csv"), 10, "missing.csv` nor `missing.csv`"),
            (spec::Dataset { path: None, ..file_spec("") }, 10, "neither a toy nor a file"),
            (spec::Dataset { train: Amount::Rows(10), ..toy_spec() }, 20, "fewer than a batch of 20"),
            (spec::Dataset { train: Amount::Fraction(0.5), ..toy_spec() }, 20, "`dataset.train = 0.5`"),
            (spec::Dataset { test: Amount::Fresh(Fresh::Fresh), ..toy_spec() }, 20, "only `train` can be fresh"),
        ];
        for (spec, batch_size, expected) in cases {
            let text = load(&spec, folder.path(), batch_size).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
        let counts = spec::Dataset { dequantize: Some(spec::Steps::All(1.0)), ..file_spec("constant.csv") };
        assert!(load(&counts, folder.path(), 10).is_ok(), "a dequantised constant is a uniform column");
    }

    #[test]
    fn transforms_are_found_by_column_and_values_outside_their_support_by_row() {
        use crate::spec::{ColumnTransform, TransformKind, Transforms};
        let folder = tempfile::tempdir().unwrap();
        let rows = |f: &dyn Fn(usize) -> String| (1..=100).fold("a,b\n".to_owned(), |text, i| text + &f(i) + "\n");
        write(folder.path(), "good.csv", &rows(&|i| format!("{i}.5,{}", i * i)));
        write(folder.path(), "zero.csv", &rows(&|i| format!("{i}.5,{}", if i == 42 { 0 } else { i * i })));
        let log = |name: &str| {
            let asked = [(name.to_owned(), ColumnTransform::Log { low: 0.0 })];
            Some(Transforms::Each(asked.into_iter().collect()))
        };
        let with = |path: &str, transform| spec::Dataset { transform, ..file_spec(path) };
        let dataset = load(&with("good.csv", log("b")), folder.path(), 10).unwrap();
        assert_eq!(dataset.preprocessing.transforms, [None, Some(crate::data::Transform::Log { low: 0.0 })]);
        let all = load(&with("good.csv", Some(Transforms::All(TransformKind::Symlog))), folder.path(), 10).unwrap();
        assert!(all.preprocessing.transforms.iter().all(Option::is_some));
        let counts = Some(spec::Steps::Each(vec![0.0, 1.0]));
        assert!(load(&spec::Dataset { dequantize: counts, ..with("zero.csv", log("b")) }, folder.path(), 10).is_ok());
        let dropped = spec::Dataset { drop: vec!["b".into()], ..with("good.csv", log("b")) };
        for (spec, expected) in [
            (with("zero.csv", log("b")), "zero.csv`, row 42 (line 43), column `b`: 0 is not above 0"),
            (with("good.csv", log("bb")), "names `bb`, which is no column learned from"),
            (dropped, "no column learned from"),
        ] {
            let text = load(&spec, folder.path(), 10).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
        let unknown = load(&with("good.csv", log("bb")), folder.path(), 10).unwrap_err().to_string();
        assert!(unknown.contains("`a`, `b`"), "{unknown}");
    }

    #[test]
    fn repeated_values_are_warned_about() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            "a.csv",
            &(0..100).fold("a,b\n".to_owned(), |text, i| text + &format!("{},{}\n", i * 37 % 101, i % 3)),
        );
        let dataset = load(&file_spec("a.csv"), folder.path(), 10).unwrap();
        assert!(
            dataset.warnings[0].contains("`b` (3)") && !dataset.warnings[0].contains("`a`"),
            "{:?}",
            dataset.warnings
        );
    }

    #[test]
    fn the_columns_of_parts_are_matched_by_name() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "train.csv", "a,b\n1,2\n3,5\n");
        write(folder.path(), "test.csv", "b,a\n20,10\n");
        write(folder.path(), "other.csv", "b,c\n20,10\n");
        let parts = |test: &str| spec::Dataset {
            path: None,
            train: Amount::File("train.csv".into()),
            validation: Amount::File("train.csv".into()),
            test: Amount::File(test.into()),
            standardize: false,
            ..file_spec("")
        };
        let dataset = load(&parts("test.csv"), folder.path(), 1).unwrap();
        assert_eq!((dataset.columns, dataset.test.as_slice()), (vec!["a".into(), "b".into()], &[10.0, 20.0][..]));
        let text = load(&parts("other.csv"), folder.path(), 1).unwrap_err().to_string();
        assert!(text.contains("has `c` where the first file of the dataset has `a`"), "{text}");
    }

    /// 60 rows of a number, an age, a kind in words, and a level from 0 to 2.
    fn kinds(row: impl Fn(usize) -> String) -> String {
        (0..60).fold("y,age,kind,level\n".to_owned(), |text, i| text + &row(i) + "\n")
    }

    fn kind(i: usize) -> String {
        format!("{},{},{},{}", (i * i) % 17, 20 + i, ["emu", "cat"][i % 2], i % 3)
    }

    #[test]
    fn a_context_stands_behind_the_features_scaled_and_with_a_value_a_class() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.csv", &kinds(kind));
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (context, categories) = (names(&["kind", "age", "level"]), names(&["level"]));
        let spec = spec::Dataset { context, categories, ..file_spec("a.csv") };
        let dataset = load(&spec, folder.path(), 10).unwrap();
        assert_eq!((&dataset.columns[..], dataset.context.values()), (&["y".to_owned()][..], 6));
        assert_eq!(
            dataset.context.names(),
            ["kind=cat", "kind=emu", "age", "level=0", "level=1", "level=2"],
            "words by the alphabet, numbers by size"
        );
        let (rows, preprocessing) = (train(&dataset), &dataset.preprocessing);
        for row in rows.iter_rows() {
            let i = row[3] as usize - 20;
            let expected = [i % 2, (i + 1) % 2, 20 + i, usize::from(i.is_multiple_of(3)), usize::from(i % 3 == 1)];
            let expected = [&[(i * i) % 17][..], &[expected[0], expected[1]], &expected[2..]].concat();
            assert_eq!(row[..6], expected.iter().map(|value| *value as f64).collect::<Vec<_>>());
        }
        let mean = rows.iter_rows().map(|row| row[3]).sum::<f64>() / rows.rows() as f64;
        assert!((preprocessing.mean[3] - mean).abs() < 1e-9 && preprocessing.scale[3] > 5.0);
        assert_eq!((&preprocessing.mean[4..], &preprocessing.scale[4..]), (&[0.0; 3][..], &[1.0; 3][..]));
        // The density is that of y alone.
        assert_eq!(preprocessing.log_det(&dataset.test)[0], -preprocessing.scale[0].ln());
        assert!(dataset.contexts(50).rows() == 50 && dataset.contexts(50).columns() == 6);

        let by_label = spec::Dataset {
            label: Some(spec::ColumnName::Name("level".into())),
            condition: true,
            drop: names(&["kind", "age"]),
            ..file_spec("a.csv")
        };
        let dataset = load(&by_label, folder.path(), 10).unwrap();
        assert_eq!((dataset.features(), dataset.context.names()[2].as_str()), (1, "level=2"));
    }

    #[test]
    fn a_context_that_tells_nothing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let with = |row: &dyn Fn(usize) -> String, context: &str, category: bool| {
            write(folder.path(), "a.csv", &kinds(row));
            let categories = if category { vec![context.to_owned()] } else { Vec::new() };
            let drop = ["kind", "age", "level"].iter().filter(|name| **name != context);
            let drop = drop.map(|name| (*name).to_owned()).collect();
            let spec = spec::Dataset { context: vec![context.to_owned()], categories, drop, ..file_spec("a.csv") };
            load(&spec, folder.path(), 10).unwrap_err().to_string()
        };
        let rare = |i: usize| format!("{i},{i},{},{}", if i == 33 { "owl" } else { ["emu", "cat"][i % 2] }, i % 3);
        let flat = |i: usize| format!("{i},7,cat,{}.5", i % 3);
        let cases = [
            (with(&kind, "agee", false), "has no column `agee`; did you mean `age`?"),
            (with(&rare, "kind", false), "row of the class `owl`"),
            (with(&flat, "kind", false), "is the same in every training row"),
            (with(&flat, "age", false), "is the same in every training row"),
            (with(&flat, "level", true), "classes are words or whole numbers"),
        ];
        for (text, expected) in cases {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn parts_may_have_files_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let rows =
            |from: usize| (from..from + 50).fold("a,b\n".to_owned(), |text, i| text + &format!("{i},{}\n", i * i));
        for (name, from) in [("train.csv", 0), ("validation.csv", 100), ("test.csv", 200)] {
            write(folder.path(), name, &rows(from));
        }
        write(folder.path(), "other.csv", "a,c\n1,2\n");
        let file = |name: &str| Amount::File(name.into());
        let spec = spec::Dataset {
            standardize: false,
            path: None,
            train: file("train.csv"),
            validation: file("validation.csv"),
            test: file("test.csv"),
            ..file_spec("")
        };
        let dataset = load(&spec, folder.path(), 10).unwrap();
        let first = [train(&dataset).row(0)[0], dataset.validation.row(0)[0].into(), dataset.test.row(49)[0].into()];
        assert_eq!((first, dataset.unused_rows), ([0.0, 100.0, 249.0], 0));
        // One part of its own, the others from the shared file.
        let (path, train_part) = (Some("train.csv".into()), Amount::Fraction(0.8));
        let mixed = spec::Dataset { path, train: train_part, validation: Amount::Fraction(0.2), ..spec.clone() };
        let dataset = load(&mixed, folder.path(), 10).unwrap();
        assert_eq!((train(&dataset).rows(), dataset.validation.rows(), dataset.test.rows()), (40, 10, 50));
        let text = load(&spec::Dataset { test: file("other.csv"), ..spec }, folder.path(), 10).unwrap_err().to_string();
        assert!(text.contains("`c` where the first file of the dataset has `b`"), "{text}");
    }

    #[test]
    fn parts_may_be_texts_of_different_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let rows = |from: usize, cell: char| {
            (from..from + 50).fold(format!("a{cell}b\n"), |text, i| text + &format!("{i}{cell}{}\n", i * i % 97))
        };
        write(folder.path(), "train.csv", &rows(0, ','));
        write(folder.path(), "test.tsv", &rows(200, '\t'));
        let (path, test) = (Some("train.csv".into()), Amount::File("test.tsv".into()));
        // As a spec resolves it.
        let spec = spec::Dataset { path, test, delimiter: Some(','), ..file_spec("") };
        let dataset = load(&spec, folder.path(), 10).unwrap();
        assert_eq!((dataset.columns.len(), dataset.test.rows()), (2, 50));
    }

    #[test]
    fn bytes_of_idx_files_are_dequantised_and_stretched_without_being_asked() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 100, 0, 0, 0, 1, 0, 0, 0, 2];
        bytes.extend((0..200u8).map(|i| if i % 3 == 0 { 0 } else { 255 - i }));
        std::fs::write(folder.path().join("a.idx"), bytes).unwrap();
        let spec = spec::Dataset { logit: Some(1e-6), ..file_spec("a.idx") };
        let dataset = load(&spec, folder.path(), 10).unwrap();
        assert_eq!(dataset.columns, ["pixel_0_0", "pixel_0_1"]);
        assert_eq!(dataset.preprocessing.steps, [1.0, 1.0]);
        assert_eq!(dataset.preprocessing.logit, Some(Logit { alpha: 1e-6, low: 0.0, high: 256.0 }));
        assert!(dataset.preprocessing.bits_per_dim(1.0).is_some());
        let off = spec::Dataset { dequantize: Some(spec::Steps::All(0.0)), logit: None, ..spec.clone() };
        assert!(load(&off, folder.path(), 10).unwrap().preprocessing.steps.is_empty());
        let narrow = spec::Dataset { bounds: Some([0.0, 250.0]), ..spec.clone() };
        let text = load(&narrow, folder.path(), 10).unwrap_err().to_string();
        assert!(text.contains("not within `bounds` from 0 to 250"), "{text}");
        let three = spec::Dataset { dequantize: Some(spec::Steps::Each(vec![1.0; 3])), ..spec };
        let text = load(&three, folder.path(), 10).unwrap_err().to_string();
        assert!(text.contains("lists 3 steps for 2 columns"), "{text}");
    }
}
