//! Input that nobody wrote in good faith: no panic, no hang.

use rand::Rng;

use super::Folder;
use crate::random::{Purpose, stream};
use crate::spec::Overrides;

#[test]
fn deep_long_and_binary_files_are_refused_at_once() {
    let million = 1_000_000;
    let texts: Vec<(&str, Vec<u8>)> = vec![
        ("open brackets", format!("a = {}", "[".repeat(million)).into()),
        ("ten megabytes", "[".repeat(10 * million).into()),
        ("nested lists", format!("a = {}{}", "[".repeat(400_000), "]".repeat(400_000)).into()),
        ("inline tables", format!("a = {}", "{a=".repeat(300_000)).into()),
        ("dotted key", format!("{}a = 1", "a.".repeat(400_000)).into()),
        ("dotted header", format!("[{}a]", "a.".repeat(400_000)).into()),
        ("many keys", (0..80_000).map(|i| format!("k{i} = 1\n")).collect::<String>().into()),
        ("many errors", "=\n".repeat(400_000).into()),
        ("many tables", "[[a]]\n".repeat(150_000).into()),
        ("long key", format!("{} = 1", "k".repeat(million)).into()),
        ("long value", format!("[dataset]\nname = \"{}\"", "v".repeat(million)).into()),
        ("many seeds", format!("seeds = [{}]\n[dataset]\nname=\"moons\"", "0,".repeat(400_000)).into()),
        ("many columns", format!("[dataset]\npath=\"data.csv\"\ncolumns=[{}]", "1,".repeat(400_000)).into()),
        (
            "many swept values",
            format!("[dataset]\nname=\"moons\"\n[sweep.parameters]\nmodel.depth=[{}]", "0,".repeat(400_000)).into(),
        ),
        ("zeros", vec![0; 100_000]),
        ("not UTF-8", vec![b'a', b'=', 0xff, b'\n']),
    ];
    for (name, text) in texts {
        let folder = Folder::with(text);
        let problems = folder.load(Overrides::default()).expect_err(name);
        let shown = problems.to_string();
        assert!(shown.contains("moons.toml") && shown.len() < 1 << 20, "{name}: {} bytes", shown.len());
    }
}

#[test]
fn huge_sweeps_are_refused_before_they_are_built() {
    let list = (1..=1_000).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let text = format!(
        "seeds = 10000\n[dataset]\nname = \"moons\"\n[sweep.parameters]\n\"model.depth\" = [{list}]\n\"model.width\" = [{list}]\n"
    );
    let problems = super::plan(&text).expect_err("a million points");
    assert!(problems.to_string().contains("more than 65536 points"), "{problems}");
    let text = format!("seeds = 10000\n[dataset]\nname = \"moons\"\n[sweep.parameters]\n\"model.depth\" = [{list}]\n");
    let problems = super::plan(&text).expect_err("ten million runs");
    assert!(problems.to_string().contains("more than 100000 runs"), "{problems}");
}

/// Each once took minutes or gigabytes: a cost that comes back shows as a test that hangs.
#[test]
fn long_specs_cost_no_more_than_their_length() {
    let moons = "[dataset]\nname = \"moons\"\n";
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let texts: Vec<(&str, String, &str)> = vec![
        (
            "a line of unknown keys",
            format!("model = {{ {} }}", many(80_000, &|i| format!("k{i} = 1, "))),
            "unknown key",
        ),
        (
            "a range under many spellings of its key",
            format!(
                "{moons}[sweep.parameters]\n{}",
                many(1_000, &|i| format!("\"dataset.rows{}\" = {{ min = 1, max = 65536, step = 1 }}\n", " ".repeat(i)))
            ),
            "is swept twice",
        ),
        (
            "more draws than values",
            format!(
                "{moons}[sweep]\nmethod = \"random\"\ntrials = 65536\n[sweep.parameters]\nmodel.depth = [{}]\n",
                "1, 2, ".repeat(30_000)
            ),
            "there are 2 different points",
        ),
        (
            "long lists in many trials",
            format!(
                "[dataset]\npath = \"data.csv\"\ncolumns = [{}]\n[sweep.parameters]\n\
                 dataset.seed = {{ min = 1, max = 65536, step = 1 }}\n",
                many(10_000, &|i| format!("\"{i}\", "))
            ),
            "too many to plan",
        ),
    ];
    for (name, text, part) in texts {
        let problems = super::plan(&text).expect_err(name);
        assert!(problems.to_string().contains(part), "{name}: {problems}");
    }
    let seeds = many(10_000, &|i| format!("{i}, "));
    let plan = super::plan(&format!("{moons}[sweep.parameters]\ndataset.seed = [{seeds}]\n")).expect("a plan");
    assert_eq!(plan.trials.len(), 10_000);
}

#[test]
fn a_byte_order_mark_and_windows_line_endings_are_fine() {
    let folder = Folder::with("\u{feff}[dataset]\r\nname = \"moons\"\r\n");
    assert!(folder.plan(Overrides::default()).is_ok());
}

#[test]
fn thousands_of_damaged_specs_and_overrides_end_in_a_value() {
    let whole = "name = \"x\"\nseeds = [0, 1]\n[dataset]\nname = \"moons\"\nnoise = 0.1\ntrain = 500\n[model]\nmask = 'half'\n\
        depth = 4\n[optimizer]\nbetas = [0.9, 0.99]\nschedule = { name = \"step\", every = 5 }\n[sweep]\nmethod = \"random\"\n\
        trials = 3\n[sweep.parameters]\n\"model.depth,model.width\" = [[4, 64], [8, 32]]\n\
        \"optimizer.learning_rate\" = { min = 1e-4, max = 1e-2, scale = \"log\" }\n";
    let pieces = [
        "[", "]", "{", "}", "\"", "'", "=", ".", ",", "-", "1e", "inf", "nan", "9", "\n", "\u{e9}", "model", "\\u",
        "#", "\"\"\"",
    ];
    let folder = Folder::with("");
    for round in 0..3_000 {
        let mut rng = stream(7, Purpose::Test, round);
        let mut text = whole.to_owned();
        for _ in 0..1 + rng.next_u32() % 3 {
            let chars = text.chars().count();
            let at = text.char_indices().nth(rng.next_u32() as usize % chars).map_or(0, |(i, _)| i);
            let piece = pieces[rng.next_u32() as usize % pieces.len()];
            match rng.next_u32() % 3 {
                0 => text.insert_str(at, piece),
                1 => drop(text.remove(at)),
                _ if at > 0 => text.truncate(at),
                _ => {}
            }
        }
        folder.add("moons.toml", &text);
        let start = text.char_indices().nth(rng.next_u32() as usize % 40).map_or(0, |(i, _)| i);
        let override_text: String = text[start..].chars().take(30).collect();
        for overrides in
            [Overrides::default(), Overrides::default().set(override_text.clone()).seeds(Some(override_text))]
        {
            match folder.plan(overrides) {
                Ok(plan) => assert!(!plan.trials.is_empty()),
                Err(problems) => assert!(problems.has_errors() && !problems.render(true).is_empty()),
            }
        }
    }
}
