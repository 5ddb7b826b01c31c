//! `runner init`: a commented spec to start from.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{print, quoted};
use super::{Exit, Failure};
use crate::data::{Holds, Strays, Survey, quoted as word, shape_of};
use crate::flow::fits;
use crate::progress::{ProgressMode, loading};
use crate::shape::Shape;
use crate::spec::{Decimal, FileStart, MaskScheme, Model, starter};

#[derive(Args, Debug)]
pub(super) struct Init {
    /// Name of the experiment; its spec is NAME.toml [default: moons, or the name of FILE]
    name: Option<String>,
    /// Look into this data file and write a spec that suits it
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

impl Init {
    pub fn execute(&self) -> Result<Exit, Failure> {
        let name = self.name.clone().unwrap_or_else(|| self.data.as_deref().map_or("moons".to_owned(), stem));
        let name = format!("{}.toml", name.strip_suffix(".toml").unwrap_or(&name));
        let path = Path::new(&name);
        let file = self.data.as_deref().map(start).transpose()?;
        // Nothing that is there is ever overwritten.
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        made.and_then(|mut out| out.write_all(starter(file.as_ref()).as_bytes())).map_err(|error| {
            match error.kind() {
                ErrorKind::AlreadyExists => Failure::Usage(format!("`{name}` is there already; give another name")),
                _ => Failure::Usage(format!("cannot write `{name}`: {error}")),
            }
        })?;
        print(format_args!("wrote {name}; every key stands in it with its default"))?;
        for seen in file.iter().flat_map(|file| &file.seen) {
            print(format_args!("seen: {seen}"))?;
        }
        print(format_args!("edit it, then: runner check {}", quoted(path)))?;
        print(format_args!("to train:      runner {}", quoted(path)))?;
        Ok(Exit::Success)
    }
}

/// The name of a file without its folder and extensions, as an experiment may be called.
fn stem(data: &Path) -> String {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("data");
    let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '-' };
    stem.chars().map(plain).collect::<String>().trim_start_matches('-').to_owned()
}

/// What a spec for the file at `path` says, and why.
fn start(path: &Path) -> Result<FileStart, Failure> {
    let survey = Survey::of(path, &*loading(ProgressMode::Auto)).map_err(Failure::usage)?;
    let of = |wanted: fn(&Holds) -> bool| {
        let columns = survey.columns.iter().filter(move |(_, holds)| wanted(holds));
        columns.map(|(name, _)| name.clone()).collect::<Vec<String>>()
    };
    let learned: Vec<&(String, Holds)> =
        survey.columns.iter().filter(|(_, holds)| matches!(holds, Holds::Numbers | Holds::Quantised(_))).collect();
    if learned.is_empty() {
        return Err(Failure::Usage(format!("{}: no column of it holds numbers that vary", path.display())));
    }
    let numbers: Vec<String> =
        survey.columns.iter().filter(|(_, it)| !is_text(it)).map(|(name, _)| name.clone()).collect();
    let shape = shape_of(&numbers);
    if shape.is_image() {
        return Ok(of_images(path, &survey, shape));
    }
    let rows =
        format!("{} rows and {} columns, of which {} are learned", survey.rows, survey.columns.len(), learned.len());
    let mut start = as_read(path, &survey, rows);
    let mut values = std::mem::take(&mut start.values);
    let named = |columns: &[String]| columns.iter().map(|name| word(name)).collect::<Vec<_>>().join(", ");
    let mut see = |text: String| start.seen.push(text);
    let mut drop = Vec::new();
    for (wanted, what) in [
        ((|holds| matches!(holds, Holds::Constant(_))) as fn(&Holds) -> bool, "the same value in every row"),
        (|holds| matches!(holds, Holds::Index), "the number of the row"),
        (|holds| is_text(holds) && stray(holds).is_none(), "text"),
    ] {
        let columns = of(wanted);
        if !columns.is_empty() {
            see(format!("left out, for it is {what}: {}", named(&columns)));
        }
        // One column of words beside the numbers is most often their class.
        match &columns[..] {
            [label] if what == "text" => drop_label(&mut values, label),
            _ => drop.extend(columns),
        }
    }
    for (name, holds) in &survey.columns {
        if let Some(strays) = stray(holds) {
            let line = strays.line.map_or(String::new(), |line| format!(" (line {line})"));
            see(format!(
                "{} is left out: {} of {} cells are no numbers, first {} in row {}{line}; correct or empty such cells to \
                 learn it",
                word(name),
                strays.cells,
                strays.of,
                word(&strays.first),
                strays.row
            ));
            drop.push(name.clone());
        }
        if let Holds::Text(Some(strays)) = holds
            && let Some(classes) = strays.classes()
        {
            see(format!(
                "{} has {classes} different words: named in `context`, instead of left out, it makes the density one given the \
                 class",
                word(name)
            ));
        }
    }
    if drop.iter().any(String::is_empty) {
        // A name that no spec can write: say what is learned instead.
        values.remove("dataset.label");
        values.insert("dataset.columns", learned.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().into());
    } else if !drop.is_empty() {
        values.insert("dataset.drop", drop.into());
    }
    let steps: Vec<f64> =
        learned.iter().map(|(_, holds)| if let Holds::Quantised(step) = holds { *step } else { 0.0 }).collect();
    if steps.iter().any(|step| *step > 0.0) {
        let quantised = of(|holds| matches!(holds, Holds::Quantised(_)));
        see(format!("few different values at even distances, so noise of that width is added: {}", named(&quantised)));
        let same = steps.iter().all(|step| *step == steps[0]);
        values.insert("dataset.dequantize", if same { steps[0].into() } else { steps.into() });
    }
    if let Some(batch) = small_batch(survey.rows) {
        // The 142 rows of wine.toml: a test NLL of 18.7 with the best of such weights, of 24.6 with those of every 250 steps.
        const OFTEN: i64 = 25;
        values.insert("training.batch_size", batch.into());
        values.insert("training.evaluate_every", OFTEN.into());
        see(format!(
            "few rows: batches of {batch}, and an evaluation every {OFTEN} steps, before they are learned by heart"
        ));
    }
    start.values = values;
    Ok(start)
}

