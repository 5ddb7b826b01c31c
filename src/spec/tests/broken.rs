//! Broken specs, each with where it is broken and what is said about it.

use super::{Folder, plan, shown};
use crate::spec::{Overrides, load};

const MOONS: &str = "[dataset]\nname = \"moons\"\n";

/// Text below `[dataset] name = "moons"` (so that its first line is line 3), place, parts of what is said.
const BELOW_MOONS: &[(&str, &str, &[&str])] = &[
    // Keys that no spec has.
    ("[model]\nwdith = 3", "4:1", &["unknown key `wdith` in `[model]`", "did you mean `width`?"]),
    ("[modle]\ndepth = 3", "3:2", &["unknown key `modle`", "did you mean `model`?"]),
    ("depth = 4", "3:1", &["unknown key `depth` in `[dataset]`", "did you mean `model.depth`?"]),
    ("[optimizer]\nlearningrate = 1", "4:1", &["did you mean `learning_rate`?"]),
    ("[optimizer.schedule]\nwarmpu = 1", "4:1", &["did you mean `warmup`?"]),
    ("[optimizer]\nschedule = { name = \"cosine\", warmpu = 1 }", "4:31", &["did you mean `warmup`?"]),
    ("[training]\nbanana = 1", "4:1", &["unknown key `banana`", "`batch_size`, `steps`"]),
    ("[optimizer]\nschedule.nmae = \"cosine\"", "4:10", &["unknown key `nmae`", "did you mean `name`?"]),
    // Wrong types.
    ("[model]\ndepth = \"4\"", "4:9", &["`model.depth` takes an integer from 1 to 1024, not a string"]),
    ("[model]\ndepth = true", "4:9", &["`model.depth` takes an integer", "not a boolean"]),
    ("[model]\ndepth = 4.0", "4:9", &["not a float", "write it without a point or an exponent: `4`"]),
    ("[model]\nbatch_norm = 1", "4:14", &["takes `true` or `false`, not an integer"]),
    ("[model]\nbatch_norm = \"true\"", "4:14", &["not a string", "without quotes"]),
    ("[model]\nmask = 1", "4:8", &["takes one of", "not an integer"]),
    ("[optimizer]\nlearning_rate = \"1e-3\"", "4:17", &["takes a number above 0 and at most 10, not a string"]),
    ("[optimizer]\nbetas = [0.9]", "4:9", &["takes a list of two numbers"]),
    ("[optimizer]\nbetas = [0.9, \"x\"]", "4:15", &["not a string"]),
    ("[optimizer]\nschedule = 3", "4:12", &["takes a table or a name, not an integer"]),
    ("[[model]]\ndepth = 3", "3:1", &["`model` takes a table, not a list"]),
    ("seed = 1979-05-27", "3:8", &["not a date or time"]),
    ("[training]\nsteps = { a = 1 }", "4:9", &["not a table"]),
    // Values out of range.
    ("[model]\ndepth = 0", "4:9", &["0 is out of range: `model.depth` takes an integer from 1 to 1024"]),
    ("[model]\nwidth = -5", "4:9", &["-5 is out of range"]),
    ("[model]\nwidth = 99999999999999999999", "4:9", &["this integer is out of range"]),
    ("[optimizer]\nlearning_rate = 0", "4:17", &["0 is out of range"]),
    ("[optimizer]\nlearning_rate = inf", "4:17", &["must be a finite number"]),
    ("[optimizer]\nclip_norm = nan", "4:13", &["must be a finite number"]),
    ("[optimizer]\nclip_norm = 1e999", "4:13", &["must be a finite number"]),
    ("[optimizer]\nbetas = [0.9, 1.0]", "4:15", &["1 is out of range", "below 1"]),
    (
        "noise = 0",
        "3:9",
        &["0 is out of range: `dataset.noise` takes a number of at least 0.01 and at most 10", "no density"],
    ),
    ("noise = 10.5", "3:9", &["10.5 is out of range", "hides the shape"]),
    ("noise = \"x\"", "3:9", &["takes a number", "not a string"]),
    ("[sweep.parameters]\n\"dataset.noise\" = [0.1, 1e-3]", "4:25", &["0.001 is out of range", "no density"]),
    ("train = 0", "3:9", &["0 is out of range"]),
    ("train = 0.8", "3:9", &["a number of rows or \"fresh\", not a float", "fractions are for files"]),
    ("test = \"fresh\"", "3:8", &["new rows every step are for the training part"]),
    // Words that are none of the choices.
    ("[model]\nmask = \"alternatng\"", "4:8", &["unknown mask `alternatng`", "did you mean `alternating`?"]),
    ("[model]\nmask = \"checkerboard\"", "4:8", &["needs image data"]),
    ("[model]\nmask = \"channel\"", "4:8", &["needs image data"]),
    ("[optimizer]\nname = \"adan\"", "4:8", &["unknown optimizer `adan`", "did you mean `adam`?"]),
    ("[optimizer]\nschedule = \"cosin\"", "4:12", &["unknown schedule `cosin`", "did you mean `cosine`?"]),
    ("[training]\nkernel = \"fast\"", "4:10", &["unknown kernel `fast`", "expected one of `fused`, `composed`"]),
    // Keys without effect.
    (
        "[optimizer]\nmomentum = 0.9",
        "4:1",
        &["no effect with `optimizer.name = \"adam\"`", "it is for `sgd`, `rmsprop`"],
    ),
    ("[optimizer]\nname = \"sgd\"\nepsilon = 1e-8", "5:1", &["no effect with `optimizer.name = \"sgd\"`"]),
    (
        "[optimizer]\nschedule = { every = 5 }",
        "4:14",
        &["no effect with `optimizer.schedule.name = \"cosine\"`", "`step`"],
    ),
    ("columns = [\"a\"]", "3:1", &["no effect on a toy: it is for files"]),
    ("dequantize = 1", "3:1", &["no effect on a toy"]),
    // Values that do not go together.
    ("path = \"data.csv\"", "3:1", &["both `dataset.name` and `dataset.path` are set", "keep one"]),
    ("[training]\nsteps = 5\nepochs = 5", "4:1", &["both `training.epochs` and `training.steps` are set"]),
    (
        "train = 100\n[training]\nbatch_size = 101",
        "5:14",
        &["a batch of 101 rows is larger than the 100 training rows"],
    ),
    ("train = \"fresh\"\n[training]\nepochs = 3", "5:10", &["fresh rows every step make no epochs"]),
    ("[optimizer.schedule]\nwarmup = 5001", "4:10", &["a warm-up of 5001 steps is longer than the run of 5000"]),
    (
        "train = 100\n[training]\nbatch_size = 30\nepochs = 5\n[optimizer.schedule]\nwarmup = 16",
        "8:10",
        &["longer than the run of 15"],
    ),
    // The sweep.
    ("[sweep]", "3:2", &["`[sweep]` has nothing to sweep"]),
    (
        "[sweep.parameters]\n\"model.detph\" = [1, 2]",
        "4:1",
        &["unknown key `model.detph`", "did you mean `model.depth`?"],
    ),
    ("[sweep.parameters]\ndepth = [1, 2]", "4:1", &["unknown key `depth`", "did you mean `model.depth`?"]),
    ("[sweep.parameters]\n\"model.depth\" = [4, 0, 8]", "4:21", &["0 is out of range"]),
    ("[sweep.parameters]\n\"model.depth\" = [4, \"x\"]", "4:21", &["not a string"]),
    ("[sweep.parameters]\n\"model.depth\" = []", "4:17", &["an empty list"]),
    ("[sweep.parameters]\n\"model.depth\" = 4", "4:17", &["takes a list or a range, not an integer"]),
    ("[sweep.parameters]\n\"model.mask\" = [\"half\", \"randm\"]", "4:25", &["did you mean `random`?"]),
    ("[sweep.parameters]\n\"seeds\" = [1, 2]", "4:1", &["`seeds` cannot be swept"]),
    ("[sweep.parameters]\n\"model.depth,model.wdith\" = [[4, 64]]", "4:14", &["did you mean `model.width`?"]),
    ("[sweep.parameters]\n\"model.depth,model.width\" = [[4, 64], [8]]", "4:39", &["a list of 2 values"]),
    ("[sweep.parameters]\n\"model.depth,model.width\" = [[4, 64], [8, 0]]", "4:43", &["0 is out of range"]),
    ("[sweep.parameters]\n\"model.depth\" = [1, 2]\n\"model.depth,model.width\" = [[4, 64]]", "5:2", &["swept twice"]),
    (
        "[sweep]\ntrials = 3\n[sweep.parameters]\n\"model.depth\" = [1, 2]",
        "4:1",
        &["no effect with `sweep.method = \"grid\"`"],
    ),
    (
        "[sweep]\nmethod = \"random\"\n[sweep.parameters]\n\"model.depth\" = [1, 2]",
        "3:2",
        &["`sweep.trials` is missing"],
    ),
    ("[sweep]\nmethod = \"bayes\"\n[sweep.parameters]\n\"model.depth\" = [1, 2]", "4:10", &["unknown method `bayes`"]),
    ("[sweep.parameters]\n\"model.depth\" = { min = 1, max = 4 }", "4:17", &["a grid needs the number of values"]),
    ("[sweep.parameters]\n\"model.depth\" = { min = 4, max = 1, step = 1 }", "4:34", &["this range is empty"]),
    ("[sweep.parameters]\n\"model.depth\" = { min = 1, max = 9000, step = 1 }", "4:34", &["9000 is out of range"]),
    (
        "[sweep.parameters]\n\"model.depth\" = { min = 1, mx = 9, step = 1 }",
        "4:28",
        &["unknown key `mx`", "did you mean `max`?"],
    ),
    (
        "[sweep.parameters]\n\"optimizer.weight_decay\" = { min = 0, max = 1, scale = \"log\", points = 3 }",
        "4:36",
        &["starts above 0"],
    ),
    ("[sweep.parameters]\n\"model.mask\" = { min = 0, max = 1, points = 3 }", "4:16", &["so it has no range"]),
    (
        "[sweep.parameters]\n\"model.depth\" = [4, 8, 4]",
        "4:24",
        &["same trial twice: model.depth = 4", "repeated value"],
    ),
    ("[sweep.parameters]\n\"optimizer.momentum\" = [0.1, 0.2]", "4:1", &["no effect with `optimizer.name = \"adam\"`"]),
    (
        "[sweep.parameters]\n\"training.batch_size\" = [64, 30000]",
        "4:30",
        &["a batch of 30000 rows is larger than the 20000"],
    ),
    (
        "[sweep]\nmethod = \"random\"\ntrials = 3\n[sweep.parameters]\n\"model.depth\" = [1, 2]",
        "3:2",
        &["found 2 different points"],
    ),
    (
        "[sweep.parameters]\n\"optimizer.learning_rate\" = { min = 0.1, max = 1, step = 1e-300 }",
        "4:29",
        &["more than 65536 steps"],
    ),
    // TOML itself.
    ("[model\ndepth = 4", "3:7", &["this is not valid TOML"]),
    ("[model]\ndepth = ", "4:9", &["this is not valid TOML"]),
    ("[model]\ndepth = 4\ndepth = 5", "5:1", &["this is not valid TOML: duplicate key"]),
];

