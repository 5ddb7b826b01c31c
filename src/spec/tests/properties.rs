//! What holds of all specs, tried on many: drawn from the table of keys, or out of the words that specs are made of.
//!
//! The draws are the same every time, and nothing is kept of them between runs.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::judge::judge;
use super::{Folder, schema};
use crate::plan::{Plan, spec_hash};
use crate::spec::keys::{self, ALTERNATIVES, SECTIONS, groups, is_of_trial};
use crate::spec::{Bound, Diagnostics, Kind, Overrides, Spec, When};
use crate::toys::TOYS;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(6), ..ProptestConfig::default() }
}

/// A key with its value, as TOML.
type Line = (&'static str, String);

/// What a spec chose that decides over other keys.
#[derive(Clone, Debug)]
struct Chosen {
    /// `None` for a file.
    toy: Option<&'static str>,
    optimizer: &'static str,
    schedule: &'static str,
}

impl Chosen {
    /// Whether a spec of this choice with the keys `set` uses a key.
    fn uses(&self, when: &When, set: &dyn Fn(&str) -> bool) -> bool {
        match *when {
            When::Always => true,
            When::Toy => self.toy.is_some(),
            When::File => self.toy.is_none(),
            When::Format(of) => self.toy.is_none() && of.contains(&"csv"),
            When::Is("dataset.name", of) => self.toy.is_some_and(|toy| of.contains(&toy)),
            When::Is("optimizer.name", of) => of.contains(&self.optimizer),
            When::Is("optimizer.schedule.name", of) => of.contains(&self.schedule),
            When::Is(path, of) => keys::default_word(path).is_some_and(|word| of.contains(&word)),
            When::With(path) => set(path),
            When::Without(path) => !set(path),
            When::Both(one, other) => self.uses(one, set) && self.uses(other, set),
        }
    }

    fn lines(&self) -> Vec<Line> {
        let data = match self.toy {
            Some(toy) => ("dataset.name", toy),
            None => ("dataset.path", "data.csv"),
        };
        [data, ("optimizer.name", self.optimizer), ("optimizer.schedule.name", self.schedule)]
            .map(|(path, word)| (path, format!("{word:?}")))
            .to_vec()
    }
}

fn chosen() -> impl Strategy<Value = Chosen> {
    let toys: Vec<_> = TOYS.iter().map(|toy| toy.name).collect();
    let names = |path| prop::sample::select(keys::rows(path).expect("a key").1[0].kind.choices().expect("words"));
    (prop::option::weighted(0.7, prop::sample::select(toys)), names("optimizer.name"), names("optimizer.schedule.name"))
        .prop_map(|(toy, optimizer, schedule)| Chosen { toy, optimizer, schedule })
}

/// Numbers between two bounds, both left out, as TOML.
fn number(min: Bound, max: Bound) -> impl Strategy<Value = f64> {
    let end = |bound, open| match bound {
        Bound::Open => open,
        Bound::Inclusive(value) | Bound::Exclusive(value) => value,
    };
    let (min, max) = (end(min, -3.0), end(max, 4.0));
    (1..999_i32).prop_map(move |i| min + (max - min) * f64::from(i) / 1000.0)
}

/// A value that a key of this kind takes, as TOML.
fn value(kind: Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::Integer { min, max } => (min..=max.min(min + 99)).prop_map(|value| value.to_string()).boxed(),
        Kind::Float { min, max } => number(min, max).prop_map(|value| format!("{value:?}")).boxed(),
        Kind::NumberOr { min, max, word } => {
            prop_oneof![number(min, max).prop_map(|value| format!("{value:?}")), Just(format!("{word:?}"))].boxed()
        }
        Kind::Bool => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        Kind::Choice { .. } | Kind::Toy => {
            prop::sample::select(kind.choices().expect("words")).prop_map(|word| format!("{word:?}")).boxed()
        }
        Kind::Name => "[a-z][a-z0-9 ._-]{0,9}[a-z]".prop_map(|name| format!("{name:?}")).boxed(),
        Kind::Device => Just("\"cpu\"".to_owned()).boxed(),
        Kind::Seeds => prop_oneof![
            (1..9_u8).prop_map(|count| count.to_string()),
            prop::collection::hash_set(0..=i64::MAX, 1..4).prop_map(|seeds| format!("{:?}", Vec::from_iter(seeds))),
        ]
        .boxed(),
        Kind::Texts => {
            prop::sample::subsequence(vec!["a", "ä", "x y"], 0..3).prop_map(|all| format!("{all:?}")).boxed()
        }
        Kind::Words(of) => prop::sample::subsequence(of, 0..=of.len()).prop_map(|all| format!("{all:?}")).boxed(),
        Kind::Size => (2..99_u8, 2..99_u8).prop_map(|(height, width)| format!("[{height}, {width}]")).boxed(),
        Kind::Character => prop::sample::select(vec!["','", "';'", "\"\\t\"", "'|'"]).prop_map(str::to_owned).boxed(),
        Kind::Column => prop::sample::select(vec!["1", "-1", "\"a\""]).prop_map(str::to_owned).boxed(),
        Kind::Steps => number(Bound::Inclusive(0.0), Bound::Open).prop_map(|step| format!("{step:?}")).boxed(),
        Kind::Transforms => prop::sample::select(vec![
            "\"log\"",
            "{ a = \"logit\", \"x y\" = { kind = \"log\", low = -2 } }",
            "{ a = { kind = \"symlog\" } }",
        ])
        .prop_map(str::to_owned)
        .boxed(),
        Kind::Pair { min, max } => (number(min, max), number(min, max))
            .prop_map(|(one, other)| format!("[{:?}, {:?}]", one.min(other), one.max(other)))
            .boxed(),
        Kind::Amount { file, fresh } => {
            let rows = (200..5_000_u32).prop_map(|rows| rows.to_string());
            let other = match (file, fresh) {
                (true, _) => number(Bound::Exclusive(0.0), Bound::Exclusive(0.3)).prop_map(|it| it.to_string()).boxed(),
                (_, true) => Just("\"fresh\"".to_owned()).boxed(),
                _ => Just("1_000".to_owned()).boxed(),
            };
            prop_oneof![rows, other].boxed()
        }
        Kind::Path | Kind::Text(_) | Kind::Parameters => unreachable!("no key of a toy or a CSV file"),
    }
}