/// What a spec for the file at `path` says of how it is read; `rows`: what its rows are.
fn as_read(path: &Path, survey: &Survey, rows: String) -> FileStart {
    let mut values = BTreeMap::from([("dataset.path", path.to_string_lossy().into_owned().into())]);
    let mut seen = vec![rows];
    if let Some(delimiter) = survey.delimiter {
        values.insert("dataset.delimiter", delimiter.to_string().into());
        seen.push(format!("cells are separated by {delimiter:?}"));
    }
    if survey.decimal != Decimal::Point {
        values.insert("dataset.decimal", survey.decimal.sign().to_string().into());
        seen.push(format!("decimals stand behind {:?}", survey.decimal.sign()));
    }
    if let Some(header) = survey.header {
        values.insert("dataset.header", header.into());
        if !header {
            seen.push("the first line is data and names no columns: they are called x1, x2, …".to_owned());
        }
    }
    if survey.missing {
        values.insert("dataset.missing", "drop".into());
        seen.push("some rows have missing values and are left out".to_owned());
    }
    FileStart { format: survey.format.name(), values, seen }
}

/// What a spec for the images in the file at `path` says: the flow that was best on those that the project ships.
fn of_images(path: &Path, survey: &Survey, shape: Shape) -> FileStart {
    /// More do not help images of the size that a processor learns.
    const MOST_SCALES: usize = 3;
    let multiscale = |scales| Model { mask: MaskScheme::Multiscale, scales: Some(scales), ..Model::default() };
    let scales = (2..=MOST_SCALES).rev().find(|&scales| fits(&multiscale(scales), shape).is_ok());
    let batch = small_batch(survey.rows).unwrap_or(64).min(64);
    let rows = format!(
        "{} images of {shape}: a flow of convolutions and splines, which was best on MNIST and digits",
        survey.rows
    );
    let mut start = as_read(path, survey, rows);
    let (values, seen) = (&mut start.values, &mut start.seen);
    values.extend([
        ("model.mask", if scales.is_some() { "multiscale" } else { "checkerboard" }.into()),
        ("model.network", "conv".into()),
        ("model.blocks", 1.into()),
        ("model.coupling", "spline".into()),
        ("model.tail_bound", 3.0.into()),
        ("model.mixing", "lu".into()),
        ("model.normalization", "act".into()),
        ("optimizer.learning_rate", 3e-3.into()),
        ("optimizer.clip_norm", 100.0.into()),
        ("training.batch_size", batch.into()),
        ("training.ema", 0.99.into()),
    ]);
    if let Some(scales) = scales {
        values.insert("model.scales", (scales as i64).into());
    }
    if survey.bytes {
        values.insert("dataset.logit", 1e-6.into());
        seen.push("bytes: noise of width 1 is added, and `logit` takes them to the line".to_owned());
    }
    let step = |(_, holds): &(String, Holds)| if let Holds::Quantised(step) = holds { Some(*step) } else { None };
    // Pixels share their levels, and one that never changes has them too.
    if let Some(step) = survey.columns.iter().filter_map(step).reduce(f64::min) {
        values.insert("dataset.dequantize", step.into());
        seen.push(format!("values at a distance of {step}, so noise of that width is added"));
    }
    let texts: Vec<String> =
        survey.columns.iter().filter(|(_, it)| is_text(it)).map(|(name, _)| name.clone()).collect();
    if let [label] = &texts[..] {
        drop_label(values, label);
        seen.push(format!("{} is text: `condition = true` makes the density one given it", word(label)));
    } else if !texts.is_empty() {
        values.insert("dataset.drop", texts.into());
    }
    start
}

fn is_text(holds: &Holds) -> bool {
    matches!(holds, Holds::Text(_))
}

/// The few cells of a column of numbers that are none.
fn stray(holds: &Holds) -> Option<&Strays> {
    match holds {
        Holds::Text(Some(strays)) if strays.are_few() => Some(strays),
        _ => None,
    }
}

fn drop_label(values: &mut BTreeMap<&'static str, toml::Value>, label: &str) {
    values.insert("dataset.label", label.into());
}

/// A batch of which some fit into the training rows, where the usual one is too large.
fn small_batch(rows: usize) -> Option<i64> {
    const USUAL: usize = 256;
    let train = rows * 8 / 10;
    (train < 4 * USUAL).then(|| (train / 4).clamp(1, USUAL) as i64)
}
