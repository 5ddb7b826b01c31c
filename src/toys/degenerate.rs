//! Toys of the literature that are not offered because they have no density.

/// A toy without a density.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degenerate {
    /// Its name in the literature.
    pub name: &'static str,
    /// Why it is not offered, a phrase.
    pub reason: &'static str,
}

/// Toys of FFJORD's toy data that lie on a curve.
pub static DEGENERATE: &[Degenerate] = &[
    Degenerate {
        name: "line",
        reason: "all its points lie on the line y = x, so it has no density in the plane and the NLL no lower bound",
    },
    Degenerate {
        name: "cos",
        reason: "all its points lie on the curve y = 2.5 sin x, so it has no density in the plane \
                 and the NLL no lower bound",
    },
];
