//! `runner diagnose`: how good a fit is where no entropy is known.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use comfy_table::{ContentArrangement, Table};

use super::options::no_runs;
use super::output::{print, tell};
use super::plot::curve;
use super::spare::{learned_from, spare};
use super::{Exit, Failure};
use crate::atomic::write_atomically;
use crate::data::Parts;
use crate::diagnose::{CORRECTED, Calibration, Coverage, Diagnosis, StrangeRow, diagnose, percent, share_interval};
use crate::engine::Datasets;
use crate::matrix::Matrix;
use crate::progress::{ProgressMode, loading};
use crate::quantity::{number, with_error};
use crate::record::{DIAGNOSIS, Manifest, RunDiagnosis, read_runs};
use crate::report::charts::{calibration_figure, latents_chart, lengths_chart, quantiles_chart};
use crate::report::neighbours_picture;
use crate::spec::Device;
use crate::train::Status;
use crate::trial::{SavedRun, changed_data};

#[derive(Args, Debug)]
pub(super) struct Diagnose {
    /// A run (results/<experiment>/<trial>/seed-<n>), or an experiment: its finished run with the best validation NLL
    #[arg(value_name = "RUN|EXPERIMENT")]
    path: PathBuf,
    /// Look at no more than so many test rows, the first ones
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(20..))]
    rows: u32,
    /// Seed of samples, permutations and halves
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to compute [default: where the run was trained]
    #[arg(long, value_name = "cpu|cuda[:N]")]
    device: Option<Device>,
}

impl Diagnose {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let directory = self.run()?;
        let mut run = SavedRun::open_on(&directory, self.device).map_err(Failure::usage)?;
        let dataset = Datasets::new(loading(ProgressMode::Auto)).of(&run.spec).map_err(Failure::usage)?;
        if let Some(change) = changed_data(&directory, &dataset) {
            return Err(Failure::Usage(format!(
                "{}: the data are not those that the run learned from: {change}; put them back, or train again",
                directory.display()
            )));
        }
        if dataset.test.rows() < FEWEST {
            return Err(Failure::Usage(format!(
                "{} test rows tell too little: {FEWEST} are needed; train again with a larger `dataset.test`",
                dataset.test.rows()
            )));
        }
        let learned_from = learned_from(&directory);
        let learned_from: Vec<&Path> = learned_from.iter().map(PathBuf::as_path).collect();
        let folder = directory.join("plots");
        spare(&folder.join("latents.png"), &learned_from)?;
        let coordinates = run.coordinates();
        let material = run.material(&dataset, &coordinates, self.rows as usize, self.seed).map_err(Failure::run)?;
        if let Some(what) = material.not_finite() {
            return Err(Failure::Run(format!("{}: {what}", directory.display())));
        }
        let mut diagnosis = diagnose(&material, self.seed);
        as_the_file_has_them(&mut diagnosis.strange, &run)?;
        print(text(&diagnosis))?;
        let manifest = Manifest::read(&directory).map_err(Failure::run)?;
        let title = format!("{} · {} · seed {}", manifest.experiment, manifest.trial, manifest.seed);
        std::fs::create_dir_all(&folder).map_err(Failure::run)?;
        for chart in [
            latents_chart(&title, &material.scores, &diagnosis.latents),
            lengths_chart(&title, &material.scores),
            quantiles_chart(&title, &diagnosis.columns),
        ] {
            save(&folder.join(format!("{}.png", chart.stem)), &chart.draw().map_err(Failure::run)?.png)?;
        }
        if let Some(calibration) = &diagnosis.calibration {
            let figure = calibration_figure(&title, calibration).map_err(Failure::run)?;
            save(&folder.join(format!("{}.png", figure.stem)), &figure.draw().map_err(Failure::run)?.png)?;
        }
        let features = |rows: &Matrix<f64>| rows.columns_before(run.columns.len());
        let (train, samples) = (features(&material.train.data), features(&material.sample_data));
        let pairs = &diagnosis.memory.pairs;
        if let Some(picture) = neighbours_picture(&train, &samples, pairs, run.shape, &title).map_err(Failure::run)? {
            save(&folder.join("nearest.png"), &picture.png)?;
        }
        RunDiagnosis::new(&manifest, self.seed, diagnosis).write(&directory).map_err(Failure::run)?;
        print(directory.join(DIAGNOSIS).display())?;
        Ok(Exit::Success)
    }

    /// The run that is asked for.
    fn run(&self) -> Result<PathBuf, Failure> {
        let runs = read_runs(&self.path);
        runs.broken.iter().for_each(|broken| tell(format_args!("warning: {broken}")));
        if runs.directories == [self.path.clone()] {
            if let Some(how) = unfinished(&runs.manifests[0], &self.path) {
                tell(format_args!("warning: its best weights so far are looked at: {how} to finish it"));
            }
            return Ok(self.path.clone());
        }
        let nll = |run: usize| {
            let manifest = &runs.manifests[run];
            let nll = manifest.summary.as_ref()?.validation_nll?;
            (manifest.status == Status::Finished && nll.is_finite()).then_some(nll)
        };
        let finished = (0..runs.manifests.len()).filter_map(|run| Some((nll(run)?, run)));
        let best = finished.min_by(|a, b| a.0.total_cmp(&b.0)).ok_or_else(|| {
            let on_its_way = runs.manifests.iter().zip(&runs.directories).find_map(|(run, at)| unfinished(run, at));
            match (runs.manifests.is_empty(), on_its_way) {
                (true, _) => no_runs(&self.path),
                (false, Some(how)) => Failure::Usage(format!("{}: no finished run there: {how}", self.path.display())),
                (false, None) => Failure::Usage(format!(
                    "{}: no finished run there; name another experiment or run in `results` (see `runner list`)",
                    self.path.display()
                )),
            }
        })?;
        let directory = runs.directories[best.1].clone();
        tell(format_args!("the best run by validation NLL ({}): {}", number(best.0), directory.display()));
        Ok(directory)
    }
}

