//! What one run is made of: its folder, training, drawing and saving ([`Job`]); a run that is there, judged ([`standing`]) and
//! opened again ([`SavedRun`]). Knows nothing of the other runs, nor of where they go on.

mod agreement;
mod contexts;
mod estimate;
mod folder;
mod gallery;
mod glimpses;
mod job;
mod material;
mod pictures;
mod posterior;
mod same_data;
mod saved;
mod standing;
mod stopped;
mod whereabouts;

pub use estimate::{Estimate, estimate, training_bytes};
pub use folder::{SPEC, is_of_run, stranger};
pub use job::{Job, draw_saved};
pub use posterior::{Posterior, posterior};
pub use same_data::changed_data;
pub use saved::{SavedRun, SavedRunError};
pub use standing::{Standing, standing, was_killed};
pub use stopped::end_at_rung;