/// Whole texts.
const WHOLE: &[(&str, &str, &[&str])] = &[
    ("", "1:1", &["`[dataset]` is missing", "name = \"moons\""]),
    ("seeds = 3", "1:1", &["`[dataset]` is missing"]),
    ("[dataset]\nseed = 3", "1:2", &["names no data: neither `name` nor `path`"]),
    ("dataset = \"moons\"", "1:11", &["`dataset` takes a table, not a string", "write `[dataset]`"]),
    ("[dataset]\nname = \"moon\"", "2:8", &["unknown dataset `moon`", "did you mean `moons`?"]),
    ("[dataset]\nname = \"line\"", "2:8", &["is not offered: all its points lie on the line y = x", "`moons`"]),
    ("[dataset]\nname = \"cos\"", "2:8", &["is not offered", "no density in the plane"]),
    ("[dataset]\nname = \"pinwheel\"\nnoise = 0.5", "3:9", &["0.5 is out of range", "fold over themselves"]),
    ("[dataset]\nname = \"mixture-1d\"\nweight = -1", "3:10", &["-1 is out of range", "it is a probability"]),
    ("[dataset]\nname = \"checkerboard\"\nnoise = 1", "3:1", &["no effect with `dataset.name = \"checkerboard\"`"]),
    ("[dataset]\npath = \"data.csv\"\nnoise = 1", "3:1", &["`dataset.noise` has no effect on a file"]),
    ("[dataset]\npath = \"nowhere.csv\"", "2:8", &["there is no file `nowhere.csv`", "relative path"]),
    ("[dataset]\npath = \"moons.toml\"", "2:8", &["tells no format", "dataset.format"]),
    ("[dataset]\npath = \".\"\nformat = \"csv\"", "2:8", &["is a folder"]),
    ("[dataset]\npath = \"data.csv\"\ntrain = \"fresh\"", "3:9", &["a number of rows or a fraction", "part of a toy"]),
    ("[dataset]\npath = \"data.csv\"\ntrain = 0.95", "3:9", &["fractions sum to 1.1500"]),
    ("[dataset]\npath = \"data.csv\"\ntrain = 1.5", "3:9", &["1.5 is out of range"]),
    ("[dataset]\npath = \"data.csv\"\ncolumns = [\"a\", \"a\"]", "3:17", &["`a` stands here twice"]),
    ("[dataset]\npath = \"data.csv\"\ncolumns = []", "3:11", &["is empty: nothing to learn"]),
    (
        "[dataset]\npath = \"data.csv\"\ncolumns = [\"a\"]\ndrop = [\"b\"]",
        "4:8",
        &["no effect beside `dataset.columns`"],
    ),
    ("[dataset]\npath = \"data.csv\"\ndrop = [3]", "3:9", &["not an integer in it"]),
    ("[dataset]\npath = \"data.csv\"\nformat = \"cvs\"", "3:10", &["did you mean `csv`?"]),
    ("seeds = []\n[dataset]\nname = \"moons\"", "1:9", &["`seeds` is empty"]),
    ("seeds = [0, 1, 0]\n[dataset]\nname = \"moons\"", "1:16", &["seed 0 stands here twice"]),
    ("seeds = 0\n[dataset]\nname = \"moons\"", "1:9", &["is not a number of seeds"]),
    ("seeds = [-1]\n[dataset]\nname = \"moons\"", "1:10", &["-1 is out of range"]),
    ("name = \"a/b\"\n[dataset]\nname = \"moons\"", "1:8", &["cannot name an experiment", "'/'"]),
    ("name = \"..\"\n[dataset]\nname = \"moons\"", "1:8", &["cannot name an experiment"]),
    ("name = \"\"\n[dataset]\nname = \"moons\"", "1:8", &["it is empty"]),
    ("device = \"gpu\"\n[dataset]\nname = \"moons\"", "1:10", &["unknown device `gpu`", "did you mean `cpu`?"]),
    ("device = \"cuda:x\"\n[dataset]\nname = \"moons\"", "1:10", &["no device number"]),
];

