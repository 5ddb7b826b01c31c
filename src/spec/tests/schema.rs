//! The schema against the specs: an independent validator must agree with what `load` says.

use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

use super::{Folder, broken, plan};
use crate::spec::keys::in_order;
use crate::spec::{Diagnostics, Overrides, schema};

/// What only the program can tell, by what it says or shows.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("this is not valid TOML", "the file is no TOML"),
    ("not a float", "JSON has one kind of number: 1.0 is a whole one"),
    ("takes a number of rows or a fraction", "JSON has one kind of number: 1.0 is a whole one"),
    ("this integer is out of range", "JSON has no integers of 64 bits"),
    ("must be a finite number", "JSON has no infinity"),
    ("cannot name an experiment: a folder's name has no", "a control character"),
    ("the path of a base starts at", "the file system"),
    ("leads in a circle", "the file system"),
    ("there is no file", "the file system"),
    ("tells no format", "the ends of file names"),
    ("is a folder", "the file system"),
    ("is a file", "the file system"),
    ("has no effect with the format", "the ends of file names"),
    ("every part has a file of its own", "one key against others"),
    ("has no file to take its rows from", "one key against others"),
    ("hold nothing", "one number against another"),
    ("nothing lies between", "one number against another"),
    ("dropped rows would take", "one key against another"),
    ("both bend the values", "one key against another"),
    ("is not in this build", "this build"),
    ("fractions sum to", "sums"),
    ("which `dataset.context` does not", "names in two lists"),
    ("in `dataset.context` and in", "names in two lists"),
    ("`dataset.context` names", "names in two lists"),
    ("`dataset.condition` has no", "a word that needs another key"),
    ("the density is conditional on nothing", "one key against others, and what toys are conditional on"),
    ("no effect beside `dataset.columns`", "one key against another"),
    ("is empty: nothing to learn", "an empty list is fine for `drop`, which is of the same kind"),
    ("fresh rows every step make no epochs", "one key against another"),
    ("is larger than the", "one number against another"),
    ("takes batches of 2 rows or more", "one key against another"),
    ("is longer than the run", "one number against another"),
];

/// The same, of specs with a sweep.
const EXCEPTIONS_IN_SWEEPS: &[(&str, &str)] = &[
    ("this range is empty", "one number against another"),
    ("a logarithmic range starts above 0", "a range's scale against its ends"),
    ("a range of integers has whole", "a range's kind against its ends"),
    ("a grid needs the number of values", "the sweep's method against its ranges"),
    ("only a grid counts the points", "the sweep's method against its ranges"),
    ("takes integers only", "a range's kind against its key"),
    ("steps", "the length of a range"),
    ("same trial twice", "trials against each other"),
    ("different points", "trials against each other"),
    ("no trial is stopped", "one number against another"),
    ("is swept twice", "keys of the sweep against each other"),
    ("stands here twice", "parts of a key of the sweep"),
    ("has no effect", "sweeps may serve some trials only"),
    ("keys swept together take a list of", "the number of keys in a key"),
    ("\"model.depth,model.width\" = [[4, 64], [8, 0]]", "the values of keys swept together"),
    ("has nothing to sweep", "a sweep may stand in a base"),
];

pub(super) fn validator() -> Validator {
    jsonschema::draft7::options().build(&schema()).expect("a schema")
}

/// A spec's text as JSON; `None` where it is no TOML.
fn json(text: &str) -> Option<Value> {
    toml::from_str(text).ok()
}

fn excepted(problems: &Diagnostics, text: &str) -> bool {
    let in_sweeps = if text.contains("sweep") { EXCEPTIONS_IN_SWEEPS } else { &[] };
    let named = |shown: String| EXCEPTIONS.iter().chain(in_sweeps).any(|(words, _)| shown.contains(words));
    problems.iter().all(|problem| named(problem.to_string()))
}

/// What is wrong with the judgement of the schema on `text`; `None` where it agrees with the program's.
pub(super) fn disagreement(validator: &Validator, text: &str, verdict: &Result<(), Diagnostics>) -> Option<String> {
    let found = json(text).and_then(|json| validator.validate(&json).err().map(|error| error.to_string()));
    match (verdict, found) {
        (Ok(()), Some(error)) => Some(format!("{text}\nrefused by the schema alone: {error}")),
        (Err(problems), None) if !excepted(problems, text) => {
            Some(format!("{text}\nrefused by the program alone: {problems}"))
        }
        _ => None,
    }
}

