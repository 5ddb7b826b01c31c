//! Where trials run and which of them draw pictures, beside what they are: `[engine]`. Nothing here changes a trial's numbers or
//! its name.

use serde::{Deserialize, Serialize};

use super::diagnostics::Diagnostic;
use super::resolve::{consume, nested};
use super::settings::Settings;
use super::source::Place;

/// Where trials run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Trials that share one GPU at a time.
    pub trials_per_gpu: usize,
    /// What draws pictures; `None`: see [`Pictures::of`].
    pub pictures: Option<Pictures>,
    /// What a job on a Slurm cluster asks for.
    pub slurm: Slurm,
}

/// Which runs of an experiment draw pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pictures {
    /// All of them.
    #[default]
    All,
    /// The first seed of the best trial, once all have ended.
    Best,
}

impl Pictures {
    /// Of so many runs nobody looks at the pictures of each.
    const MANY: usize = 100;

    /// What an experiment of so many `runs` draws that says nothing of it.
    pub fn of(runs: usize) -> Self {
        if runs < Self::MANY { Self::All } else { Self::Best }
    }

    /// Whether it is all of them, as in plans of earlier releases.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self::All
    }
}

/// How trials are submitted to Slurm; what is left out is the cluster's own default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slurm {
    /// Partition that jobs are submitted to.
    pub partition: Option<String>,
    /// Account that jobs are charged to.
    pub account: Option<String>,
    /// Time limit of an element, as `sbatch --time` takes it.
    pub time: Option<String>,
    /// Memory of an element, as `sbatch --mem` takes it.
    pub memory: Option<String>,
    /// Cores of an element.
    pub cpus: Option<u32>,
    /// GPUs of an element.
    pub gpus: Option<u32>,
    /// Elements that may run at once.
    pub at_once: Option<u32>,
    /// Runs that an element does one after the other.
    pub trials_per_element: usize,
    /// Lines added to the job script.
    pub extra: Vec<String>,
}

impl Engine {
    /// Reads `[engine]`; all defaults where it is not there.
    pub(crate) fn read(settings: &Settings, home: &Place, problems: &mut Vec<Diagnostic>) -> Self {
        let consumed = consume(settings, home, |path| path.starts_with("engine."));
        problems.extend(consumed.problems);
        problems.extend(consumed.unused.into_iter().map(|(_, problem)| problem));
        let table = nested(&consumed.values).remove("engine");
        // A table of keys that disagrees with this type is found by a test.
        table.and_then(|table| table.try_into().ok()).unwrap_or_default()
    }
}
