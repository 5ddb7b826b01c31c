//! The weights of a flow: one flat vector with named pieces.

/// Whether gradients reach a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Changed by the optimizer.
    Trainable,
    /// Running statistics of batch normalisation: saved and loaded, never differentiated.
    Statistic,
    /// Whether something has happened: a statistic that only is or is not, and has no average.
    Flag,
}

/// A named tensor within the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in checkpoints, e.g. `layers.3.s.0.weight`.
    pub name: String,
    /// Row-major shape; weights are `[in, out]`.
    pub shape: Vec<usize>,
    /// Where it starts in the flat vector.
    pub offset: usize,
    /// Whether gradients reach it.
    pub role: Role,
}

impl Entry {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its place in the flat vector.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// All values of a flow. Trainable entries come first, so that the optimizer sees one slice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    entries: Vec<Entry>,
    values: Vec<f32>,
    trainable: usize,
}

impl Parameters {
    /// `values` with the `trainable` ones first, and the names of its pieces.
    pub(super) fn new(entries: Vec<Entry>, values: Vec<f32>, trainable: usize) -> Self {
        Self { entries, values, trainable }
    }

    /// The named pieces, in the order of their offsets.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry called `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// All values, trainable first.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// What the optimizer changes, shape `[count()]`.
    pub fn trainable(&self) -> &[f32] {
        &self.values[..self.trainable]
    }

    /// The same, to be changed.
    pub fn trainable_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.trainable]
    }

    /// Number of trainable values.
    pub fn count(&self) -> usize {
        self.trainable
    }

    /// Values of one entry.
    pub fn slice(&self, entry: &Entry) -> &[f32] {
        &self.values[entry.range()]
    }

    /// The same, to be changed.
    pub fn slice_mut(&mut self, entry: &Entry) -> &mut [f32] {
        &mut self.values[entry.range()]
    }
}