#[test]
fn it_is_a_schema_of_draft_7() {
    jsonschema::draft7::meta::validate(&schema()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn it_describes_every_key() {
    let schema = schema();
    for (path, _) in in_order() {
        let steps = path.split('.').collect::<Vec<_>>().join("/properties/");
        let steps = steps.replace("schedule/", "schedule/anyOf/0/");
        let property = schema.pointer(&format!("/properties/{steps}")).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(property["$ref"], format!("#/definitions/{path}"));
        let key = &schema["definitions"][path];
        assert!(key["description"].as_str().is_some_and(|text| text.contains('.')), "{path}: {key}");
    }
}

#[test]
fn it_accepts_every_shipped_spec() {
    let validator = validator();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let specs: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    let specs: Vec<_> = specs.into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(specs.len() > 10);
    for path in specs {
        let json = json(&std::fs::read_to_string(&path).expect("text")).expect("TOML");
        validator.validate(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Values of all kinds; which of them a key takes is for program and schema to say, and to agree on.
const VALUES: &[&str] = &[
    "true",
    "\"true\"",
    "-1",
    "0",
    "1",
    "2",
    "3",
    "70000",
    "2000000000",
    "0.0",
    "0.05",
    "0.5",
    "0.95",
    "1.0",
    "1.5",
    "11.0",
    "1e3",
    "-0.5",
    "inf",
    "nan",
    "\"\"",
    "\"x\"",
    "\"a/b\"",
    "\"fresh\"",
    "\"moons\"",
    "\"circles\"",
    "\"mixture-1d\"",
    "\"data.csv\"",
    "\"csv\"",
    "\"half\"",
    "\"checkerboard\"",
    "\"tanh\"",
    "\"affine\"",
    "\"sgd\"",
    "\"rmsprop\"",
    "\"step\"",
    "\"constant\"",
    "\"composed\"",
    "\"cpu\"",
    "\"cuda\"",
    "\"cuda:1\"",
    "\"gpu\"",
    "\"grid\"",
    "\"random\"",
    "[]",
    "[0]",
    "[0, 0]",
    "[0, 1]",
    "[0.5, 0.9]",
    "[0.5, 1.0]",
    "[0.5, \"a\"]",
    "[\"a\"]",
    "[\"a\", \"a\"]",
    "[\"\"]",
    "{}",
    "{ name = \"step\" }",
    "1979-05-27",
];

const BASES: &[&[&str]] = &[
    &["dataset.name = \"moons\""],
    &["dataset.name = \"mixture-1d\"", "optimizer.name = \"sgd\"", "optimizer.schedule = \"step\""],
    &["dataset.path = \"data.csv\"", "optimizer.name = \"rmsprop\"", "optimizer.schedule.name = \"step\""],
    &["dataset.name = \"checkerboard\"", "optimizer.name = \"adamw\"", "training.epochs = 3"],
];

/// `base` with one more key, which replaces the one it has.
fn with(base: &[&str], path: &str, value: &str) -> String {
    let others = base.iter().filter(|line| !line.starts_with(&format!("{path} ")));
    others.map(|line| format!("{line}\n")).chain([format!("{path} = {value}\n")]).collect()
}

#[test]
fn it_agrees_with_the_program_on_every_value_of_every_key() {
    let validator = validator();
    let folder = Folder::with("");
    let (mut accepted, mut wrong) = (0, Vec::new());
    let sections = ["optimizer.schedule", "model", "dataset", "banana", "model.banana", "sweep.banana"];
    for path in in_order().map(|(path, _)| path).chain(sections) {
        for (base, value) in BASES.iter().flat_map(|base| VALUES.iter().map(move |value| (base, value))) {
            let text = with(base, path, value);
            if toml::from_str::<toml::Table>(&text).is_err() {
                continue;
            }
            folder.add("moons.toml", &text);
            let verdict = folder.plan(Overrides::default()).map(|_| accepted += 1);
            wrong.extend(disagreement(&validator, &text, &verdict));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n\n"));
    assert!(accepted > 500, "{accepted}");
}

#[test]
fn it_refuses_every_broken_spec_or_the_reason_is_an_exception() {
    let validator = validator();
    let wrong: Vec<_> =
        broken::texts().iter().filter_map(|text| disagreement(&validator, text, &plan(text).map(|_| ()))).collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn it_takes_sweeps_as_users_write_them() {
    let cases = [
        "\"model.depth\" = [4, 8]",
        "model.depth = [4, 8]",
        "\"model.depth, model.width\" = [[4, 64], [8, 128]]",
        "\"optimizer.schedule\" = [\"constant\", \"cosine\"]",
        "optimizer.schedule = [\"constant\", \"cosine\"]",
        "optimizer.schedule.name = [\"constant\", \"cosine\"]",
        "\"optimizer.learning_rate\" = { min = 1e-4, max = 1e-2, scale = \"log\", points = 3 }",
        "\"dataset.name\" = [\"moons\", \"checkerboard\"]",
        "\"model.mask\" = [\"half\", \"randm\"]",
        "\"model.depth\" = [4, 0]",
        "\"model.depth\" = { min = 1, max = 9, step = 1, points = 2 }",
        "\"sweep.seed\" = [1, 2]",
        "\"seeds\" = [1, 2]",
        "\"model.banana\" = [1]",
        "\"model.depth,model.banana\" = [[1, 2]]",
        "model.banana = [1]",
    ];
    let validator = validator();
    let mut accepted = 0;
    for case in cases {
        let text = format!("[dataset]\nname = \"moons\"\n[sweep.parameters]\n{case}\n");
        let verdict = plan(&text).map(|_| accepted += 1);
        assert_eq!(disagreement(&validator, &text, &verdict), None, "{case}");
    }
    assert_eq!(accepted, 8);
}
