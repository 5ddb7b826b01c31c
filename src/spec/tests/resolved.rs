//! What a spec resolves to, and that it says so when it is written down.

use super::Folder;
use crate::plan::spec_hash;
use crate::spec::keys::{Fallback, groups, is_of_trial};
use crate::spec::resolve::resolve;
use crate::spec::source::{Place, Source};
use crate::spec::{Amount, Diagnostics, Overrides, ScheduleName, Spec};
use crate::toys::TOYS;

/// One spec of every variant.
const VARIANTS: &[&str] = &[
    "[dataset]\nname = \"moons\"",
    "[dataset]\nname = \"circles\"\ntrain = \"fresh\"\nstandardize = false",
    "[dataset]\nname = \"8gaussians\"\n[optimizer]\nname = \"adamw\"\nbetas = [0, 0.5]",
    "[dataset]\nname = \"checkerboard\"\n[optimizer]\nname = \"sgd\"\nschedule = \"constant\"",
    "[dataset]\nname = \"mixture-1d\"\nweight = 1",
    "[dataset]\nname = \"crescent\"",
    "[dataset]\nname = \"student-t\"\n[model]\nbase = \"student-t\"",
    "[dataset]\nname = \"moons\"\n[model]\nbase = \"student-t\"\ndegrees_of_freedom = \"learned\"",
    "seeds = 4\n[dataset]\nname = \"moons\"\n[optimizer]\nname = \"rmsprop\"\nschedule = \"step\"\n[training]\nepochs = 7",
    "[dataset]\nname = \"moons\"\ntrain = 90\n[training]\nsteps = 20\nkernel = \"composed\"\n[model]\nmask = \"random\"",
    "[dataset]\npath = \"data.csv\"",
    "[dataset]\npath = \"data.csv\"\nformat = \"csv\"\ncolumns = [\"a\"]\ntrain = 500\ntest = 0.25\ndequantize = 1",
    "[dataset]\npath = \"data.csv\"\ntransform = \"symlog\"",
    "[dataset]\npath = \"data.csv\"\ntransform = { a = \"log\", \"b c\" = { kind = \"symlog\", scale = 2 } }\nseed = 2",
    "[dataset]\npath = \"data.csv\"\ndrop = [\"b\"]\n[training]\nepochs = 2",
];

fn resolved(text: &str) -> (Folder, Spec) {
    let folder = Folder::with(text);
    let spec = folder.load(Overrides::default()).unwrap_or_else(|problems| panic!("{text}\n{problems}")).spec;
    (folder, spec)
}

#[test]
fn a_resolved_spec_of_every_variant_loads_again_as_itself() {
    for text in VARIANTS {
        let (_data, mut spec) = resolved(text);
        let written = spec.to_toml();
        let (_elsewhere, mut again) = resolved(&written);
        assert_eq!(written, again.to_toml(), "{text}");
        // From another folder only the absolute path finds the file.
        spec.dataset.path = spec.dataset.path.as_deref().map(|path| spec.find(path));
        again.folder = spec.folder.clone();
        assert_eq!(spec, again, "{text}");
        assert_eq!(spec_hash(&spec), spec_hash(&again));
    }
}

#[test]
fn only_a_dataset_is_required_and_every_default_is_filled_in() {
    let (folder, spec) = resolved("[dataset]\nname = \"moons\"");
    assert_eq!((spec.name.as_str(), spec.seeds.as_slice()), ("moons", [0].as_slice()));
    assert_eq!(spec.folder, folder.path("moons.toml").parent().expect("a folder"));
    let expected = (Amount::Rows(20_000), Amount::Rows(5_000), Amount::Rows(20_000));
    assert_eq!((spec.dataset.train, spec.dataset.validation, spec.dataset.test), expected);
    assert_eq!(spec.dataset.parameters["noise"], 0.05);
    assert_eq!((spec.optimizer.betas, spec.optimizer.epsilon), (Some([0.9, 0.999]), Some(1e-8)));
    assert_eq!((spec.optimizer.schedule.name, spec.optimizer.schedule.warmup), (ScheduleName::Cosine, 100));
    assert_eq!((spec.training.steps, spec.training.epochs), (Some(5_000), None));
    let (_, file) = resolved("[dataset]\npath = \"data.csv\"");
    let expected = (Amount::Fraction(0.8), Amount::Fraction(0.1), Amount::Fraction(0.1));
    assert_eq!((file.dataset.train, file.dataset.validation, file.dataset.test), expected);
}

#[test]
fn defaults_differ_by_optimizer_and_keys_it_does_not_use_stay_out() {
    let of = |name: &str| resolved(&format!("[dataset]\nname = \"moons\"\n[optimizer]\nname = \"{name}\"")).1.optimizer;
    assert_eq!((of("adam").weight_decay, of("adamw").weight_decay), (0.0, 0.01));
    assert_eq!((of("sgd").momentum, of("rmsprop").momentum, of("adam").momentum), (Some(0.9), Some(0.0), None));
    assert_eq!((of("sgd").betas, of("sgd").epsilon, of("rmsprop").alpha), (None, None, Some(0.99)));
}

