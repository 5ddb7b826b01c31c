//! `runner`: a declarative experiment runner for Real NVP normalizing flows.
//!
//! A TOML spec says *what* to train (dataset, mask scheme, depth, s/t width, optimizer, seeds, sweep); the runner
//! leaves TensorBoard logs, Parquet tables, checkpoints and pictures behind. `rooms.rs` has the rooms below in the order in
//! which data pass through them.
//!
//! # Conventions
//! * `forward` maps data x to latent z; `log_det` is log|det dz/dx|, shape `[batch]`, in nats.
//! * `inverse` maps z to x.
//! * `log_prob(x) = base.log_prob(forward(x)) + log_det`, reported in *data space*: every Jacobian of the
//!   preprocessing is included.
//! * NLL is the mean over rows, in nats.

#![warn(missing_docs, clippy::missing_errors_doc)]

pub mod atomic;
pub mod cli;
pub mod columns;
pub mod compute;
pub mod data;
pub mod diagnose;
pub mod engine;
pub mod flow;
mod gamma;
mod hex;
pub mod importance;
pub mod kernel;
pub mod layers;
mod locks;
pub mod matrix;
pub mod optimizer;
pub mod plan;
mod process;
pub mod progress;
pub mod quantity;
pub mod random;
pub mod record;
pub mod report;
#[cfg(test)]
mod rooms;
mod search;
pub mod shape;
pub mod spec;
pub mod statistics;
pub mod student_t;
pub mod toys;
pub mod train;
pub mod trial;