/// The texts of all of them.
pub(super) fn texts() -> Vec<String> {
    let below = BELOW_MOONS.iter().map(|(text, ..)| format!("{MOONS}{text}\n"));
    below.chain(WHOLE.iter().map(|(text, ..)| (*text).to_owned())).collect()
}

#[test]
fn every_broken_spec_is_pointed_at_where_it_is_broken() {
    let below = BELOW_MOONS.iter().map(|(text, place, parts)| (format!("{MOONS}{text}\n"), place, parts));
    let whole = WHOLE.iter().map(|(text, place, parts)| ((*text).to_owned(), place, parts));
    let mut wrong = Vec::new();
    for (text, place, parts) in below.chain(whole) {
        let found = match plan(&text) {
            Ok(_) => vec!["nothing wrong".to_owned()],
            Err(problems) => shown(&problems),
        };
        let as_expected =
            found[0].starts_with(&format!("{place} ")) && parts.iter().all(|part| found[0].contains(part));
        if !as_expected || found.len() != 1 {
            wrong.push(format!("{text}\nexpected {place} {parts:?}\n     got {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn five_typos_in_one_file_give_five_diagnostics_with_suggestions() {
    let text = "sedes = [1]\n\n[dataset]\nname = \"mons\"\n\n[model]\nwdith = 4\nmask = \"haf\"\n\n[training]\nbatchsize = 5\n";
    let folder = Folder::with(text);
    let problems = folder.load(Overrides::default()).expect_err("five typos");
    let places: Vec<_> = problems.iter().map(|d| (d.line, d.column, d.help.as_deref().unwrap_or_default())).collect();
    let expected = [
        (1, 1, "did you mean `seeds`?"),
        (4, 8, "did you mean `moons`?"),
        (7, 1, "did you mean `width`?"),
        (8, 8, "did you mean `half`?"),
        (11, 1, "did you mean `batch_size`?"),
    ];
    assert_eq!(places, expected);
    let text = problems.to_string();
    for (line, column, help) in expected {
        let place = format!("{}:{line}:{column}", folder.path("moons.toml").display());
        assert!(text.contains(&place) && text.contains(help), "{text}");
    }
}

#[test]
fn all_files_and_overrides_are_reported_in_one_pass_in_source_order() {
    let folder = Folder::with("[dataset]\nname = \"moons\"\n[model]\ndepht = 1\n");
    let second = folder.add("circles.toml", "[dataset]\nname = \"circles\"\n[training]\nsteps = 0\n");
    let paths = [folder.path("moons.toml"), folder.path("gone.toml"), second];
    let overrides = Overrides::default().set("model.witdh=3").set("optimizer.name=adm");
    let problems = load(&paths, overrides).expect_err("five problems");
    let found: Vec<_> = problems.iter().map(|d| (d.file.rsplit('/').next(), d.line, d.column)).collect();
    let expected = [
        (Some("moons.toml"), 4, 1),
        (Some("gone.toml"), 1, 1),
        (Some("circles.toml"), 4, 9),
        (Some("--set"), 1, 7),
        (Some("--set"), 1, 16),
    ];
    assert_eq!(found, expected, "{problems}");
    assert!(problems.to_string().contains("cannot read the spec"), "{problems}");
}

#[test]
fn two_specs_of_one_name_in_one_command_are_refused() {
    let folder = Folder::with(MOONS);
    let second = folder.add("other.toml", &format!("name = \"moons\"\n{MOONS}"));
    let problems = load(&[folder.path("moons.toml"), second], Overrides::default()).expect_err("one name");
    assert_eq!(problems.len(), 1);
    let text = problems.to_string();
    assert!(text.contains("other.toml:1:8") && text.contains("experiment `moons` is in"), "{text}");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_was_not_compiled_in_says_how_to_build_it() {
    let problems = plan(&format!("device = \"cuda:1\"\n{MOONS}")).expect_err("no CUDA here");
    let found = shown(&problems);
    assert!(
        found[0].starts_with("1:10 `cuda:1` is not in this build") && found[0].contains("--features cuda"),
        "{found:?}"
    );
}