/// Specs of all variants; most of them are accepted.
fn spec() -> impl Strategy<Value = Vec<Line>> {
    chosen().prop_flat_map(|chosen| {
        let mut lines = Vec::new();
        for (path, rows) in groups().filter(|(path, _)| is_of_trial(path) && *path != "dataset.format") {
            let row = rows.iter().find(|row| chosen.uses(&row.when, &|_| true) || chosen.uses(&row.when, &|_| false));
            if let Some(row) =
                row.filter(|row| row.kind != Kind::Path && !chosen.lines().iter().any(|(it, _)| *it == path))
                && (path != "dataset.name")
            {
                lines.push(prop::option::weighted(0.2, value(row.kind).prop_map(move |value| (path, value))));
            }
        }
        lines.prop_map(move |drawn| {
            let mut lines: Vec<Line> = chosen.lines().into_iter().chain(drawn.into_iter().flatten()).collect();
            let set: HashSet<_> = lines.iter().map(|(path, _)| *path).collect();
            let in_use = |path: &str| {
                keys::rows(path).is_some_and(|(_, rows)| {
                    rows.iter().any(|row| chosen.uses(&row.when, &|it: &str| set.contains(it)))
                })
            };
            lines.retain(|(path, _)| in_use(path));
            lines
        })
    })
}

/// One way to write a spec down.
#[derive(Clone, Debug)]
struct Layout {
    sections: bool,
    comments: bool,
    space: &'static str,
    line_end: &'static str,
}

fn layout() -> impl Strategy<Value = Layout> {
    let (spaces, ends) =
        (prop::sample::select(vec!["", " ", " \t "]), prop::sample::select(vec!["\n", "\r\n", "\n\n"]));
    (any::<bool>(), any::<bool>(), spaces, ends).prop_map(|(sections, comments, space, line_end)| Layout {
        sections,
        comments,
        space,
        line_end,
    })
}

impl Layout {
    const PLAIN: Self = Self { sections: false, comments: false, space: " ", line_end: "\n" };

