//! Where rows come from: toys, files, preprocessing, splits, batches. Knows no models.
//!
//! [`load`] turns the spec's `[dataset]` into a [`Dataset`] whose rows are in *model space*: preprocessed as
//! [`Preprocessing`] says. [`Batches`] deals out its training rows. [`read_table`] and [`write_table`] are the file
//! formats.

mod batches;
mod dataset;
mod error;
mod preprocessing;
mod read;
mod split;
mod write;

pub use batches::Batches;
pub use dataset::{Dataset, Train, load};
pub use error::{CellProblem, DataError, Place};
pub use preprocessing::Preprocessing;
pub use read::{Selection, Table, read_table};
pub use write::{Column, matrix_columns, write_table};