#[test]
fn epochs_become_steps_of_whole_batches() {
    let (_, spec) = resolved("[dataset]\nname = \"moons\"\n[training]\nepochs = 3\nbatch_size = 100");
    assert_eq!(spec.total_steps(250), 6);
    // A batch that the rows cannot fill is all of them.
    assert_eq!(spec.total_steps(99), 3);
    let (_, spec) = resolved("[dataset]\nname = \"moons\"\n[training]\nsteps = 300");
    assert_eq!(spec.total_steps(1), 300);
}

#[test]
fn a_data_file_is_found_beside_the_spec_or_else_in_the_working_directory() {
    let (folder, spec) = resolved("[dataset]\npath = \"data.csv\"");
    assert_eq!(spec.find("data.csv".as_ref()), folder.path("data.csv"));
    // Tests run in the folder of Cargo.toml.
    let (_, spec) = resolved("[dataset]\npath = \"Cargo.toml\"\nformat = \"csv\"");
    assert_eq!(spec.find("Cargo.toml".as_ref()), std::path::Path::new("Cargo.toml"));
}

#[test]
fn a_warning_does_not_stop_a_spec() {
    let text = "[dataset]\nname = \"moons\"\n[training]\nsteps = 100\nevaluate_every = 50\npatience = 2\n";
    let warnings = Folder::with(text).load(Overrides::default()).expect("a warning only").warnings;
    assert_eq!((warnings.len(), warnings[0].line), (1, 6));
    assert!(warnings[0].to_string().starts_with("warning: early stopping can never act"), "{}", warnings[0]);
}

/// For every key, settings that make its variant, and another value than its default there.
const OTHER_VALUES: &[(&str, &[&str], &str)] = &[
    ("device", &[], "cuda:1"),
    ("dataset.name", &[], "circles"),
    ("dataset.path", &[], "data.csv"),
    ("dataset.format", &["dataset.path=data.csv"], "csv"),
    ("dataset.columns", &["dataset.path=data.csv"], "['a']"),
    ("dataset.drop", &["dataset.path=data.csv"], "['a']"),
    ("dataset.key", &["dataset.path=data.csv", "dataset.format=npz"], "x"),
    ("dataset.header", &["dataset.path=data.csv"], "true"),
    ("dataset.delimiter", &["dataset.path=data.csv"], "';'"),
    ("dataset.decimal", &["dataset.path=data.csv"], "','"),
    ("dataset.label", &["dataset.path=data.csv"], "-1"),
    ("dataset.context", &["dataset.path=data.csv"], "['a']"),
    ("dataset.categories", &["dataset.path=data.csv", "dataset.context=['a', 'b']"], "['a']"),
    ("dataset.condition", &["dataset.path=data.csv", "dataset.label=-1"], "true"),
    ("dataset.condition", &["dataset.name=moons"], "true"),
    ("dataset.affine", &[], "true"),
    ("dataset.missing", &["dataset.path=data.csv"], "drop"),
    ("dataset.duplicates", &["dataset.path=data.csv"], "drop"),
    ("dataset.rows", &["dataset.path=data.csv"], "7"),
    ("dataset.dequantize", &["dataset.path=data.csv"], "[1.0, 0.5]"),
    ("dataset.logit", &["dataset.path=data.csv"], "1e-6"),
    ("dataset.bounds", &["dataset.path=data.csv", "dataset.logit=0.1"], "[0, 2]"),
    ("dataset.crop", &["dataset.path=data.csv"], "[3, 4]"),
    ("dataset.resize", &["dataset.path=data.csv"], "[3, 4]"),
    ("dataset.standardize_by", &["dataset.path=data.csv"], "'channel'"),
    ("dataset.augment", &["dataset.path=data.csv"], "['flip']"),
    ("dataset.transform", &["dataset.path=data.csv"], "{ a = 'log' }"),
    ("dataset.train", &[], "fresh"),
    ("dataset.validation", &[], "77"),
    ("dataset.test", &[], "77"),
    ("dataset.seed", &[], "1"),
    ("dataset.standardize", &[], "false"),
    ("model.network", &[], "residual"),
    ("model.blocks", &["model.network=residual"], "3"),
    ("model.dropout", &[], "0.1"),
    ("model.joint", &["model.coupling=affine"], "true"),
    ("model.bins", &["model.coupling=spline"], "16"),
    ("model.tail_bound", &["model.coupling=spline"], "3.0"),
    ("model.scales", &["model.mask=multiscale"], "3"),
    ("model.network_batch_norm", &["model.mask=multiscale", "model.network=conv"], "true"),
    ("model.network_weight_norm", &["model.mask=multiscale", "model.network=conv"], "true"),
    ("model.widen", &["model.mask=multiscale", "model.network=conv"], "true"),
    ("model.kept", &["model.coupling=spline"], "spline"),
    ("model.mask", &[], "half"),
    ("model.depth", &[], "3"),
    ("model.width", &[], "33"),
    ("model.hidden_layers", &[], "1"),
    ("model.activation", &[], "tanh"),
    ("model.coupling", &[], "additive"),
    ("model.scale", &["model.coupling=affine"], "atan"),
    ("model.mixing", &[], "reverse"),
    ("model.normalization", &[], "batch"),
    ("model.base", &[], "student-t"),
    ("model.conditional_base", &["dataset.condition=true"], "true"),
    ("model.degrees_of_freedom", &["model.base=student-t"], "learned"),
    ("optimizer.name", &[], "adamw"),
    ("optimizer.learning_rate", &[], "0.5"),
    ("optimizer.weight_decay", &[], "0.5"),
    ("optimizer.clip_norm", &[], "0.0"),
    ("optimizer.betas", &[], "[0.9, 0.99]"),
    ("optimizer.epsilon", &[], "1e-6"),
    ("optimizer.momentum", &["optimizer.name=sgd"], "0.5"),
    ("optimizer.alpha", &["optimizer.name=rmsprop"], "0.5"),
    ("optimizer.schedule.name", &[], "constant"),
    ("optimizer.schedule.warmup", &[], "7"),
    ("optimizer.schedule.every", &["optimizer.schedule=step"], "7"),
    ("optimizer.schedule.factor", &["optimizer.schedule=step"], "0.25"),
    ("training.batch_size", &[], "7"),
    ("training.steps", &[], "4_000"),
    ("training.epochs", &[], "7"),
    ("training.evaluate_every", &[], "7"),
    ("training.log_every", &[], "7"),
    ("training.patience", &[], "7"),
    ("training.ema", &[], "0.99"),
    ("training.kernel", &[], "composed"),
    ("training.precision", &[], "tf32"),
];