    fn write(&self, lines: &[Line]) -> String {
        let Self { space, line_end, .. } = self;
        let comment = if self.comments { " # = [ü\" model.depth = 9" } else { "" };
        let line = |key: &str, value: &str| format!("{space}{key}{space}={space}{value}{comment}{line_end}");
        if !self.sections {
            return lines.iter().map(|(path, value)| line(path, value)).collect();
        }
        let mut text = String::new();
        for section in std::iter::once("").chain(SECTIONS.iter().map(|(section, _)| *section)) {
            let here: Vec<_> = lines.iter().filter(|(path, _)| keys::split(path).0 == section).collect();
            if !section.is_empty() && !here.is_empty() {
                text.push_str(&format!("[{space}{section}{space}]{comment}{line_end}"));
            }
            here.iter().for_each(|(path, value)| text.push_str(&line(keys::split(path).1, value)));
        }
        text
    }
}

/// What is wrong, wherever it stands.
fn messages(problems: &Diagnostics) -> Vec<String> {
    let mut messages: Vec<_> = problems.iter().map(|problem| problem.message.clone()).collect();
    messages.sort();
    messages
}

fn load(folder: &Folder, text: &str, overrides: Overrides) -> Result<Spec, Vec<String>> {
    folder.add("moons.toml", text);
    folder.load(overrides).map(|experiment| experiment.spec).map_err(|problems| messages(&problems))
}

