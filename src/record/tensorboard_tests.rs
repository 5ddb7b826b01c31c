//! What TensorBoard finds after fresh, resumed and failing runs.

use std::path::Path;
use std::sync::mpsc::channel;

use protobuf::Message;
use tensorboard_proto::event::SessionLog_SessionStatus;
use tensorboard_proto::plugin_hparams::HParamsPluginData;
use tensorboard_proto::summary::Summary_Value;

use super::*;
use crate::record::events_file::tests::read;
use crate::record::sample;
use crate::train::Picture;

fn sink(directory: &Path) -> TensorBoard {
    let trial = sample::trial("depth=8-3f9a2c1d", 3, "\"model.depth\" = 8");
    let warn = |warning| panic!("{warning}");
    TensorBoard::new(directory, &trial, "name = \"moons\"\n".to_owned(), Arc::new(warn))
}

fn started(resumed_at: Option<i64>) -> Event {
    Event::Started { resumed_at, total_steps: 40, parameters: 7 }
}

fn row(step: i64) -> Event {
    let evaluated = (step % 20 == 0).then_some(0.5);
    Event::Metrics(Metrics {
        step,
        train_nll: Some(1.0 / step as f64),
        validation_nll: evaluated,
        learning_rate: Some(1e-3),
        gradient_norm: Some(2.0),
        samples_per_second: Some(1e4),
        inverse_error: evaluated.map(|_| 1e-6),
        scale_max: evaluated,
        scales: evaluated
            .iter()
            .flat_map(|value| [1.0, 2.0].map(|by| ScaleHealth { scale_max: Some(by * value), latent_rms: Some(by) }))
            .collect(),
        ..Metrics::default()
    })
}

fn picture(tag: &'static str) -> Event {
    Event::Picture { step: 40, picture: Picture { tag, width: 2, height: 3, png: vec![137, 80, 78, 71] } }
}

fn ended(status: Status) -> Event {
    let summary = Summary { test_nll: Some(0.25), gap: Some(0.125), steps: 40, seconds: 1.5, ..Summary::default() };
    Event::Ended { status, summary, reason: None }
}

fn send(sink: &mut TensorBoard, events: impl IntoIterator<Item = Event>) {
    for event in events {
        sink.record(&event).expect("a view never fails");
    }
}

/// Step and value of everything under `tag`, in all files in order.
fn values(directory: &Path, tag: &str) -> Vec<(i64, Summary_Value)> {
    let mut found = Vec::new();
    for file in events_files(directory).expect("listed") {
        for event in read(&file) {
            let values = event.get_summary().get_value().iter().filter(|value| value.get_tag() == tag);
            found.extend(values.map(|value| (event.get_step(), value.clone())));
        }
    }
    found
}

/// As plain numbers; what stands there as a tensor says the same once more.
fn points(directory: &Path, tag: &str) -> Vec<(i64, f32)> {
    let plain = values(directory, tag).into_iter().filter(|(_, value)| value.has_simple_value());
    plain.map(|(step, value)| (step, value.get_simple_value())).collect()
}

fn plugin_data(directory: &Path, tag: &str) -> Vec<HParamsPluginData> {
    let parse = |value: &Summary_Value| {
        assert_eq!(value.get_metadata().get_plugin_data().get_plugin_name(), "hparams");
        HParamsPluginData::parse_from_bytes(value.get_metadata().get_plugin_data().get_content()).expect("parsed")
    };
    values(directory, tag).iter().map(|(_, value)| parse(value)).collect()
}

/// Steps at which the files tell TensorBoard that a part of the run starts.
fn starts(directory: &Path) -> Vec<i64> {
    let files = events_files(directory).expect("listed");
    let events = files.iter().flat_map(|file| read(file));
    let starts = events.filter(|event| event.get_session_log().get_status() == SessionLog_SessionStatus::START);
    starts.map(|event| event.get_step()).collect()
}

