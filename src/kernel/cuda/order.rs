//! Permutations on a device: they cost nothing. Rows keep the columns that they come in, and every layer looks for the features
//! that it names where they stand.

use std::rc::Rc;

use crate::flow::Architecture;
use crate::layers::cuda::OnCuda;

/// Of every feature, as a layer numbers them: its column on the device.
pub(super) type Columns = Rc<[usize]>;

/// The layers of a flow, x-side first, each with the columns of the features behind it; only a permutation changes them.
pub(super) fn layers(architecture: &Architecture) -> impl Iterator<Item = (OnCuda<'_>, Columns)> {
    let mut columns: Columns = (0..architecture.values()).collect();
    architecture.layers.iter().filter_map(|layer| layer.on_cuda()).map(move |layer| {
        if let OnCuda::Permutation(permutation) = &layer {
            columns = permutation.order.iter().map(|&from| columns[from]).collect();
        }
        (layer, Rc::clone(&columns))
    })
}

/// Rows as they stand on the device become rows in the order of features.
pub(super) fn to_features(columns: &Columns, rows: &mut [f32]) {
    each_row(columns, rows, |row, before| row.iter_mut().zip(&**columns).for_each(|(to, &from)| *to = before[from]));
}

/// The other way.
pub(super) fn to_columns(columns: &Columns, rows: &mut [f32]) {
    each_row(columns, rows, |row, before| before.iter().zip(&**columns).for_each(|(&from, &to)| row[to] = from));
}

/// Calls `change` with every row, and a copy of it.
fn each_row(columns: &Columns, rows: &mut [f32], change: impl Fn(&mut [f32], &[f32])) {
    if columns.is_sorted() {
        return;
    }
    let mut before = vec![0.0; columns.len()];
    for row in rows.chunks_exact_mut(columns.len()) {
        before.copy_from_slice(row);
        change(row, &before);
    }
}
