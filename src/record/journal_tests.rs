//! The journal under kills, resumes and full disks.

use std::sync::{Arc, Mutex};

use polars::prelude::*;

use super::*;
use crate::train::{ScaleHealth, Summary};

fn journal(directory: &Path) -> MetricsJournal {
    MetricsJournal::new(directory, Arc::new(|warning| panic!("{warning}")))
}

fn row(step: i64) -> Metrics {
    Metrics {
        step,
        epoch: step as f64 / 3.0,
        seconds: 0.1 * step as f64,
        train_nll: Some(0.1 + 0.2),
        ..Metrics::default()
    }
}

fn started(resumed_at: Option<i64>) -> Event {
    Event::Started { resumed_at, total_steps: 100, parameters: 7 }
}

fn ended(status: Status) -> Event {
    Event::Ended { status, summary: Summary::default(), reason: None }
}

/// A run that records rows at `steps` and then, if told, ends.
fn run(directory: &Path, resumed_at: Option<i64>, steps: &[i64], end: Option<Status>) {
    let mut sink = journal(directory);
    sink.record(&started(resumed_at)).expect("started");
    for &step in steps {
        sink.record(&Event::Metrics(row(step))).expect("recorded");
    }
    if let Some(status) = end {
        sink.record(&ended(status)).expect("ended");
    }
}

fn steps(directory: &Path) -> Vec<i64> {
    read_metrics(directory).expect("read").iter().map(|row| row.step).collect()
}

#[test]
fn how_a_run_ends_decides_which_file_stays() {
    let cases = [
        (None, true, false),
        (Some(Status::Interrupted), true, false),
        (Some(Status::Finished), false, true),
        (Some(Status::Diverged), false, true),
        (Some(Status::Failed), false, true),
    ];
    for (end, journal, table) in cases {
        let folder = tempfile::tempdir().expect("folder");
        run(folder.path(), None, &[10, 20], end);
        assert_eq!(folder.path().join(JOURNAL).exists(), journal, "{end:?}");
        assert_eq!(folder.path().join(TABLE).exists(), table, "{end:?}");
        assert_eq!(steps(folder.path()), [10, 20], "{end:?}");
    }
}

#[test]
fn rows_are_readable_while_the_run_goes() {
    let folder = tempfile::tempdir().expect("folder");
    let mut sink = journal(&folder.path().join("trial/seed-0"));
    sink.record(&started(None)).expect("started");
    for step in 1..=3 {
        sink.record(&Event::Metrics(row(step))).expect("recorded");
        assert_eq!(steps(&folder.path().join("trial/seed-0")).len(), step as usize);
    }
}

#[test]
fn resuming_cuts_the_rows_after_the_checkpoint() {
    // Killed, interrupted, and failed (whose rows stand in a table already) runs go on the same way.
    for end in [None, Some(Status::Interrupted), Some(Status::Failed)] {
        let folder = tempfile::tempdir().expect("folder");
        run(folder.path(), None, &[10, 20, 30, 40], end);
        run(folder.path(), Some(20), &[30], None);
        assert_eq!(steps(folder.path()), [10, 20, 30], "{end:?}");
        assert!(!folder.path().join(TABLE).exists(), "{end:?}");
    }
}

#[test]
fn starting_afresh_forgets_the_old_rows() {
    for end in [None, Some(Status::Finished)] {
        let folder = tempfile::tempdir().expect("folder");
        run(folder.path(), None, &[10, 20], end);
        run(folder.path(), None, &[5], Some(Status::Finished));
        assert_eq!(steps(folder.path()), [5], "{end:?}");
    }
}

#[test]
fn interrupted_run_ends_with_the_same_bytes() {
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().expect("folder"));
    let all: Vec<i64> = (1..200).collect();
    run(whole.path(), None, &all, Some(Status::Finished));
    run(parts.path(), None, &all[..120], None);
    run(parts.path(), Some(100), &all[100..150], Some(Status::Failed));
    run(parts.path(), Some(130), &all[130..], Some(Status::Finished));
    let [whole, parts] = [whole, parts].map(|folder| fs::read(folder.path().join(TABLE)).expect("read"));
    assert_eq!(whole, parts);
}

#[test]
fn torn_last_line_is_dropped_and_the_next_row_stands_on_its_own() {
    for torn in [&b"{\"step\":30,\"epo"[..], b"\0\0\0\0", b"{\"step\":30}\n"] {
        let folder = tempfile::tempdir().expect("folder");
        run(folder.path(), None, &[10, 20], None);
        let mut file = OpenOptions::new().append(true).open(folder.path().join(JOURNAL)).expect("opened");
        file.write_all(torn).expect("torn");
        assert_eq!(steps(folder.path()), [10, 20]);
        run(folder.path(), Some(20), &[30], None);
        assert_eq!(steps(folder.path()), [10, 20, 30]);
    }
}

#[test]
fn damage_elsewhere_is_an_error_with_its_line() {
    let folder = tempfile::tempdir().expect("folder");
    run(folder.path(), None, &[10, 20, 30], None);
    let path = folder.path().join(JOURNAL);
    let text = fs::read_to_string(&path).expect("read").replace("\"step\":20", "\"stop\":20");
    fs::write(&path, text).expect("written");
    let error = read_metrics(folder.path()).expect_err("damaged").to_string();
    assert!(error.contains("metrics.jsonl:2:"), "{error}");
}

