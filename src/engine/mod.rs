//! Where trials run: this process's worker pool, or a Slurm cluster. What a trial is made of is told by [`Job`]; how many run at once, on how
//! many threads, and what happens when one fails is decided here.

mod datasets;
mod estimate;
mod local;
mod memory;
mod pictures;
mod same_data;
mod saved;
mod slots;
pub mod slurm;
mod stop;
mod trial;

pub use datasets::Datasets;
pub use estimate::{Estimate, estimate};
pub use local::{Local, Report, lay_out, run, run_one};
pub use memory::{TooLittleMemory, free_bytes};
pub use saved::{SavedRun, SavedRunError};
pub use slots::{Slot, Slots};
pub use stop::{stop_flag, time_up_flag};
pub use trial::{Job, SPEC, Standing, standing, was_killed};
