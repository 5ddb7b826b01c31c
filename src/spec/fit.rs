//! Defaults that fit the run: a short run or a small training set must not make a default an error.

use super::resolve::Table;

/// Keys whose defaults shrink.
const FITTED: [&str; 5] = [
    "training.batch_size",
    "training.evaluate_every",
    "training.log_every",
    "optimizer.schedule.warmup",
    "optimizer.schedule.every",
];

/// Whether the default of the key `path` is made to fit the length of the run, or its rows.
pub(crate) fn fits_the_run(path: &str) -> bool {
    FITTED.contains(&path)
}

/// Gives the training part of a file what the parts with files of their own leave.
///
/// Shrinks defaults of keys that are not set so that they fit the number of training rows and steps, where these are
/// known before the data are read.
pub(crate) fn fit_defaults(values: &mut Table, is_set: impl Fn(&str) -> bool) {
    let integer = |values: &Table, path: &str| values.get(path).and_then(toml::Value::as_integer);
    if let (false, Some(toml::Value::Float(train))) = (is_set("dataset.train"), values.get("dataset.train")) {
        let own_file = |path: &&str| values.get(*path).is_some_and(toml::Value::is_str);
        let left = ["dataset.validation", "dataset.test"].iter().filter(|path| own_file(path)).count();
        values.insert("dataset.train", toml::Value::Float(train + 0.1 * left as f64));
    }
    let rows = integer(values, "dataset.train");
    let shrink = |values: &mut Table, path: &'static str, most: i64| {
        if !is_set(path)
            && let Some(toml::Value::Integer(value)) = values.get_mut(path)
        {
            *value = (*value).min(most);
        }
    };
    if let Some(rows) = rows {
        shrink(values, "training.batch_size", rows);
    }
    let Some(steps) = steps(values, rows) else { return };
    shrink(values, "training.evaluate_every", steps);
    shrink(values, "training.log_every", steps);
    shrink(values, "optimizer.schedule.warmup", steps / 10);
    shrink(values, "optimizer.schedule.every", (steps / 3).max(1));
}

/// Steps of the run, at least 1.
fn steps(values: &Table, rows: Option<i64>) -> Option<i64> {
    let integer = |path: &str| values.get(path).and_then(toml::Value::as_integer);
    let steps = match integer("training.epochs") {
        Some(epochs) => epochs.checked_mul(rows? / integer("training.batch_size")?.max(1))?,
        None => integer("training.steps")?,
    };
    Some(steps.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(values: &[(&'static str, i64)]) -> Table {
        values.iter().map(|(path, value)| (*path, toml::Value::from(*value))).collect()
    }

    #[test]
    fn defaults_shrink_to_a_short_run_and_what_is_set_stays() {
        let mut values = table(&[
            ("dataset.train", 100),
            ("training.batch_size", 256),
            ("training.epochs", 50),
            ("training.evaluate_every", 250),
            ("training.log_every", 70),
            ("optimizer.schedule.warmup", 100),
        ]);
        fit_defaults(&mut values, |path| path == "training.log_every");
        let expected = table(&[
            ("dataset.train", 100),
            ("training.batch_size", 100),
            ("training.epochs", 50),
            ("training.evaluate_every", 50),
            ("training.log_every", 70),
            ("optimizer.schedule.warmup", 5),
        ]);
        assert_eq!(values, expected);
    }
}
