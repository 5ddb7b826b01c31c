//! `runner compare`: trials side by side.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use polars::prelude::{CsvWriter, DataFrame, ParquetReader, ParquetWriter, PolarsResult, SerReader, SerWriter};

use super::importance;
use super::options::{no_runs, stdout_width};
use super::output::{print, tell};
use super::spare::{learned_from, spare};
use super::target::is_stream;
use super::{Exit, Failure};
use crate::atomic::write_atomically;
use crate::record::{Manifest, read_runs, trial_columns};
use crate::report::Explained;
use crate::report::comparison::{By, COUNTS, Comparison, DIGEST, FIXED, METRICS, Metric, Row, metric, once_each, rows};
use crate::spec::{choose, counted, flat, key_paths, nearest};
use crate::trial::SPEC;

#[derive(Args, Debug)]
pub(super) struct Compare {
    /// Experiments (results/<experiment>), folders of experiments, trials, runs, or trials.parquet files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What to order by: a numeric column of trials.parquet
    #[arg(long, value_name = "NAME", default_value = "test_nll")]
    metric: String,
    /// Group runs by these keys instead of by trial, e.g. --by model.depth
    #[arg(long, value_name = "KEY", num_args = 1.., value_delimiter = ',')]
    by: Vec<String>,
    /// Tell how much of the metric's variance each setting explains, and draw it into the folder `plots` of the experiment
    #[arg(long, conflicts_with = "by")]
    importance: bool,
    /// How to write it [default: told by FILE's extension, else table]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Markdown,
    Csv,
    Parquet,
}

impl Compare {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let format = self.format()?;
        let metric = metric_named(&self.metric)?;
        if let Some(path) = self.file() {
            let (tables, folders): (Vec<_>, Vec<_>) = self.paths.iter().cloned().partition(|path| path.is_file());
            let reads: Vec<PathBuf> =
                tables.into_iter().chain(folders.iter().flat_map(|folder| learned_from(folder))).collect();
            spare(path, &reads.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        }
        let by = keys(&self.by)?;
        let mut runs = Vec::new();
        for path in &self.paths {
            let found = read(path, &by)?;
            if found.is_empty() {
                return Err(no_runs(path));
            }
            runs.extend(found);
        }
        let repeated = once_each(&mut runs);
        if repeated > 0 {
            tell(format_args!("note: {} of one spec and seed under a second name left out", counted(repeated, "run")));
        }
        let by = if by.is_empty() { By::Trial } else { By::Keys(by) };
        let comparison = Comparison::new(&runs, &by, metric);
        has_metric(&comparison)?;
        if self.importance {
            return self.explain(&comparison, format);
        }
        let poorly_known = comparison.poorly_known();
        if poorly_known > 0 {
            tell(format_args!(
                "warning: fewer than three finished runs in {poorly_known} of {}: their errors say little",
                counted(comparison.groups.len(), comparison.over.group())
            ));
        }
        if let Some(note) = comparison.data_note() {
            tell(format_args!("note: {note}"));
        }
        let width = if self.file().is_none() { stdout_width() } else { None };
        self.write(format, comparison.text(width), || comparison.markdown(), || comparison.frame())?;
        Ok(Exit::Success)
    }

    /// Which settings explain the metric, in a table and in pictures.
    fn explain(&self, comparison: &Comparison, format: Format) -> Result<Exit, Failure> {
        let failed = |error| Failure::Usage(format!("--importance: {error}"));
        let explained = Explained::new(comparison).map_err(failed)?;
        for note in comparison.data_note().into_iter().chain(explained.notes()) {
            tell(format_args!("note: {note}"));
        }
        self.write(format, explained.text(), || explained.markdown(), || explained.frame())?;
        if let [experiment] = self.paths.as_slice()
            && experiment.is_dir()
        {
            let name = experiment.canonicalize().ok();
            let name = name.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
            importance::draw(&explained, &name, &experiment.join("plots"))?;
        }
        Ok(Exit::Success)
    }

    /// The file to write to; `None`: standard output.
    fn file(&self) -> Option<&PathBuf> {
        self.output.as_ref().filter(|path| !is_stream(path))
    }

    fn format(&self) -> Result<Format, Failure> {
        let extension = self.file().and_then(|path| path.extension()).and_then(|it| it.to_str()).map(str::to_lowercase);
        match (self.format, extension.as_deref()) {
            (Some(Format::Parquet), _) if self.file().is_none() => {
                Err(Failure::usage("--format parquet: not for a terminal; name a file with --output FILE"))
            }
            (Some(format), _) => Ok(format),
            (None, Some("md")) => Ok(Format::Markdown),
            (None, Some("csv")) => Ok(Format::Csv),
            (None, Some("parquet")) => Ok(Format::Parquet),
            (None, Some("txt") | None) => Ok(Format::Table),
            (None, Some(other)) => Err(Failure::Usage(format!(
                "--output: `.{other}` tells no format; known: .txt, .md, .csv, .parquet; or say which with --format"
            ))),
        }
    }

