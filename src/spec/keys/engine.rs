//! `[engine]`: where trials run, and which of them draw pictures.

use super::row::{Row, choice, integer, row};
use crate::spec::keys::Fallback::{Absent, Value};
use crate::spec::kind::Kind;

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("engine.trials_per_gpu", integer(1, 1_024), Value("1"), "trials", "CUDA: trials that share one GPU at a time."),
    row("engine.pictures", choice(&["all", "best"]), Absent, "",
        "What draws pictures: `all` runs; or, once all have ended, only the first seed of the `best` trial, by `sweep.metric` or \
         the validation NLL. Left out: `all` of fewer than 100 runs, else the `best`."),

    row("engine.slurm.partition", Kind::Text("the name of a partition"), Absent, "", "Slurm: partition to submit to."),
    row("engine.slurm.account", Kind::Text("the name of an account"), Absent, "", "Slurm: account to charge."),
    row("engine.slurm.time", Kind::Text("a time limit such as \"2:00:00\""), Absent, "",
        "Slurm: time limit of an array element; when it nears, runs save and the element is queued again."),
    row("engine.slurm.memory", Kind::Text("an amount such as \"8G\""), Absent, "", "Slurm: memory of an array element."),
    row("engine.slurm.cpus", integer(1, 4_096), Absent, "cores", "Slurm: cores of an array element."),
    row("engine.slurm.gpus", integer(0, 64), Absent, "GPUs", "Slurm: GPUs of an array element."),
    row("engine.slurm.at_once", integer(1, 1_000_000), Absent, "elements", "Slurm: most array elements that run at once."),
    row("engine.slurm.trials_per_element", integer(1, 100_000), Value("1"), "runs",
        "Slurm: runs that an array element does one after the other."),
    row("engine.slurm.extra", Kind::Texts, Value("[]"), "",
        "Slurm: lines added to the job script, such as `#SBATCH --constraint=a100` or `module load cuda`."),
];
