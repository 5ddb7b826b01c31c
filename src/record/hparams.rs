//! TensorBoard's HPARAMS tab: one session a run, seeds of one trial in one group.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protobuf::well_known_types::{ListValue, Value};
use protobuf::{Message, RepeatedField};
use sha2::{Digest, Sha256};
use tensorboard_proto::api::{DataType, DatasetType, Experiment, HParamInfo, MetricInfo, MetricName, Status as End};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::Summary_Value;

use super::bands::{AGGREGATE, layout};
use super::overview::overview;
use super::{RecordError, events_file, summaries};
use crate::atomic::write_atomically;
use crate::spec::Spec;
use crate::train::Status;

/// Shown for a trial without swept or overridden keys.
const MAIN_KEYS: [(&str, &str); 5] = [
    ("model", "depth"),
    ("model", "width"),
    ("model", "mask"),
    ("optimizer", "learning_rate"),
    ("training", "batch_size"),
];

/// Keys that name a run rather than describe it. Seeds of one trial share a group only without them.
const NAMES: [&str; 2] = ["name", "seeds"];

/// The metrics of the tab, with the part of the data they are computed on.
const METRICS: [(&str, DatasetType); 5] = [
    ("nll/validation", DatasetType::DATASET_VALIDATION),
    ("nll/test", DatasetType::DATASET_UNKNOWN),
    ("nll/gap", DatasetType::DATASET_UNKNOWN),
    ("cost/seconds", DatasetType::DATASET_UNKNOWN),
    ("cost/parameters", DatasetType::DATASET_UNKNOWN),
];

/// What the HPARAMS tab shows of a trial: its swept and overridden keys under their dotted names; without any, the main
/// keys of its spec. Never the seed.
pub fn hparams(overrides: &BTreeMap<String, toml::Value>, spec: &Spec) -> BTreeMap<String, toml::Value> {
    let mut shown = overrides.clone();
    shown.retain(|key, _| !NAMES.contains(&key.as_str()));
    if shown.is_empty() {
        let spec = toml::Table::try_from(spec).unwrap_or_default();
        for (section, key) in MAIN_KEYS {
            if let Some(value) = spec.get(section).and_then(|section| section.get(key)) {
                shown.insert(format!("{section}.{key}"), value.clone());
            }
        }
    }
    shown
}

/// Tells TensorBoard which hyperparameters and metrics the experiment in `experiment_dir` has, and how to draw its seed bands.
/// `trials`: [`hparams`] of each trial whose runs are there or will be.
///
/// TensorBoard hides trials with other values than the record names, and of several records it picks any one: so there
/// is one, and it is replaced where it no longer holds. In the folder of the experiment itself, where earlier releases kept it,
/// TensorBoard shows it as a run named `.`.
///
/// # Errors
/// Where the directory cannot be made, listed or written to.
pub fn write_experiment(
    experiment_dir: &Path,
    name: &str,
    trials: &[BTreeMap<String, toml::Value>],
) -> Result<(), RecordError> {
    let directory = &experiment_dir.join(AGGREGATE);
    fs::create_dir_all(directory).map_err(RecordError::write(directory))?;
    remove_all(events_file::events_files(experiment_dir).map_err(RecordError::read(experiment_dir))?)?;
    let (record, layout) =
        experiment(name, trials).and_then(|it| Ok((it, layout()?))).map_err(RecordError::write(directory))?;
    // The name of the file says what is in it, so that it need not be read.
    let content = record.write_to_bytes().map_err(io::Error::other).map_err(RecordError::write(directory))?;
    let overview = overview(name, trials);
    let digest = Sha256::new().chain_update(&content).chain_update(&overview).finalize();
    let mark: String = digest.iter().take(8).fold(".".to_owned(), |mark, byte| format!("{mark}{byte:02x}"));
    let earlier = events_file::events_files(directory).map_err(RecordError::read(directory))?;
    if earlier.iter().any(|path| path.to_string_lossy().ends_with(&mark)) {
        return Ok(());
    }
    let path = events_file::new_path(directory, &mark).map_err(RecordError::write(directory))?;
    // With something to read, for TensorBoard lists the folder among its runs.
    let overview = summaries::text("experiment", overview);
    let events = [events_file::file_version(), events_file::summary(0, vec![record, layout, overview])];
    write_atomically(&path, |file| file.write_all(&events_file::encode(&events)?))?;
    remove_all(earlier)
}

