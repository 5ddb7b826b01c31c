//! The training loop: steps dealt out, schedule, checkpoints, health. It emits [`Event`]s and does not know who listens.

mod checkpoint;
mod dealer;
mod evaluate;
mod event;
mod impossible;
mod schedule;
mod training;

pub use checkpoint::{CheckpointError, Space, State, load, save, space};
pub use dealer::{Dealer, Stretch};
pub use evaluate::{Score, evaluate, log_prob};
pub use event::*;
pub use schedule::factor;
pub use training::{Ended, Outcome, Snapshot, TrainError, Training};
