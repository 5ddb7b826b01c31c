//! The training loop: optimizer, schedule, checkpoints, health. It emits [`Event`]s and does not know who listens.

mod event;

pub use event::*;
