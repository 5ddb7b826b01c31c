//! Where rows come from: toys, files, preprocessing, splits, batches. Knows no models.
//!
//! [`load`] turns the spec's `[dataset]` into a [`Dataset`] whose held-out rows are in *model space*: preprocessed as
//! [`Preprocessing`] says. [`Batches`] deals out its training rows, there too. [`read_table`] and [`write_table`] are the file
//! formats.

mod batches;
mod context;
mod dataset;
mod error;
mod logit;
mod memory;
mod pixels;
mod preprocessing;
mod provenance;
mod quote;
mod read;
mod review;
mod split;
mod strays;
mod survey;
mod transform;
mod weights;
mod write;

pub use batches::Batches;
pub use context::{Context, Given};
pub use dataset::{Dataset, Part, Parts, Train, load};
pub(crate) use error::shown;
pub use error::{CellProblem, DataError, Place};
pub use logit::Logit;
pub use memory::free as free_memory;
pub use pixels::shape as shape_of;
pub use preprocessing::Preprocessing;
pub use provenance::{DataFile, Provenance};
pub(crate) use quote::{printable, quoted};
pub use read::{
    Incomplete, Input, ReadOptions, Selection, Table, Watch, line_of, read_column, read_columns, read_columns_named,
    read_input, read_table, typed,
};
pub use strays::Strays;
pub use survey::{Holds, Survey};
pub use transform::Transform;
pub use weights::{EffectiveRows, Weights};
pub use write::{Blocks, Column, TableFormat, matrix_columns, write_blocks, write_table};