#[test]
fn finished_run_has_every_tag_at_its_steps() {
    let folder = tempfile::tempdir().expect("folder");
    let directory = folder.path().join("trial/seed-3");
    let mut sink = sink(&directory);
    send(&mut sink, [started(None), row(10), row(20), Event::Saved { step: 20 }, row(30), row(40)]);
    send(&mut sink, [picture("density"), picture("samples"), ended(Status::Finished)]);

    assert_eq!(starts(&directory), [0]);
    let curves: [(&str, &[(i64, f32)]); 13] = [
        ("nll/train", &[(10, 0.1), (20, 0.05), (30, 1.0 / 30.0), (40, 0.025)]),
        ("nll/validation", &[(20, 0.5), (40, 0.5)]),
        ("optim/learning_rate", &[(10, 1e-3), (20, 1e-3), (30, 1e-3), (40, 1e-3)]),
        ("optim/gradient_norm", &[(10, 2.0), (20, 2.0), (30, 2.0), (40, 2.0)]),
        ("health/inverse_error", &[(20, 1e-6), (40, 1e-6)]),
        ("health/scale_max", &[(20, 0.5), (40, 0.5)]),
        ("health/scale_max/scale_2", &[(20, 1.0), (40, 1.0)]),
        ("health/latent_rms/scale_1", &[(20, 1.0), (40, 1.0)]),
        ("speed/samples_per_second", &[(10, 1e4), (20, 1e4), (30, 1e4), (40, 1e4)]),
        ("nll/test", &[(40, 0.25)]),
        ("nll/gap", &[(40, 0.125)]),
        ("cost/seconds", &[(40, 1.5)]),
        ("cost/parameters", &[(0, 7.0)]),
    ];
    for (tag, expected) in curves {
        assert_eq!(points(&directory, tag), expected, "{tag}");
        let all = values(&directory, tag);
        let (step, first) = &all[0];
        assert_eq!((*step, first.get_tensor().get_float_val()), (expected[0].0, &[expected[0].1][..]), "{tag}");
        assert_eq!(first.get_metadata().get_plugin_data().get_plugin_name(), "scalars", "{tag}");
        assert!(!first.get_metadata().get_summary_description().is_empty(), "{tag}: TensorBoard asks the first point");
        assert!(all[1..].iter().all(|(_, value)| value.has_simple_value()), "{tag}");
    }
    for tag in ["density", "samples"] {
        let pictures = values(&directory, tag);
        assert_eq!(pictures.len(), 1, "{tag}");
        let image = pictures[0].1.get_image();
        assert_eq!((image.get_width(), image.get_height(), image.get_colorspace()), (2, 3, 3));
        assert_eq!(image.get_encoded_image_string(), [137, 80, 78, 71]);
    }
    let spec = &values(&directory, "spec")[0].1;
    assert_eq!(spec.get_metadata().get_plugin_data().get_plugin_name(), "text");
    assert_eq!(spec.get_tensor().get_string_val(), [b"```toml\nname = \"moons\"\n```".to_vec()]);
}

#[test]
fn session_shows_overrides_and_the_group_of_its_seeds() {
    let folder = tempfile::tempdir().expect("folder");
    let mut sink = sink(folder.path());
    send(&mut sink, [started(None)]);
    let start = plugin_data(folder.path(), "_hparams_/session_start_info").remove(0);
    let info = start.get_session_start_info();
    assert_eq!(info.get_group_name(), "depth=8-3f9a2c1d");
    assert_eq!(info.get_hparams().len(), 1);
    assert_eq!(info.get_hparams()["model.depth"].get_number_value(), 8.0);
    assert!(plugin_data(folder.path(), "_hparams_/session_end_info").is_empty());
    send(&mut sink, [ended(Status::Diverged)]);
    assert_eq!(plugin_data(folder.path(), "_hparams_/session_end_info").len(), 1);
}

