//! The training loop: steps dealt out, checkpoints, health. It emits [`Event`]s and does not know who listens.

mod bands;
mod checkpoint;
mod dealer;
mod evaluate;
mod event;
mod gap;
mod onlooker;
mod restore;
mod running;
mod scales;
mod seal;
mod training;

pub use bands::{Band, bands};
pub use checkpoint::{About, CheckpointError, Origin, Space, State, save};
pub use dealer::{Dealer, Stretch, total_steps};
pub use evaluate::{ROWS_AT_ONCE, evaluate, log_prob, not_finite};
pub use event::*;
pub use onlooker::Onlooker;
pub use restore::Checkpoint;
pub use training::{Ended, Outcome, Snapshot, TrainError, Training};
