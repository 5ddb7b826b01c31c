//! The command line as a user types it: real processes, real files, one folder a test.

mod workplace;

mod bad_data;
mod bad_input;
mod broken;
mod changes;
mod compare;
mod disk;
mod editor;
mod elsewhere;
mod output;
mod plot;
mod repeat;
mod results;
mod stopping;
mod targets;
mod trained;
