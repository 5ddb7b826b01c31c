//! Every combination of values.

use crate::spec::{Axis, Point};

/// Point `index` of all combinations; the last axis changes fastest.
pub(super) fn point(axes: &[Axis], index: usize) -> Point {
    let mut rest = index;
    let mut digits: Vec<_> = axes
        .iter()
        .rev()
        .map(|axis| {
            let digit = rest % axis.count();
            rest /= axis.count();
            axis.nth(digit)
        })
        .collect();
    digits.reverse();
    digits.into_iter().flatten().collect()
}