fn remove_all(files: Vec<PathBuf>) -> Result<(), RecordError> {
    for path in files {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(RecordError::write(&path)(error)),
            // Another process that lays out the same experiment may have been first.
            _ => {}
        }
    }
    Ok(())
}

fn experiment(name: &str, trials: &[BTreeMap<String, toml::Value>]) -> io::Result<Summary_Value> {
    let mut values: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (key, value) in trials.iter().flatten() {
        let domain = values.entry(key).or_default();
        let value = plugin_value(value);
        if !domain.contains(&value) {
            domain.push(value);
        }
    }
    let mut experiment = Experiment::new();
    experiment.set_name(name.to_owned());
    experiment.set_hparam_infos(values.into_iter().map(|(key, domain)| hparam_info(key, domain)).collect());
    experiment.set_metric_infos(METRICS.into_iter().map(|(tag, dataset)| metric_info(tag, dataset)).collect());
    let mut data = HParamsPluginData::new();
    data.set_experiment(experiment);
    summary("_hparams_/experiment", &data)
}

fn hparam_info(key: &str, mut domain: Vec<Value>) -> HParamInfo {
    let types: Vec<DataType> = domain.iter().map(data_type).collect();
    let mut info = HParamInfo::new();
    info.set_name(key.to_owned());
    // A key with values of several types gets no domain: TensorBoard would hide the sessions that do not fit it.
    if types.windows(2).all(|pair| pair[0] == pair[1]) {
        info.set_field_type(types.first().copied().unwrap_or(DataType::DATA_TYPE_UNSET));
        domain.sort_by(|a, b| a.get_number_value().total_cmp(&b.get_number_value()));
        let mut list = ListValue::new();
        list.set_values(RepeatedField::from_vec(domain));
        info.set_domain_discrete(list);
    } else {
        info.set_field_type(DataType::DATA_TYPE_STRING);
    }
    info
}

fn metric_info(tag: &str, dataset: DatasetType) -> MetricInfo {
    let mut name = MetricName::new();
    name.set_tag(tag.to_owned());
    let mut info = MetricInfo::new();
    info.set_name(name);
    info.set_dataset_type(dataset);
    info
}

/// The record at the start of a run. `group`: the same for all seeds of a trial.
pub(super) fn session_start(group: &str, hparams: &BTreeMap<String, toml::Value>) -> io::Result<Summary_Value> {
    let mut info = SessionStartInfo::new();
    info.set_hparams(hparams.iter().map(|(key, value)| (key.clone(), plugin_value(value))).collect());
    info.set_group_name(group.to_owned());
    info.set_start_time_secs(events_file::now());
    let mut data = HParamsPluginData::new();
    data.set_session_start_info(info);
    summary("_hparams_/session_start_info", &data)
}

/// The record at the end of a run; `None` for one that goes on later, since TensorBoard believes the first it reads.
pub(super) fn session_end(status: Status) -> io::Result<Option<Summary_Value>> {
    let end = match status {
        Status::Finished | Status::Stopped => End::STATUS_SUCCESS,
        Status::Diverged | Status::Failed => End::STATUS_FAILURE,
        Status::Running | Status::Interrupted => return Ok(None),
    };
    let mut info = SessionEndInfo::new();
    info.set_status(end);
    info.set_end_time_secs(events_file::now());
    let mut data = HParamsPluginData::new();
    data.set_session_end_info(info);
    summary("_hparams_/session_end_info", &data).map(Some)
}

fn summary(tag: &str, data: &HParamsPluginData) -> io::Result<Summary_Value> {
    Ok(summaries::metadata(tag, "hparams", data.write_to_bytes().map_err(io::Error::other)?))
}

/// Numbers, strings and booleans as they are; anything else as its TOML text.
fn plugin_value(value: &toml::Value) -> Value {
    let mut plugin = Value::new();
    match value {
        toml::Value::Integer(number) => plugin.set_number_value(*number as f64),
        toml::Value::Float(number) if number.is_finite() => plugin.set_number_value(*number),
        toml::Value::Boolean(flag) => plugin.set_bool_value(*flag),
        toml::Value::String(text) => plugin.set_string_value(text.clone()),
        other => plugin.set_string_value(other.to_string()),
    }
    plugin
}

