//! A folder in which the program is run, and ways to look at what it leaves there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use polars::prelude::*;
use safetensors::SafeTensors;
use tempfile::TempDir;

/// A flow that trains in a blink.
pub const SMALL: &str = r#"
[dataset]
name = "moons"
train = 1_000
validation = 200
test = 500
[model]
depth = 2
width = 32
[training]
steps = 60
batch_size = 64
evaluate_every = 20
log_every = 10
"#;

/// A folder of its own that goes with the test.
pub struct Workplace {
    folder: TempDir,
}

/// What a process said and how it ended.
#[derive(Debug)]
pub struct Ended {
    /// `None`: killed by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Workplace {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// With [`SMALL`] as `moons.toml`.
    pub fn with_moons() -> Self {
        let here = Self::new();
        here.write("moons.toml", SMALL);
        here
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("made");
        fs::write(path, content).expect("written");
    }

    /// The program with `arguments`, separated by blanks, ready to start in this folder.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Types `runner <arguments>` and waits.
    pub fn runner(&self, arguments: &str) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    /// All files below this folder with their content.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(self.folder.path(), &mut found);
        found
    }

    /// The only folder that matches `<experiment>/<trial>/seed-<seed>` with any trial.
    pub fn run_folder(&self, experiment: &str, seed: u64) -> PathBuf {
        let mut runs = self.run_folders(experiment, seed);
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// In the order of the trials' ids.
    pub fn run_folders(&self, experiment: &str, seed: u64) -> Vec<PathBuf> {
        let trials = fs::read_dir(self.path(experiment)).into_iter().flatten().flatten();
        let mut runs: Vec<PathBuf> = trials.map(|trial| trial.path().join(format!("seed-{seed}"))).collect();
        runs.retain(|run| run.is_dir());
        runs.sort();
        runs
    }
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let content = fs::read(&path).expect("read");
            found.insert(path, content);
        }
    }
}

impl Ended {
    pub fn of(command: &mut Command) -> Self {
        Self::of_with_stdout(command, Stdio::piped())
    }

    pub fn of_with_stdout(command: &mut Command, stdout: Stdio) -> Self {
        let output = command.stdout(stdout).stderr(Stdio::piped()).output().expect("started");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Holds it to have ended with the exit status `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Holds stderr to contain all of `parts`.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in stderr:\n{}", self.stderr);
        }
        self
    }
}

pub fn parquet(path: impl AsRef<Path>) -> DataFrame {
    let path = path.as_ref();
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ParquetReader::new(file).finish().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names and types of a table's columns.
pub fn columns(table: &DataFrame) -> Vec<(String, DataType)> {
    table.columns().iter().map(|column| (column.name().to_string(), column.dtype().clone())).collect()
}

/// The numbers of a column without missing ones.
pub fn numbers(table: &DataFrame, name: &str) -> Vec<f64> {
    let column = table.column(name).expect("the column").cast(&DataType::Float64).expect("numbers");
    column.f64().expect("f64").iter().flatten().collect()
}

/// The words of a column.
pub fn texts(table: &DataFrame, name: &str) -> Vec<String> {
    let column = table.column(name).expect("the column").str().expect("text");
    column.iter().map(|text| text.expect("a word").to_owned()).collect()
}

/// The training curve of a run without the columns that hold times.
pub fn curve(run: &Path) -> DataFrame {
    parquet(run.join("metrics.parquet")).drop_many(["seconds", "samples_per_second"])
}

/// Tensors of a checkpoint by name: shape and bytes.
fn weights(checkpoint: &[u8]) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let file = SafeTensors::deserialize(checkpoint).expect("safetensors");
    file.tensors().into_iter().map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec()))).collect()
}

/// Holds two runs to the same numbers: curve, weights, optimizer, samples. Checkpoints of one spec are equal to the last byte;
/// those of specs that name their data otherwise say so.
#[track_caller]
pub fn assert_same_numbers(one: &Path, other: &Path) {
    assert!(curve(one).equals_missing(&curve(other)), "{}\n{}", curve(one), curve(other));
    let same_spec = manifest(one)["spec_hash"] == manifest(other)["spec_hash"];
    for checkpoint in ["checkpoints/best.safetensors", "checkpoints/last.safetensors"] {
        let bytes = |run: &Path| fs::read(run.join(checkpoint)).expect("a checkpoint");
        let (one_file, other_file) = (bytes(one), bytes(other));
        assert!(weights(&one_file) == weights(&other_file), "{checkpoint} differs");
        assert!(!same_spec || one_file == other_file, "what {checkpoint} says of its weights differs");
    }
    assert!(parquet(one.join("samples.parquet")).equals(&parquet(other.join("samples.parquet"))), "samples differ");
}

pub fn manifest(run: &Path) -> serde_json::Value {
    let text = fs::read(run.join("manifest.json")).expect("a manifest");
    serde_json::from_slice(&text).expect("JSON")
}
