//! Keys of no section: what the experiment is called, its seeds and its device.

use super::row::{Row, row};
use crate::spec::keys::Fallback::{Absent, Value};
use crate::spec::kind::Kind;

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("name", Kind::Name, Absent, "",
        "Name of the experiment and of its folder below `results`; the file's stem where left out."),
    row("extends", Kind::Path, Absent, "",
        "Another spec, relative to this one's folder, whose keys hold where this one leaves them out; it may extend a third."),
    row("seeds", Kind::Seeds, Value("[0]"), "", "Seeds of weights and batch order, one run each; `seeds = 3` means 0, 1, 2."),
    row("device", Kind::Device, Value("'cpu'"), "", "Where to compute: `cpu`, `cuda` (any GPU that is free) or `cuda:N`."),
];
