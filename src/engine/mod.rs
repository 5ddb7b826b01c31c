//! Where trials run: this process's worker pool, or a Slurm or Kubernetes cluster. What a trial is made of is told by
//! [`Job`](crate::trial::Job); how many run at once, on how many threads, and what happens when one fails is decided here.

mod begun;
mod best;
mod datasets;
mod growing;
mod known_names;
pub mod kubernetes;
mod local;
mod memory;
mod own_spec;
mod slots;
pub mod slurm;
mod stop;
mod unasked;

pub use begun::begun_with_earlier_defaults;
pub use best::draw_best_of_stored;
pub use datasets::Datasets;
pub use growing::{EngineError, Growing, LaidOut};
pub use local::{Local, Report, run, run_one};
pub use memory::{TooLittleMemory, free_bytes};
pub use own_spec::where_it_lies;
pub use slots::{Slot, Slots};
pub use stop::{stop_flag, time_up_flag};
pub use unasked::{Unasked, UnaskedError, remove, unasked};