    /// Writes a table in whichever of its forms is asked for.
    fn write(
        &self,
        format: Format,
        text: String,
        markdown: impl Fn() -> String,
        frame: impl Fn() -> PolarsResult<DataFrame>,
    ) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        match format {
            Format::Table => bytes.extend(text.bytes()),
            Format::Markdown => bytes.extend(markdown().bytes()),
            Format::Csv | Format::Parquet => {
                let mut frame = frame().map_err(Failure::run)?;
                match format {
                    Format::Csv => CsvWriter::new(&mut bytes).finish(&mut frame),
                    _ => ParquetWriter::new(&mut bytes).finish(&mut frame).map(|_| ()),
                }
                .map_err(Failure::run)?;
            }
        }
        if matches!(format, Format::Table | Format::Markdown) {
            bytes.push(b'\n');
        }
        match self.file() {
            Some(path) => {
                write_atomically(path, |file| file.write_all(&bytes)).map_err(Failure::usage)?;
                tell(format_args!("wrote {}", path.display()));
                Ok(())
            }
            // Everything but Parquet is UTF-8, and that goes to a file.
            None => print(String::from_utf8_lossy(&bytes).trim_end()),
        }
    }
}

/// What `--metric` names.
pub(super) fn metric_named(name: &str) -> Result<&'static Metric, Failure> {
    let names = METRICS.iter().map(|metric| metric.name);
    metric(name).ok_or_else(|| Failure::Usage(format!("--metric {name}: no such metric; {}", choose(name, names))))
}

/// That any of the runs has the metric, where they have any at all.
pub(super) fn has_metric(comparison: &Comparison) -> Result<(), Failure> {
    let has = |metric: &Metric| comparison.groups.iter().any(|group| group.estimates.contains_key(metric.name));
    let known: Vec<String> = METRICS.iter().filter(|it| has(it)).map(|it| format!("`{}`", it.name)).collect();
    if known.is_empty() || has(comparison.metric) {
        return Ok(());
    }
    let name = comparison.metric.name;
    Err(Failure::Usage(format!("--metric {name}: none of these runs has it; they have {}", known.join(", "))))
}

/// The runs below `path`, or in a file like trials.parquet. Keys of `wanted` that a run neither sweeps nor overrides are
/// looked up in its resolved spec.
fn read(path: &Path, wanted: &[String]) -> Result<Vec<Row>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
    if path.is_file() {
        let table = File::open(path)
            .map_err(|error| failed(&error))
            .and_then(|file| ParquetReader::new(file).finish().map_err(|error| failed(&error)))?;
        return rows(&table).map_err(|error| failed(&error));
    }
    if !path.is_dir() {
        return Err(no_runs(path));
    }
    let found = read_runs(path);
    for broken in &found.broken {
        tell(format_args!("warning: {broken}"));
    }
    rows_with_specs(&found.manifests, &found.directories, wanted)
}

/// The runs of manifests that lie in `directories`, with what their resolved specs say of their data and of the keys `wanted`.
pub(super) fn rows_with_specs(
    manifests: &[Manifest],
    directories: &[PathBuf],
    wanted: &[String],
) -> Result<Vec<Row>, Failure> {
    let mut runs = rows_of(manifests)?;
    for ((run, directory), manifest) in runs.iter_mut().zip(directories).zip(manifests) {
        let Ok(spec) = resolved(directory) else { continue };
        let missing = wanted.iter().filter(|key| !run.keys.contains_key(*key));
        let missing: Vec<_> = missing.filter_map(|key| Some((key.clone(), spec.get(key)?.clone()))).collect();
        run.keys.extend(missing);
        // A toy is told by its keys: how many rows it was asked for changes its digest, but not what is compared.
        let known = manifest.data.as_ref().filter(|_| !spec.contains_key("dataset.name"));
        let kept = known.into_iter().flat_map(|data| {
            let counts = [data.train, Some(data.validation), Some(data.test)];
            let counts = COUNTS.iter().zip(counts).filter_map(|((name, _), rows)| Some((*name, (rows? as i64).into())));
            counts.chain([(DIGEST, data.sha256.clone().into())]).map(|(name, value)| (name.to_owned(), value))
        });
        let of_data = spec.into_iter().filter(|(key, _)| key.starts_with("dataset."));
        run.data = Some(of_data.chain(kept).collect());
    }
    Ok(runs)
}

/// The runs of manifests, in their order.
pub(super) fn rows_of(manifests: &[Manifest]) -> Result<Vec<Row>, Failure> {
    let table = DataFrame::new(manifests.len(), trial_columns(manifests)).map_err(Failure::run)?;
    rows(&table).map_err(Failure::run)
}

/// The resolved spec of a run: its values under their dotted keys.
pub(super) fn resolved(directory: &Path) -> io::Result<BTreeMap<String, toml::Value>> {
    let text = std::fs::read_to_string(directory.join(SPEC))?;
    Ok(flat(text.parse().map_err(io::Error::other)?))
}

/// What `--by` names, written out: `depth` is `model.depth`.
fn keys(by: &[String]) -> Result<Vec<String>, Failure> {
    let known = || FIXED.into_iter().chain(key_paths());
    by.iter()
        .map(|key| {
            let short = |full: &&str| full.rsplit_once('.').is_some_and(|(_, last)| last == key);
            let mut long = known().filter(short);
            match (known().any(|full| full == key), long.next(), long.next()) {
                (true, ..) => Ok(key.clone()),
                (false, Some(full), None) => Ok(full.to_owned()),
                (false, Some(full), Some(other)) => {
                    Err(Failure::Usage(format!("--by {key}: is that `{full}` or `{other}`? Write it out")))
                }
                _ => {
                    let names: Vec<&str> =
                        known().chain(known().filter_map(|full| Some(full.rsplit_once('.')?.1))).collect();
                    let hint = nearest(key, names).map(|near| format!("did you mean `{near}`?"));
                    let hint = hint.unwrap_or_else(|| "name a key of the spec, such as `model.depth`".to_owned());
                    Err(Failure::Usage(format!("--by {key}: no spec has such a key; {hint}")))
                }
            }
        })
        .collect()
}
