//! The command line as a user types it: real processes, real files, one folder a test.

mod workplace;

mod agreement;
mod bad_data;
mod bad_input;
mod broken;
mod changes;
mod compare;
mod conditional;
mod data;
mod diagnose;
mod disk;
mod earlier;
mod editor;
mod elsewhere;
mod gaps;
mod halving;
mod images;
mod names;
mod output;
mod plot;
mod repeat;
mod report;
mod results;
mod search;
mod slurm;
mod stopping;
mod targets;
mod trained;
