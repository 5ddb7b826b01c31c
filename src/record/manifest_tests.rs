//! A run's manifest over its life.

use super::*;
use crate::record::sample;

fn writer(directory: &Path) -> ManifestWriter {
    let overrides =
        "\"model.depth\" = 8\n\"optimizer.learning_rate\" = 1.0\n\"optimizer.clip_norm\" = inf\npair = [1, 2]";
    let trial = sample::trial("depth=8-3f9a2c1d", 3, overrides);
    ManifestWriter::new(directory, Manifest::new(&trial, true, "avx2+fma"))
}

fn started(resumed_at: Option<i64>) -> Event {
    Event::Started { resumed_at, total_steps: 40, parameters: 1234 }
}

fn ended(status: Status, reason: Option<&str>) -> Event {
    // 0 rows in 0 seconds.
    let summary = Summary { test_nll: Some(f64::NAN), steps: 40, samples_per_second: f64::NAN, ..Summary::default() };
    Event::Ended { status, summary, reason: reason.map(str::to_owned) }
}

#[test]
fn running_manifest_is_there_from_the_start() {
    let folder = tempfile::tempdir().expect("folder");
    let directory = folder.path().join("trial/seed-3");
    writer(&directory).record(&started(None)).expect("recorded");
    let manifest = Manifest::read(&directory).expect("read");
    assert_eq!((manifest.status, manifest.seed, manifest.parameters), (Status::Running, 3, Some(1234)));
    assert_eq!((manifest.trial.as_str(), manifest.device.as_str()), ("depth=8-3f9a2c1d", "cpu"));
    assert_eq!((manifest.pid, manifest.runner.as_str()), (std::process::id(), env!("CARGO_PKG_VERSION")));
    assert_eq!((manifest.ended, manifest.summary), (None, None));
    let started: jiff::Timestamp = manifest.started.expect("a time").parse().expect("RFC 3339");
    assert!(jiff::Timestamp::now().as_second() - started.as_second() < 60);
}

#[test]
fn overrides_come_back_with_their_types() {
    let folder = tempfile::tempdir().expect("folder");
    writer(folder.path()).record(&started(None)).expect("recorded");
    let overrides = Manifest::read(folder.path()).expect("read").overrides;
    let expected: BTreeMap<String, toml::Value> = toml::from_str(
        "\"model.depth\" = 8\n\"optimizer.learning_rate\" = 1.0\n\"optimizer.clip_norm\" = \"inf\"\npair = [1, 2]",
    )
    .expect("TOML");
    assert_eq!(overrides, expected);
}

#[test]
fn end_is_recorded_even_where_the_run_failed_before_its_start() {
    let folder = tempfile::tempdir().expect("folder");
    writer(folder.path()).record(&ended(Status::Failed, Some("no such file"))).expect("recorded");
    let manifest = Manifest::read(folder.path()).expect("read");
    assert_eq!((manifest.status, manifest.reason.as_deref()), (Status::Failed, Some("no such file")));
    assert_eq!((manifest.started, manifest.parameters), (None, None));
}

#[test]
fn numbers_that_are_not_finite_leave_the_manifest_readable() {
    let folder = tempfile::tempdir().expect("folder");
    writer(folder.path()).record(&ended(Status::Diverged, Some("NaN at step 7"))).expect("recorded");
    let summary = Manifest::read(folder.path()).expect("read").summary.expect("a summary");
    assert_eq!((summary.test_nll, summary.steps, summary.samples_per_second), (None, 40, 0.0));
}

#[test]
fn resumed_run_counts_and_keeps_its_first_start() {
    let folder = tempfile::tempdir().expect("folder");
    writer(folder.path()).record(&started(None)).expect("recorded");
    let mut first = Manifest::read(folder.path()).expect("read");
    first.started = Some("2020-01-01T00:00:00.000Z".to_owned());
    first.write(folder.path()).expect("written");
    for resumes in 1..=2 {
        writer(folder.path()).record(&started(Some(20))).expect("recorded");
        let manifest = Manifest::read(folder.path()).expect("read");
        assert_eq!((manifest.resumes, &manifest.started), (resumes, &first.started));
    }
    writer(folder.path()).record(&started(None)).expect("recorded");
    let manifest = Manifest::read(folder.path()).expect("read");
    assert_eq!(manifest.resumes, 0);
    assert_ne!(manifest.started, first.started);
}

#[test]
fn missing_and_damaged_manifests_are_errors_that_name_the_file() {
    let folder = tempfile::tempdir().expect("folder");
    let missing = Manifest::read(folder.path()).expect_err("missing");
    assert!(matches!(missing, RecordError::Read { .. }) && missing.to_string().contains(FILE), "{missing}");
    std::fs::write(folder.path().join(FILE), "{\"status\": \"fin").expect("written");
    let damaged = Manifest::read(folder.path()).expect_err("damaged");
    assert!(matches!(damaged, RecordError::Manifest { .. }) && damaged.to_string().contains(FILE), "{damaged}");
}