/// Text of the words and signs that specs are made of.
fn soup() -> impl Strategy<Value = String> {
    let mut words: Vec<String> = super::fuzz::words();
    let signs =
        ["=", " = ", "\n", "\r\n", "[", "]", "{", "}", ",", ".", "\"", "'", "\"\"\"", "#", " ", "ä", "\\", "-", "0"];
    words.extend(signs.map(str::to_owned));
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn any_bytes_end_in_diagnostics_in_their_place(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        judge(&Folder::with(bytes).path("moons.toml"), &[], 64);
    }

    #[test]
    fn any_text_of_the_words_of_specs_ends_in_a_plan_or_in_diagnostics_in_their_place(spec in soup(), set in soup()) {
        judge(&Folder::with(spec).path("moons.toml"), &[], 64);
        judge(&Folder::with("[dataset]\nname = \"moons\"\n").path("moons.toml"), &[&set], 64);
    }

    #[test]
    fn a_spec_of_any_variant_resolves_to_one_that_resolves_to_itself(lines in spec(), layout in layout()) {
        let folder = Folder::with(layout.write(&lines));
        judge(&folder.path("moons.toml"), &[], 64);
        if let Ok(found) = folder.load(Overrides::default()) {
            let again = load(&folder, &found.spec.to_toml(), Overrides::default()).expect("a spec");
            prop_assert_eq!(again.to_toml(), found.spec.to_toml());
            prop_assert!(lines.iter().all(|(path, _)| !path.starts_with("dataset.") || found.settings.get(path).is_some()));
        }
    }

    #[test]
    fn neither_order_nor_spaces_comments_or_sections_tell_specs_apart(
        (lines, shuffled) in spec().prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
        layout in layout(),
    ) {
        let folder = Folder::with("");
        let one = load(&folder, &Layout::PLAIN.write(&lines), Overrides::default());
        let other = load(&folder, &layout.write(&shuffled), Overrides::default());
        prop_assert_eq!(one.as_ref().map(spec_hash), other.as_ref().map(spec_hash));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn an_override_is_the_same_edit_of_the_file(
        (base, edit) in (spec(), spec()).prop_flat_map(|(base, edits)| (Just(base), prop::sample::select(edits))),
    ) {
        let (path, value) = &edit;
        let alternative = |other: &str| ALTERNATIVES.iter().any(|pair| *pair == (*path, other) || *pair == (other, *path));
        let mut edited: Vec<_> = base.iter().filter(|(other, _)| other != path && !alternative(other)).cloned().collect();
        edited.push(edit.clone());
        let folder = Folder::with("");
        let set = load(&folder, &Layout::PLAIN.write(&base), Overrides::default().set(format!("{path}={value}")));
        prop_assert_eq!(set, load(&folder, &Layout::PLAIN.write(&edited), Overrides::default()));
    }

    #[test]
    fn what_the_program_accepts_the_schema_accepts(specs in prop::collection::vec((spec(), layout()), 8)) {
        let (folder, validator) = (Folder::with(""), schema::validator());
        for (lines, layout) in specs {
            let text = layout.write(&lines);
            folder.add("moons.toml", &text);
            let verdict = folder.plan(Overrides::default()).map(|_| ());
            prop_assert_eq!(schema::disagreement(&validator, &text, &verdict), None);
        }
    }

    #[test]
    fn a_grid_has_every_combination_once_and_is_the_same_every_time(
        depths in prop::collection::hash_set(1..1_000, 1..5),
        widths in prop::collection::hash_set(1..60_000, 1..5),
        points in 2..6_usize,
        seeds in 1..4_usize,
    ) {
        let text = format!(
            "seeds = {seeds}\n[dataset]\nname = \"moons\"\n[sweep.parameters]\n\"model.depth\" = {:?}\nmodel.width = {:?}\n\
             \"optimizer.learning_rate\" = {{ min = 1e-5, max = 0.1, scale = \"log\", points = {points} }}\n",
            Vec::from_iter(&depths), Vec::from_iter(&widths),
        );
        let folder = Folder::with(text);
        let plan = || folder.plan(Overrides::default()).expect("a plan");
        let first = plan();
        prop_assert_eq!(&first, &plan());
        prop_assert_eq!(first.trials.len(), depths.len() * widths.len() * points * seeds);
        prop_assert_eq!(HashSet::<_>::from_iter(hashes(&first)).len(), depths.len() * widths.len() * points);
    }

    #[test]
    fn draws_lie_in_their_range_and_a_shorter_sweep_is_the_start_of_a_longer_one(
        method in prop::sample::select(vec!["random", "sobol"]),
        scale in prop::sample::select(vec!["linear", "log"]),
        ends in (f64::MIN_POSITIVE / 4.0..10.0, 0.0..1.0_f64),
        trials in 2..20_usize,
        seed in 0..i64::MAX,
    ) {
        let (min, max) = (ends.0 * ends.1.powi(40), ends.0);
        prop_assume!(0.0 < min && min < max);
        let sweep = |trials: usize| format!(
            "[dataset]\nname = \"moons\"\n[sweep]\nmethod = \"{method}\"\ntrials = {trials}\nseed = {seed}\n[sweep.parameters]\n\
             \"optimizer.learning_rate\" = {{ min = {min:?}, max = {max:?}, scale = \"{scale}\" }}\n"
        );
        let (short, long) = (super::plan(&sweep(trials)), super::plan(&sweep(2 * trials)));
        // A range of a few neighbouring numbers has too few for so many trials.
        prop_assume!(long.is_ok());
        let (short, long) = (short.expect("a plan"), long.expect("a plan"));
        prop_assert_eq!(&hashes(&short), &hashes(&long)[..trials]);
        for trial in &long.trials {
            prop_assert!((min..=max).contains(&trial.spec.optimizer.learning_rate));
        }
    }

    #[test]
    fn a_range_of_any_numbers_is_refused_or_gives_what_lies_in_it(
        (min, max, step) in (any::<f64>(), any::<f64>(), any::<f64>()),
        scale in prop::sample::select(vec!["linear", "log"]),
        how in prop::sample::select(vec!["points = 5", "step = 1.0", "step = S", "integer = true, points = 3"]),
    ) {
        let how = how.replace('S', &format!("{step:?}"));
        let text = format!(
            "[dataset]\nname = \"moons\"\n[sweep.parameters]\noptimizer.clip_norm = {{ min = {min:?}, max = {max:?}, scale = \"{scale}\", {how} }}\n"
        );
        judge(&Folder::with(text).path("moons.toml"), &[], 64);
    }
}

fn hashes(plan: &Plan) -> Vec<&str> {
    plan.trials.iter().map(|trial| trial.spec_hash.as_str()).collect()
}

#[test]
fn most_specs_that_are_drawn_are_accepted() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let (mut runner, folder) = (TestRunner::new(config(1)), Folder::with(""));
    let mut draw = || spec().new_tree(&mut runner).expect("a spec").current();
    let accepted =
        (0..200).filter(|_| load(&folder, &Layout::PLAIN.write(&draw()), Overrides::default()).is_ok()).count();
    assert!(accepted > 100, "{accepted} of 200");
}
