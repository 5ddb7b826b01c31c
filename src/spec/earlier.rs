//! Defaults of earlier releases. When a default changes, an experiment that has begun goes on with those that it began with:
//! otherwise an upgrade would train it again, and half of a sweep would be of another flow than the rest.

use super::keys::{self, Key};
use super::load::ResolvedExperiment;
use super::node;
use super::resolved::flat;
use super::settings::Settings;
use super::source::Source;

/// How a resolved spec names the origin of such a default.
pub(crate) const NAME: &str = "default of earlier releases";

/// Which defaults hold where a spec leaves a key out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defaults {
    /// Those of the first release.
    First,
    /// Those of the table of keys.
    Today,
}

impl Defaults {
    /// `settings` with those of these defaults that are no longer the table's.
    pub(super) fn complete(self, settings: Settings, order: usize) -> Settings {
        if self == Self::Today {
            return settings;
        }
        let lines = keys::groups().filter_map(|(path, rows)| Some(format!("{path} = {}\n", rows[0].formerly?)));
        let source = Source::new(NAME, lines.collect::<String>(), order);
        // The rows are held by a test to be TOML, and to name keys that every spec uses.
        let mut whole = Settings::read(node::parse_document(&source, &mut Vec::new()), &mut Vec::new());
        whole.lay_over(&settings);
        whole
    }
}

impl ResolvedExperiment {
    /// The defaults of an earlier release that it has because it began with them, as `model.coupling = "affine"`.
    pub fn earlier_defaults(&self) -> Vec<String> {
        let shown = |path: &str| Some(format!("{path} = {}", self.settings.get(path)?.node.value));
        self.left_out().into_iter().filter_map(shown).collect()
    }

    /// Of an experiment with [`Defaults::First`], the defaults that `run` has, the resolved spec of one of its runs, where this spec
    /// leaves keys out; `None` where it has neither.
    pub fn defaults_of(&self, run: toml::Table) -> Option<Defaults> {
        let run = flat(run);
        let all = |default: fn(&Key) -> Option<&toml::Value>| {
            // A resolved spec lacks what its release did not know.
            let has = |row: &Key| run.get(row.path()).or(row.first_default()) == default(row);
            self.left_out().into_iter().filter_map(keys::rows).all(|(_, rows)| has(rows[0]))
        };
        match (all(Key::default_value), all(Key::first_default)) {
            (true, false) => Some(Defaults::Today),
            (false, true) => Some(Defaults::First),
            _ => None,
        }
    }

    /// The keys that are at defaults which have changed since.
    fn left_out(&self) -> Vec<&'static str> {
        let swept = |path: &str| self.sweep.iter().flat_map(|sweep| &sweep.axes).any(|axis| axis.keys.contains(&path));
        let old = |path: &str| self.settings.get(path).is_some_and(|it| it.node.place.source.name == NAME);
        let is_first = self.defaults == Defaults::First;
        keys::in_order().map(|(path, _)| path).filter(|path| is_first && old(path) && !swept(path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spec::Overrides;
    use crate::spec::tests::{Folder, plan_of};

    const MOONS: &str = "[dataset]\nname = \"moons\"\n";

    /// What is laid under a spec must be of use to every spec.
    #[test]
    fn defaults_that_have_changed_are_of_keys_that_all_specs_use_and_did_change() {
        for (path, rows) in keys::groups().filter(|(_, rows)| rows.iter().any(|row| row.formerly.is_some())) {
            assert!(rows.iter().all(|row| row.formerly == rows[0].formerly), "{path}");
            assert!(rows.iter().any(|row| row.default_value() != row.first_default()), "{path}");
            for spec in [MOONS, "[dataset]\npath = \"data.csv\"\n[model]\nmask = \"checkerboard\"\n"] {
                let written = format!("{path}={}", rows[0].first_default().expect("a default"));
                let hash = |overrides| {
                    Folder::with(spec).plan_of(Defaults::First, overrides).expect(path).trials[0].spec_hash.clone()
                };
                assert_eq!(hash(Overrides::default().set(written)), hash(Overrides::default()), "{path}");
            }
        }
    }

    #[test]
    fn what_is_written_is_the_same_trial_whatever_the_defaults() {
        let all = keys::groups().filter_map(|(path, rows)| Some(format!("{path} = {}\n", rows[0].formerly?)));
        let written = all.collect::<String>() + MOONS;
        let hash = |defaults, text| plan_of(defaults, text).expect("a plan").trials.remove(0).spec_hash;
        assert_eq!(hash(Defaults::First, &written), hash(Defaults::Today, &written));
        assert_eq!(hash(Defaults::First, &written), hash(Defaults::First, MOONS));
        assert_ne!(hash(Defaults::First, MOONS), hash(Defaults::Today, MOONS));
    }

    #[test]
    fn earlier_defaults_give_way_to_all_that_a_spec_says_and_are_told() {
        let swept = format!("{MOONS}[sweep.parameters]\n\"model.coupling\" = [\"affine\", \"spline\"]\n");
        for (text, said, of_sweep) in [(MOONS.to_owned(), "", true), (swept, "model.mixing=\"none\"", false)] {
            let folder = Folder::with(&text);
            let overrides = if said.is_empty() { Overrides::default() } else { Overrides::default().set(said) };
            let experiment = folder.load_of(Defaults::First, overrides).expect("a spec");
            let told: BTreeSet<String> = experiment.earlier_defaults().into_iter().collect();
            assert_eq!(told.contains("model.coupling = \"affine\""), of_sweep, "{told:?}");
            assert_eq!(told.contains("model.mixing = \"none\""), of_sweep, "{told:?}");
            assert_eq!(
                experiment.to_annotated_toml().contains("\"affine\"  # default of earlier releases\n"),
                of_sweep
            );
        }
    }
}
