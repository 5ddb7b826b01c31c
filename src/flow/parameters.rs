//! The weights of a flow: one flat vector with named pieces.

/// Whether gradients reach a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Changed by the optimizer.
    Trainable,
    /// Running statistics of batch normalisation: saved and loaded, never differentiated.
    Statistic,
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
    pub role: Role,
}

impl Entry {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

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
    /// Lays out `entries` (name, shape, role) in the given order, trainable ones first, all values zero.
    pub fn new(entries: Vec<(String, Vec<usize>, Role)>) -> Self {
        let mut layout = Self::default();
        for role in [Role::Trainable, Role::Statistic] {
            for (name, shape, _) in entries.iter().filter(|e| e.2 == role) {
                let entry = Entry { name: name.clone(), shape: shape.clone(), offset: layout.values.len(), role };
                layout.values.resize(entry.range().end, 0.0);
                layout.entries.push(entry);
            }
            if role == Role::Trainable {
                layout.trainable = layout.values.len();
            }
        }
        layout
    }

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

    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// What the optimizer changes, shape `[count()]`.
    pub fn trainable(&self) -> &[f32] {
        &self.values[..self.trainable]
    }

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

    pub fn slice_mut(&mut self, entry: &Entry) -> &mut [f32] {
        &mut self.values[entry.range()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trainable_values_come_first_and_pieces_do_not_overlap() {
        let p = Parameters::new(vec![
            ("mean".into(), vec![3], Role::Statistic),
            ("a".into(), vec![2, 3], Role::Trainable),
            ("b".into(), vec![4], Role::Trainable),
        ]);
        assert_eq!(p.count(), 10);
        let ranges: Vec<_> = p.entries().iter().map(|e| (e.name.as_str(), e.range())).collect();
        assert_eq!(ranges, [("a", 0..6), ("b", 6..10), ("mean", 10..13)]);
    }
}