#[test]
fn trial_without_overrides_shows_the_main_keys_and_never_the_seed() {
    let trial = sample::trial("base-3f9a2c1d", 3, "seeds = [3]");
    let shown: Vec<(String, toml::Value)> = hparams::hparams(&trial.overrides, &trial.spec).into_iter().collect();
    let expected: BTreeMap<String, toml::Value> = toml::from_str(
        r#"
        "model.depth" = 8
        "model.mask" = "half"
        "model.width" = 128
        "optimizer.learning_rate" = 1e-3
        "training.batch_size" = 256
        "#,
    )
    .expect("TOML");
    assert_eq!(shown, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn resumed_run_goes_on_in_a_new_file_and_keeps_the_point_of_the_checkpoint() {
    let folder = tempfile::tempdir().expect("folder");
    send(&mut sink(folder.path()), [started(None), row(10), row(20), row(30), ended(Status::Interrupted)]);
    send(&mut sink(folder.path()), [started(Some(20)), row(30), row(40), ended(Status::Finished)]);
    // The third one holds the end alone.
    assert_eq!(events_files(folder.path()).expect("listed").len(), 3);
    assert_eq!(starts(folder.path()), [0, 21]);
    assert_eq!(plugin_data(folder.path(), "_hparams_/session_start_info").len(), 1);
    assert_eq!(plugin_data(folder.path(), "_hparams_/session_end_info").len(), 1);
    assert_eq!(values(folder.path(), "spec").len(), 1);
    assert_eq!(points(folder.path(), "nll/test"), [(40, 0.25)]);
}

#[test]
fn run_that_goes_on_after_a_failure_has_not_ended() {
    let folder = tempfile::tempdir().expect("folder");
    send(&mut sink(folder.path()), [started(None), row(10), row(20), ended(Status::Failed)]);
    let mut again = sink(folder.path());
    send(&mut again, [started(Some(20)), row(30)]);
    assert!(plugin_data(folder.path(), "_hparams_/session_end_info").is_empty());
    send(&mut again, [ended(Status::Finished)]);
    let ends = plugin_data(folder.path(), "_hparams_/session_end_info");
    let statuses: Vec<_> = ends.iter().map(|end| end.get_session_end_info().get_status()).collect();
    assert_eq!(statuses, [tensorboard_proto::api::Status::STATUS_SUCCESS]);
}

#[test]
fn run_started_over_has_no_past() {
    let folder = tempfile::tempdir().expect("folder");
    send(&mut sink(folder.path()), [started(None), row(10), ended(Status::Failed)]);
    send(&mut sink(folder.path()), [started(None), row(20)]);
    assert_eq!(points(folder.path(), "nll/train"), [(20, 0.05)]);
    assert!(plugin_data(folder.path(), "_hparams_/session_end_info").is_empty());
}

#[test]
fn first_error_warns_once_and_the_run_goes_on() {
    let folder = tempfile::tempdir().expect("folder");
    let blocked = folder.path().join("file");
    fs::write(&blocked, "").expect("written");
    let (sender, warnings) = channel();
    let trial = sample::trial("base-3f9a2c1d", 3, "");
    let warn = move |warning: String| sender.send(warning).expect("heard");
    let mut sink = TensorBoard::new(blocked.join("seed-3"), &trial, String::new(), Arc::new(warn));
    send(&mut sink, [started(None), row(10), picture("density"), ended(Status::Finished)]);
    let warnings: Vec<String> = warnings.try_iter().collect();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("seed-3"), "{}", warnings[0]);
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_warns_once_and_the_run_goes_on() {
    let folder = tempfile::tempdir().expect("folder");
    let (sender, warnings) = channel();
    let mut sink = sink(folder.path());
    sink.warn = Arc::new(move |warning| sender.send(warning).expect("heard"));
    send(&mut sink, [started(None)]);
    sink.state = State::Open(EventsFile::full());
    send(&mut sink, [row(10), row(20), ended(Status::Finished)]);
    assert_eq!(warnings.try_iter().count(), 1);
}
