//! Rows drawn from a toy.

use super::{Dataset, Train};
use crate::data::context::Context;
use crate::data::error::DataError;
use crate::data::memory;
use crate::data::preprocessing::Preprocessing;
use crate::data::provenance::Provenance;
use crate::matrix::Matrix;
use crate::random::{Purpose, stream};
use crate::spec::{self, Amount};
use crate::toys::{Toy, UnderAffineMap, toy, toy_given_component};

/// Rows drawn to find the mean and variance of a toy whose training rows are always fresh.
const ROWS_FOR_SCALE: usize = 20_000;

/// The toy that `spec` asks for by this name, given its component and under an affine map where the spec says so.
pub fn toy_of(spec: &spec::Dataset, name: &str) -> Result<Box<dyn Toy>, DataError> {
    let make = if spec.condition { toy_given_component } else { toy };
    let toy = make(name, &spec.toy_parameters())?;
    Ok(if spec.affine { Box::new(UnderAffineMap::new(toy)) } else { toy })
}

/// Validation and test rows.
type HeldOut = [Matrix<f64>; 2];

/// The training rows, where they are not always fresh, and those of validation and test, data space.
pub fn rows(spec: &spec::Dataset, toy: &dyn Toy) -> Result<(Option<Matrix<f64>>, HeldOut), DataError> {
    let rows = |part: &'static str, amount: &Amount| {
        match *amount {
            Amount::Rows(0) => Err(("0".to_owned(), "give at least one row")),
            Amount::Rows(rows) => Ok(rows),
            Amount::Fraction(fraction) => Err((fraction.to_string(), "a toy has no end; give a number of rows")),
            Amount::Fresh(_) => Err(("\"fresh\"".to_owned(), "only `train` can be fresh; give a number of rows")),
            Amount::File(_) => Err(("a file".to_owned(), "a toy draws its rows; give a number of them")),
        }
        .map_err(|(amount, problem)| DataError::Amount { part, amount, problem })
    };
    let validation = rows("validation", &spec.validation)?;
    let test = rows("test", &spec.test)?;
    let train = match &spec.train {
        Amount::Fresh(_) => None,
        amount => Some(rows("train", amount)?),
    };
    room_for([("train", train.unwrap_or(0)), ("validation", validation), ("test", test)], toy.values())?;
    let draw = |purpose, rows| toy_rows(toy, spec.seed, purpose, rows);
    let held_out = [draw(Purpose::ValidationRows, validation), draw(Purpose::TestRows, test)];
    Ok((train.map(|rows| draw(Purpose::TrainRows, rows)), held_out))
}

/// Checks that memory has room for the rows of all parts.
fn room_for(parts: [(&'static str, usize); 3], values: usize) -> Result<(), DataError> {
    /// A number as it is drawn and, of most rows, once more as the flow takes it.
    const BYTES: u64 = 12;
    let bytes = |rows: usize| (rows as u64).saturating_mul(BYTES * values as u64);
    let needed = parts.iter().fold(0_u64, |sum, (_, rows)| sum.saturating_add(bytes(*rows)));
    let free = memory::free();
    if needed <= free {
        return Ok(());
    }
    // There are three parts, so there is a largest.
    let (part, rows) = parts.into_iter().max_by_key(|(_, rows)| *rows).unwrap_or(("train", 0));
    Err(DataError::TooLarge { part, rows, needed: memory::shown(needed), free: memory::shown(free) })
}

/// The rows that stand for the training rows of a toy where those are always fresh.
pub fn rows_for_scale(toy: &dyn Toy, seed: u64) -> Matrix<f64> {
    toy_rows(toy, seed, Purpose::TrainRows, ROWS_FOR_SCALE)
}

/// Draws the parts that `spec` asks for.
pub fn load(spec: &spec::Dataset, toy: Box<dyn Toy>) -> Result<Dataset, DataError> {
    let (train, [validation, test]) = rows(spec, &*toy)?;
    let fresh = train.is_none();
    let train = train.unwrap_or_else(|| rows_for_scale(&*toy, spec.seed));
    let mut context = Context::of_toy(&*toy);
    context.count(&train, toy.features());
    let identity = Preprocessing::identity(toy.values()).with_context(context.values());
    let preprocessing = match spec.standardize {
        true => identity.standardized(&train, None, &mut stream(spec.seed, Purpose::ScaleNoise, 0)),
        false => identity,
    };
    let preprocessing = preprocessing.unscaled_at(context.class_places(toy.features()));
    let parts = [(!fresh).then_some(&train), Some(&validation), Some(&test)];
    let columns = toy.names();
    let names: Vec<String> = columns.iter().cloned().chain(context.names()).collect();
    let provenance = Provenance::of(&names, parts, Vec::new());
    let [validation, test] = [validation, test].map(|part| preprocessing.apply(&part));
    Ok(Dataset {
        shape: toy.features().into(),
        columns,
        context,
        train: if fresh { Train::Fresh } else { Train::Rows(train) },
        validation,
        test,
        weights: None,
        preprocessing,
        toy: Some(toy),
        warnings: Vec::new(),
        unused_rows: 0,
        augment: Vec::new(),
        provenance,
        exact: Default::default(),
        seed: spec.seed,
    })
}

/// The first `rows` rows of one part of a toy, in data space. Blocks of 1,024 rows share a generator, whose index is the
/// number of the block: a row depends on its own number only, not on how many are drawn.
pub fn toy_rows(toy: &dyn Toy, seed: u64, purpose: Purpose, rows: usize) -> Matrix<f64> {
    const BLOCK: usize = 1024;
    let mut matrix = Matrix::zeros(rows, toy.values());
    let mut one = vec![0.0; toy.values()];
    for (block, chunk) in matrix.as_mut_slice().chunks_mut(BLOCK * toy.values()).enumerate() {
        let mut rng = stream(seed, purpose, block as u64);
        for row in chunk.chunks_exact_mut(toy.values()) {
            toy.sample(&mut rng, &mut one);
            row.iter_mut().zip(&one).for_each(|(to, from)| *to = f64::from(*from));
        }
    }
    matrix
}
