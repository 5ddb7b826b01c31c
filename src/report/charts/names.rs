//! What trials are called in a legend: what tells them apart, not what they share.

use std::collections::BTreeSet;

use super::super::comparison::Comparison;

/// A short name for every group of a comparison by trial, in its order: the overrides that not all trials have, with the
/// experiment where there are several. The hash stands only where nothing else tells two trials apart.
pub fn legend_names(comparison: &Comparison) -> Vec<String> {
    let label = |labels: &[Option<toml::Value>], i: usize| match labels.get(i) {
        Some(Some(toml::Value::String(text))) => text.clone(),
        _ => String::new(),
    };
    let (mut experiments, mut trials) = (Vec::new(), Vec::new());
    for group in &comparison.groups {
        trials.push(label(&group.labels, group.labels.len() - 1));
        experiments.push(if group.labels.len() > 1 { label(&group.labels, 0) } else { String::new() });
    }
    let full: Vec<String> =
        experiments.iter().zip(shorter(&trials)).map(|(experiment, trial)| joined(experiment, &trial)).collect();
    let distinct: BTreeSet<&String> = full.iter().collect();
    if distinct.len() == full.len() {
        return full;
    }
    experiments.iter().zip(&trials).map(|(experiment, trial)| joined(experiment, trial)).collect()
}

fn joined(experiment: &str, trial: &str) -> String {
    if experiment.is_empty() { trial.to_owned() } else { format!("{experiment} · {trial}") }
}

/// Trials' ids, `depth=8,width=64-3f9a2c1d`, without what all of them have in common.
fn shorter(ids: &[String]) -> Vec<String> {
    let overrides = |id: &str| -> Option<BTreeSet<String>> {
        let (text, _) = id.rsplit_once('-')?;
        // A list has commas of its own.
        (!text.contains('[')).then(|| text.split(',').map(str::to_owned).collect())
    };
    let Some(sets) = ids.iter().map(|id| overrides(id)).collect::<Option<Vec<_>>>() else { return ids.to_vec() };
    let common = sets.iter().cloned().reduce(|a, b| &a & &b).unwrap_or_default();
    let rest = |id: &String| -> String {
        let text = id.rsplit_once('-').map_or(id.as_str(), |(text, _)| text);
        let parts: Vec<&str> = text.split(',').filter(|part| !common.contains(*part)).collect();
        parts.join(", ")
    };
    let short: Vec<String> = ids.iter().map(rest).collect();
    let told = |name: &String| !name.is_empty() && short.iter().filter(|other| *other == name).count() == 1;
    short.iter().zip(ids).map(|(name, id)| if told(name) { name.clone() } else { id.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_trials_share_is_left_out() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&["depth=2,lr=0.1,name=adam-aaaaaaaa", "depth=2,lr=0.1,name=sgd-bbbbbbbb"], &["name=adam", "name=sgd"]),
            (
                &["depth=2,name=adam-aaaaaaaa", "depth=4,name=sgd-bbbbbbbb"],
                &["depth=2, name=adam", "depth=4, name=sgd"],
            ),
            // Nothing but the hash tells them apart.
            (&["base-aaaaaaaa", "base-bbbbbbbb"], &["base-aaaaaaaa", "base-bbbbbbbb"]),
            (&["base-aaaaaaaa", "depth=4-bbbbbbbb"], &["base", "depth=4"]),
            (&["base-aaaaaaaa"], &["base-aaaaaaaa"]),
            (
                &["betas=[0.9,0.99],a=1-aaaaaaaa", "betas=[0.8,0.99],a=1-bbbbbbbb"],
                &["betas=[0.9,0.99],a=1-aaaaaaaa", "betas=[0.8,0.99],a=1-bbbbbbbb"],
            ),
        ];
        for (ids, expected) in cases {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            assert_eq!(shorter(&ids), expected);
        }
    }
}