/// How far a run came that the same spec resumes, and what to do; `None` of others.
fn unfinished(manifest: &Manifest, run: &Path) -> Option<String> {
    if !matches!(manifest.status, Status::Interrupted | Status::Running) {
        return None;
    }
    let step = curve(run).last().map_or(0, |row| row.step);
    Some(format!("{} at step {step}; run the spec again", manifest.status.as_str()))
}

/// Test rows below which no test tells anything.
const FEWEST: usize = 20;

fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    spare(path, &[])?;
    write_atomically(path, |file| file.write_all(bytes)).map_err(Failure::run)?;
    print(path.display())
}

/// Puts the rows' values in the file in the place of those that carry noise, with their numbers there and their contexts.
fn as_the_file_has_them(rows: &mut [StrangeRow], run: &SavedRun) -> Result<(), Failure> {
    if run.spec.dataset.name.is_none() {
        let parts = Parts::of(&run.spec.dataset, &run.spec.folder, &*loading(ProgressMode::Auto));
        let [.., test] = parts.map_err(Failure::usage)?.parts;
        for it in &mut *rows {
            it.row_of_file = Some(test.numbers[it.row - 1]);
            it.values = test.rows.row(it.row - 1).to_vec();
        }
    }
    for it in rows {
        it.given = run.context.told(&it.values[run.columns.len()..], SHOWN_GIVEN);
    }
    Ok(())
}

/// The diagnosis as tables, the verdict first.
fn text(it: &Diagnosis) -> String {
    let mut findings = table(&["", "looked at", "found"]);
    for finding in &it.verdict.findings {
        findings.add_row([finding.rating.name(), &finding.about, &finding.evidence]);
    }
    let mut densities = table(&["density", "test NLL (nats)", "the flow is"]);
    densities.add_row(["flow", &with_error(it.baselines.flow, it.baselines.flow_error), ""]);
    for other in &it.baselines.chosen {
        densities.add_row([other.name(), number(other.nll), other.told()]);
    }
    let mut strange = table(&StrangeRow::heads(&it.strange, &it.columns));
    for row in it.strange.iter().take(SHOWN) {
        strange.add_row(row.cells(it.columns.len()));
    }
    let calibration = it.calibration.as_ref().map_or(String::new(), coverage);
    format!(
        "{}\n\n{findings}\n\n{CORRECTED}\n\n{calibration}{densities}\n\nthe test rows of the lowest density\n{strange}\n",
        it.verdict.conclusion
    )
}

/// How much regions hold, and what a conditional flow's samples were compared with.
fn coverage(it: &Calibration) -> String {
    let mut table = table(&["region of highest density", "rows in it", "95 % interval"]);
    for (level, held) in Coverage::NAMED.iter().filter_map(|&level| Some((level, it.regions.at(level)?))) {
        let [low, high] = share_interval(held, it.rows).map(percent);
        table.add_row([percent(level), percent(held), format!("{low} to {high}")]);
    }
    format!(
        "calibration: {} samples at the context of each of {} test rows; all other samples are at the contexts of every other\n\
         test row, and are compared with the rows in between, context included\n{table}\n\n",
        it.draws, it.rows
    )
}

/// Strange rows in the table.
const SHOWN: usize = 5;
/// Columns of the context of each.
const SHOWN_GIVEN: usize = 4;

fn table<T: AsRef<str>>(header: &[T]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header.iter().map(T::as_ref));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
}
