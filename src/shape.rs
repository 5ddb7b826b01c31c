//! How the values of a row lie.

use serde::{Deserialize, Serialize};

/// The height, width and channels of a row. In memory the channels of a pixel stand beside each other, then come the pixels of an
/// image's row, then its rows. Plain features are an image of one pixel: 1 × 1 × D.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

impl Shape {
    /// Values of a row.
    pub fn values(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether a row is more than plain features.
    pub fn is_image(self) -> bool {
        self.height.min(self.width) > 1
    }
}

impl From<usize> for Shape {
    /// The shape of so many plain features.
    fn from(features: usize) -> Self {
        Self { height: 1, width: 1, channels: features }
    }
}

/// What a row of a flow holds: features, and behind them the context that their density is conditional on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How the features lie.
    pub features: Shape,
    /// Values of the context, which layers read and never change; 0: the flow is unconditional.
    pub context: usize,
}

impl Layout {
    /// Values of a row.
    pub fn values(self) -> usize {
        self.features.values() + self.context
    }
}

impl<S: Into<Shape>> From<S> for Layout {
    /// Features without a context.
    fn from(features: S) -> Self {
        Self { features: features.into(), context: 0 }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.is_image() {
            true => write!(f, "{} × {} × {}", self.height, self.width, self.channels),
            false => write!(f, "{}", self.values()),
        }
    }
}
