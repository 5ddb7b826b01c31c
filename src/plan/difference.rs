//! What has changed between two plans of one experiment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Plan, Trial};
use crate::spec::{counted, flat};

/// Largest number of values of a key that is shown.
const SHOWN: usize = 6;

/// How a plan differs from an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Runs of both.
    pub same: usize,
    /// Runs that only the new one has.
    pub new: usize,
    /// Runs that only the earlier one has; their results stay.
    pub gone: usize,
    /// Keys whose values differ, with the values that the trials have: earlier and now.
    pub keys: Vec<(String, [Vec<String>; 2])>,
}

impl Plan {
    /// What differs from `earlier`; `None` where both have the same runs.
    pub fn difference(&self, earlier: &Plan) -> Option<Difference> {
        let runs = |plan: &Plan| -> BTreeSet<(String, u64)> {
            plan.asked().into_iter().map(|trial| (trial.spec_hash.clone(), trial.seed)).collect()
        };
        let (before, now) = (runs(earlier), runs(self));
        if before == now {
            return None;
        }
        let (old, current) = (values(&earlier.asked()), values(&self.asked()));
        let names: BTreeSet<&String> = old.keys().chain(current.keys()).collect();
        let of = |table: &BTreeMap<String, Vec<String>>, name: &String| table.get(name).cloned().unwrap_or_default();
        let keys = names.into_iter().map(|name| (name.clone(), [of(&old, name), of(&current, name)]));
        Some(Difference {
            same: now.intersection(&before).count(),
            new: now.difference(&before).count(),
            gone: before.difference(&now).count(),
            keys: keys.filter(|(_, [old, current])| old != current).collect(),
        })
    }
}

/// For every key the values that the trials have, in their order, each once.
fn values(trials: &[&Trial]) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for trial in trials {
        for (path, value) in toml::Table::try_from(&trial.spec).map(flat).unwrap_or_default() {
            let known = values.entry(path.clone()).or_default();
            // A trial is of one of the seeds, which its spec holds as a list.
            let told = match value {
                toml::Value::Array(seeds) if path == "seeds" => seeds,
                value => vec![value],
            };
            for text in told.iter().map(toml::Value::to_string) {
                if !known.contains(&text) {
                    known.push(text);
                }
            }
        }
    }
    values
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as before, {} new", counted(self.same, "run"), self.new)?;
        if self.gone > 0 {
            write!(f, ", {} no longer asked for (their results stay)", self.gone)?;
        }
        for (key, [old, current]) in &self.keys {
            write!(f, "\n  {key}: {} → {}", shown(old), shown(current))?;
        }
        Ok(())
    }
}

fn shown(values: &[String]) -> String {
    match values {
        [] => "(not used)".to_owned(),
        few if few.len() <= SHOWN => few.join(", "),
        [first @ .., last] => format!("{}, …, {last} ({} values)", first[..SHOWN - 2].join(", "), values.len()),
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::tests::plan;

    const SPEC: &str = "seeds = [0]\n[dataset]\nname = \"moons\"\n[sweep.parameters]\n\"model.depth\" = [4, 8]\n";

    #[test]
    fn the_same_runs_are_no_difference_and_others_are_counted_and_told() {
        let earlier = plan(SPEC).expect("a plan");
        let reordered = plan(&SPEC.replace("[4, 8]", "[8, 4]")).expect("a plan");
        assert_eq!(reordered.difference(&earlier), None);

        let more = plan(&SPEC.replace("[4, 8]", "[8, 16]").replace("[0]", "2")).expect("a plan");
        let text = more.difference(&earlier).expect("a difference").to_string();
        let expected = "1 run as before, 3 new, 1 no longer asked for (their results stay)\n  \
                        model.depth: 4, 8 → 8, 16\n  seeds: 0 → 0, 1";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_key_outside_the_sweep_changes_all_runs() {
        let earlier = plan(SPEC).expect("a plan");
        let longer = plan(&format!("{SPEC}[training]\nsteps = 7_000\n")).expect("a plan");
        let difference = longer.difference(&earlier).expect("a difference");
        assert_eq!((difference.same, difference.new, difference.gone), (0, 2, 2));
        assert!(difference.to_string().ends_with("training.steps: 5000 → 7000"), "{difference}");
    }
}
