//! The table of an experiment.

use super::*;
use crate::record::sample;
use crate::train::Status;

fn manifest(id: &str, seed: u64, overrides: &str) -> Manifest {
    // A trial of another name is another one.
    Manifest { spec_hash: format!("{id:0<64}"), ..Manifest::new(&sample::trial(id, seed, overrides), false, "") }
}

fn table(folder: &Path) -> DataFrame {
    let file = fs::File::open(folder.join("trials.parquet")).expect("opened");
    ParquetReader::new(file).finish().expect("read")
}

fn columns(table: &DataFrame) -> Vec<(&str, DataType)> {
    table.columns().iter().map(|column| (column.name().as_str(), column.dtype().clone())).collect()
}

const FIXED: [(&str, DataType); 20] = [
    ("experiment", DataType::String),
    ("trial", DataType::String),
    ("seed", DataType::Int64),
    ("status", DataType::String),
    ("test_nll", DataType::Float64),
    ("test_nll_stderr", DataType::Float64),
    ("test_nll_standardized", DataType::Float64),
    ("validation_nll", DataType::Float64),
    ("train_nll", DataType::Float64),
    ("gap", DataType::Float64),
    ("gap_stderr", DataType::Float64),
    ("bits_per_dim", DataType::Float64),
    ("steps", DataType::Int64),
    ("seconds", DataType::Float64),
    ("samples_per_second", DataType::Float64),
    ("parameters", DataType::Int64),
    ("device", DataType::String),
    ("static_shape", DataType::Boolean),
    ("git_commit", DataType::String),
    ("spec_hash", DataType::String),
];

#[test]
fn fixed_columns_stand_first_whatever_is_known() {
    let folder = tempfile::tempdir().expect("folder");
    for rows in [Vec::new(), vec![manifest("base", 0, "")]] {
        write_trials(folder.path(), &rows, false).expect("written");
        let table = table(folder.path());
        assert_eq!(table.height(), rows.len());
        assert_eq!(columns(&table), FIXED);
    }
}

#[test]
fn overridden_keys_get_columns_of_their_type() {
    let folder = tempfile::tempdir().expect("folder");
    let rows = [
        manifest("a", 0, "depth = 4\nrate = 1\nbatch_norm = true\nmask = \"half\"\nodd = 1\nbetas = [0.9, 0.99]"),
        manifest("b", 0, "depth = 8\nrate = 0.5\nbatch_norm = false\nmask = \"random\"\nodd = true\ndevice = \"cuda\""),
        manifest("c", 0, ""),
    ];
    write_trials(folder.path(), &rows, false).expect("written");
    let table = table(folder.path());
    let expected = [
        ("batch_norm", DataType::Boolean),
        ("betas", DataType::String),
        ("depth", DataType::Int64),
        ("mask", DataType::String),
        ("odd", DataType::String),
        ("rate", DataType::Float64),
    ];
    assert_eq!(columns(&table)[FIXED.len()..], expected);
    let strings = |name: &str| -> Vec<Option<String>> {
        let column = table.column(name).expect("column").str().expect("text");
        column.iter().map(|text| text.map(str::to_owned)).collect()
    };
    let integers: Vec<_> = table.column("depth").expect("column").i64().expect("i64").iter().collect();
    let floats: Vec<_> = table.column("rate").expect("column").f64().expect("f64").iter().collect();
    assert_eq!(integers, [Some(4), Some(8), None]);
    assert_eq!(floats, [Some(1.0), Some(0.5), None]);
    assert_eq!(strings("odd"), [Some("1".to_owned()), Some("true".to_owned()), None]);
    assert_eq!(strings("mask"), [Some("half".to_owned()), Some("random".to_owned()), None]);
    assert_eq!(strings("betas"), [Some("[0.9, 0.99]".to_owned()), None, None]);
    assert_eq!(strings("device"), ["cpu"; 3].map(|device| Some(device.to_owned())));
}

#[test]
fn results_stand_in_their_columns_and_are_null_before_the_end() {
    let folder = tempfile::tempdir().expect("folder");
    let mut ended = manifest("a", 0, "");
    ended.status = Status::Finished;
    ended.summary = Some(Summary { test_nll: Some(-1.25), gap: None, steps: 40, ..Summary::default() });
    write_trials(folder.path(), &[ended, manifest("a", 1, "")], true).expect("written");
    let table = table(folder.path());
    let floats = |name: &str| table.column(name).expect("column").f64().expect("f64").iter().collect::<Vec<_>>();
    assert_eq!(floats("test_nll"), [Some(-1.25), None]);
    assert_eq!(floats("gap"), [None, None]);
    assert_eq!(floats("seconds"), [Some(0.0), None]);
    let status: Vec<_> = table.column("status").expect("column").str().expect("text").iter().collect();
    assert_eq!(status, [Some("finished"), Some("running")]);
}

#[test]
fn runs_are_found_in_the_order_of_trial_and_seed_and_broken_ones_reported() {
    let folder = tempfile::tempdir().expect("folder");
    for (id, seed) in [("depth=8", 10), ("depth=4", 1), ("depth=8", 2)] {
        let run = folder.path().join(id).join(format!("seed-{seed}"));
        fs::create_dir_all(&run).expect("made");
        manifest(id, seed, "").write(&run).expect("written");
    }
    fs::create_dir_all(folder.path().join("depth=8/seed-3")).expect("not started yet");
    let broken = folder.path().join("depth=4/seed-9");
    fs::create_dir_all(&broken).expect("made");
    fs::write(broken.join("manifest.json"), "{").expect("written");
    fs::write(folder.path().join("plan.json"), "{}").expect("no trial");

    let runs = read_runs(folder.path());
    let found: Vec<_> = runs.manifests.iter().map(|run| (run.trial.as_str(), run.seed)).collect();
    assert_eq!(found, [("depth=4", 1), ("depth=8", 2), ("depth=8", 10)]);
    assert_eq!(runs.broken.len(), 1);
    assert!(runs.broken[0].to_string().contains("seed-9"), "{}", runs.broken[0]);
}

#[test]
fn experiment_that_does_not_exist_has_no_runs() {
    let folder = tempfile::tempdir().expect("folder");
    let runs = read_runs(&folder.path().join("circles"));
    assert!(runs.manifests.is_empty() && runs.broken.is_empty());
}