/// What a spec of overrides alone resolves to, also where this build has no such device.
fn resolved_anywhere(folder: &Folder, overrides: Overrides) -> Spec {
    let mut problems = Vec::new();
    let layer = overrides.read(0, &mut problems);
    let home = Place::start_of(&Source::new("moons.toml", "", 0));
    let found = resolve(&layer.settings, &home, &folder.path(""), "moons");
    problems.extend(found.problems);
    problems.extend(found.unused.into_iter().map(|(_, problem)| problem));
    problems.extend(found.conflicts.into_iter().filter(|problem| !problem.message.contains("is not in this build")));
    let problems = Diagnostics::new(problems);
    assert!(!problems.has_errors(), "{problems}");
    found.spec.expect("a spec")
}

/// For a toy's parameter, the setting that makes its first toy, and another value than its default there.
fn toy_parameter(path: &str) -> Option<(String, String)> {
    let name = path.strip_prefix("dataset.")?;
    let (toy, parameter) =
        TOYS.iter().flat_map(|toy| toy.parameters.iter().map(move |p| (toy, p))).find(|(_, p)| p.name == name)?;
    let other = 0.5 * (parameter.default + parameter.minimum);
    Some((format!("dataset.name={}", toy.name), other.to_string()))
}

#[test]
fn every_key_changes_the_hash_and_every_default_written_out_does_not() {
    let folder = Folder::with("");
    let hash = |overrides: Overrides| spec_hash(&resolved_anywhere(&folder, overrides));
    for (path, rows) in groups().filter(|(path, _)| is_of_trial(path) && !matches!(*path, "name" | "extends" | "seeds"))
    {
        if rows.iter().all(|row| row.kind.choices().is_some_and(|words| words.len() == 1)) {
            // There is nothing else to choose yet.
            continue;
        }
        let of_toy = toy_parameter(path);
        let of_table = OTHER_VALUES.iter().find(|(known, ..)| *known == path);
        let (variant, value) = match (&of_toy, of_table) {
            (Some((toy, value)), _) => (vec![toy.as_str()], value.as_str()),
            (None, Some((_, variant, value))) => (variant.to_vec(), *value),
            (None, None) => panic!("{path} is not tested"),
        };
        let base = variant.iter().fold(Overrides::default().set("dataset.name=moons"), |all, text| all.set(*text));
        let reference = hash(base.clone());
        assert_ne!(reference, hash(base.clone().set(format!("{path}={value}"))), "{path}");
        if let (Fallback::Value(default), 1) = (rows[0].default, rows.len()) {
            assert_eq!(reference, hash(base.set(format!("{path}={default}"))), "{path}");
        }
    }
    let moons = || Overrides::default().set("dataset.name=moons");
    assert_eq!(hash(moons()), hash(moons().set("name=other")), "a name is no part of what is computed");
    assert_eq!(hash(moons()), hash(moons().seeds(Some("5".to_owned()))), "nor are the seeds of other runs");
}

#[test]
fn every_toy_ships_with_a_spec_of_its_name() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    for entry in TOYS {
        let path = folder.join(entry.name).with_extension("toml");
        let experiments =
            crate::spec::load(&[path], Overrides::default()).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(experiments[0].spec.dataset.name.as_deref(), Some(entry.name));
        assert!(experiments[0].warnings.is_empty(), "{}: {:?}", entry.name, experiments[0].warnings);
    }
}
