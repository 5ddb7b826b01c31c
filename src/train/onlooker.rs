//! Somebody who looks at a flow while it learns.

use super::event::Picture;
use crate::flow::{DeviceError, Flow};

/// Looks at a flow at evaluations and leaves it as it is: a run has the same bits whoever looks.
pub trait Onlooker {
    /// A picture of `flow` after `step` of `total_steps` steps of `rows` rows each; `None` where no picture is due.
    ///
    /// # Errors
    /// Where the device fails.
    fn look(
        &mut self,
        flow: &mut dyn Flow,
        step: u64,
        total_steps: u64,
        rows: usize,
    ) -> Result<Option<Picture>, DeviceError>;
}

/// For runs that nobody looks at.
impl Onlooker for () {
    fn look(&mut self, _: &mut dyn Flow, _: u64, _: u64, _: usize) -> Result<Option<Picture>, DeviceError> {
        Ok(None)
    }
}