fn data_type(value: &Value) -> DataType {
    if value.has_number_value() {
        DataType::DATA_TYPE_FLOAT64
    } else if value.has_bool_value() {
        DataType::DATA_TYPE_BOOL
    } else {
        DataType::DATA_TYPE_STRING
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::events_file::{events_files, tests::read};

    fn table(text: &str) -> BTreeMap<String, toml::Value> {
        toml::from_str(text).expect("TOML")
    }

    fn experiment_in(folder: &Path) -> Experiment {
        let files = events_files(&folder.join(AGGREGATE)).expect("listed");
        assert_eq!(files.len(), 1);
        let events = read(&files[0]);
        assert_eq!(events.len(), 2);
        let value = &events[1].get_summary().get_value()[0];
        assert_eq!(value.get_tag(), "_hparams_/experiment");
        let plugin = value.get_metadata().get_plugin_data();
        assert_eq!(plugin.get_plugin_name(), "hparams");
        HParamsPluginData::parse_from_bytes(plugin.get_content()).expect("parsed").take_experiment()
    }

    #[test]
    fn experiment_names_every_key_once_with_its_type_and_values() {
        let folder = tempfile::tempdir().expect("folder");
        let trials = [
            table("depth = 8\nrate = 1e-3\nmask = \"half\"\nflag = true\npair = [0.9, 0.99]\nodd = 1"),
            table("depth = 4\nrate = 1\nmask = \"random\"\nflag = true\nodd = \"none\""),
            table("depth = 8\nrate = 1e-3\nmask = \"half\""),
        ];
        write_experiment(folder.path(), "moons", &trials).expect("written");
        let experiment = experiment_in(folder.path());
        assert_eq!(experiment.get_name(), "moons");
        let infos: Vec<(&str, DataType, usize)> = experiment
            .get_hparam_infos()
            .iter()
            .map(|info| (info.get_name(), info.get_field_type(), info.get_domain_discrete().get_values().len()))
            .collect();
        let expected = [
            ("depth", DataType::DATA_TYPE_FLOAT64, 2),
            ("flag", DataType::DATA_TYPE_BOOL, 1),
            ("mask", DataType::DATA_TYPE_STRING, 2),
            ("odd", DataType::DATA_TYPE_STRING, 0),
            ("pair", DataType::DATA_TYPE_STRING, 1),
            ("rate", DataType::DATA_TYPE_FLOAT64, 2),
        ];
        assert_eq!(infos, expected);
        let metrics: Vec<&str> = experiment.get_metric_infos().iter().map(|info| info.get_name().get_tag()).collect();
        assert_eq!(metrics, ["nll/validation", "nll/test", "nll/gap", "cost/seconds", "cost/parameters"]);
    }

    #[test]
    fn experiment_is_written_once_and_replaced_where_it_no_longer_holds() {
        let folder = tempfile::tempdir().expect("folder");
        let directory = folder.path().join("results/moons");
        write_experiment(&directory, "first", &[]).expect("written");
        let listed = || events_files(&directory.join(AGGREGATE)).expect("listed");
        let file = listed();
        write_experiment(&directory, "first", &[]).expect("left alone");
        assert_eq!(listed(), file);
        write_experiment(&directory, "first", &[table("depth = 8")]).expect("replaced");
        let experiment = experiment_in(&directory);
        assert_eq!((experiment.get_name(), experiment.get_hparam_infos().len()), ("first", 1));
    }

    #[test]
    fn the_record_of_an_earlier_release_is_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("events.out.tfevents.1.host.2.0.0123456789abcdef"), "").expect("written");
        write_experiment(folder.path(), "moons", &[]).expect("written");
        assert_eq!(events_files(folder.path()).expect("listed"), Vec::<PathBuf>::new());
        assert_eq!(experiment_in(folder.path()).get_name(), "moons");
    }

    #[test]
    fn only_a_run_that_will_not_go_on_gets_an_end() {
        let cases = [
            (Status::Finished, Some(End::STATUS_SUCCESS)),
            (Status::Diverged, Some(End::STATUS_FAILURE)),
            (Status::Failed, Some(End::STATUS_FAILURE)),
            (Status::Stopped, Some(End::STATUS_SUCCESS)),
            (Status::Interrupted, None),
            (Status::Running, None),
        ];
        for (status, expected) in cases {
            let end = session_end(status).expect("encoded").map(|value| {
                let content = value.get_metadata().get_plugin_data().get_content();
                HParamsPluginData::parse_from_bytes(content).expect("parsed").get_session_end_info().get_status()
            });
            assert_eq!(end, expected, "{status:?}");
        }
    }
}
