//! What explains a number that was measured at many points: the share of its variance over the whole space that each setting
//! accounts for, alone and in pairs.
//!
//! A functional analysis of variance over a forest of regression trees (Hutter, Hoos & Leyton-Brown 2014). A tree is constant on
//! boxes that fill the space, so that its means over all settings but one or two are sums, and exact. Pure functions of numbers:
//! the same table has the same forest.

mod forest;
mod tree;

#[cfg(test)]
mod tests;

pub use forest::{Forest, Share};

/// One setting: a finite number of levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// The share of the space that each level takes, shape `[levels]`; they add up to 1.
    pub shares: Vec<f64>,
    /// Whether a level lies between its neighbours. Where not, any set of levels may behave alike.
    pub ordered: bool,
    /// Whether the first level stands for points that do not have the setting: it has no neighbour.
    pub first_is_absence: bool,
}

/// Points of a space of settings, and what was measured there.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    /// The settings.
    pub dimensions: Vec<Dimension>,
    /// The level of each setting, shape `[points][dimensions]`.
    pub levels: Vec<Vec<usize>>,
    /// Shape `[points]`.
    pub values: Vec<f64>,
}