#[test]
fn a_damaged_journal_or_table_is_kept_as_a_copy_and_the_run_goes_on_with_what_can_be_read() {
    for (end, name) in [(None, JOURNAL), (Some(Status::Failed), TABLE)] {
        let folder = tempfile::tempdir().expect("folder");
        run(folder.path(), None, &[10, 20, 30, 40], end);
        let path = folder.path().join(name);
        let damaged = match name {
            JOURNAL => fs::read_to_string(&path).expect("read").replacen("{\"step\":20", "rubbish", 1),
            _ => "rubbish".to_owned(),
        };
        let copies = [".damaged", ".damaged-2"].map(|end| folder.path().join(format!("{name}{end}")));
        for copy in &copies {
            fs::write(&path, &damaged).expect("written");
            let said = Arc::new(Mutex::new(Vec::new()));
            let heard = Arc::clone(&said);
            let warn = Arc::new(move |text| heard.lock().expect("whole").push(text));
            let mut sink = MetricsJournal::new(folder.path(), warn);
            sink.record(&started(Some(30))).expect("started");
            sink.record(&Event::Metrics(row(50))).expect("recorded");
            let expected = if name == JOURNAL { vec![10, 30, 50] } else { vec![50] };
            assert_eq!(steps(folder.path()), expected, "{name}");
            assert_eq!(fs::read_to_string(copy).expect("a copy"), damaged);
            let said = said.lock().expect("whole").join("\n");
            let parts = [name, if name == JOURNAL { "line 2 " } else { "no" }, &*copy.to_string_lossy()];
            assert!(parts.iter().all(|part| said.contains(part)) && said.lines().count() == 1, "{said}");
            drop(sink);
            fs::remove_file(folder.path().join(JOURNAL)).expect("removed");
        }
        let names = copies.map(|copy| copy.file_name().expect("a name").to_string_lossy().into_owned());
        assert!(names.iter().all(|name| is_damaged_metrics(name)) && !is_damaged_metrics(name));
    }
}

#[test]
fn table_has_the_named_columns_their_types_and_nulls() {
    let folder = tempfile::tempdir().expect("folder");
    let mut sink = journal(folder.path());
    let full = Metrics { validation_nll: Some(-1.5), gradient_norm: Some(f64::NAN), scale_max: Some(0.25), ..row(2) };
    for event in [started(None), Event::Metrics(row(1)), Event::Metrics(full), ended(Status::Diverged)] {
        sink.record(&event).expect("recorded");
    }
    let file = File::open(folder.path().join(TABLE)).expect("opened");
    let table = ParquetReader::new(file).finish().expect("read");
    let floats =
        "epoch seconds train_nll validation_nll learning_rate gradient_norm samples_per_second inverse_error scale_max";
    let mut expected = vec![("step", DataType::Int64)];
    expected.extend(floats.split(' ').map(|name| (name, DataType::Float64)));
    let found: Vec<_> = table.columns().iter().map(|column| (column.name().as_str(), column.dtype().clone())).collect();
    assert_eq!(found, expected);
    let values = |name: &str| table.column(name).expect("column").f64().expect("f64").iter().collect::<Vec<_>>();
    assert_eq!(values("train_nll"), [Some(0.1 + 0.2); 2]);
    assert_eq!(values("validation_nll"), [None, Some(-1.5)]);
    assert_eq!(values("gradient_norm"), [None, None]);
    assert_eq!(values("scale_max"), [None, Some(0.25)]);
}

#[test]
fn the_health_of_scales_has_columns_of_its_own_and_comes_back() {
    let folder = tempfile::tempdir().expect("folder");
    let of = |scale_max, latent_rms| ScaleHealth { scale_max: Some(scale_max), latent_rms: Some(latent_rms) };
    let rows = [row(1), Metrics { scales: vec![of(0.5, 1.25), of(0.0, 0.75)], ..row(2) }];
    let mut sink = journal(folder.path());
    let events = rows.clone().map(Event::Metrics);
    for event in [started(None)].into_iter().chain(events).chain([ended(Status::Finished)]) {
        sink.record(&event).expect("recorded");
    }
    let table = ParquetReader::new(File::open(folder.path().join(TABLE)).expect("opened")).finish().expect("read");
    let names: Vec<_> = table.columns().iter().skip(10).map(|column| column.name().as_str()).collect();
    assert_eq!(names, ["scale_max_1", "latent_rms_1", "scale_max_2", "latent_rms_2"]);
    let values = |name: &str| table.column(name).expect("column").f64().expect("f64").iter().collect::<Vec<_>>();
    assert_eq!(values("latent_rms_2"), [None, Some(0.75)]);
    assert_eq!(read_metrics(folder.path()).expect("rows"), rows);
}

#[test]
fn run_directory_without_rows_is_empty_and_without_directory_an_error() {
    let folder = tempfile::tempdir().expect("folder");
    assert_eq!(steps(folder.path()), [0i64; 0]);
    let error = read_metrics(&folder.path().join("moons")).expect_err("no such run").to_string();
    assert!(error.contains("moons"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_an_error_that_names_the_journal() {
    let folder = tempfile::tempdir().expect("folder");
    let mut sink = journal(folder.path());
    sink.journal = Some(Journal::open(Path::new("/dev/full")).expect("opened"));
    let error = sink.record(&Event::Metrics(row(1))).expect_err("full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().contains("metrics.jsonl"), "{error}");
}
