//! What editors, shells and first-time users get: schema, messages as JSON, a starter, completions, man pages.

use std::fs;

use crate::workplace::{Ended, Workplace};

#[test]
fn problems_come_as_one_json_object_a_line() {
    let here = Workplace::new();
    here.write("bad.toml", "[dataset]\nname = \"moons\"\n[model]\nwdith = 3\n");
    for command in ["check", "run", "plan"] {
        let ended = here.runner(&format!("{command} bad.toml --set model.depth=0 --message-format json")).expect(2);
        let lines: Vec<serde_json::Value> =
            ended.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2, "{ended:?}");
        let expected = serde_json::json!({
            "file": "bad.toml", "line": 4, "column": 1, "end_line": 4, "end_column": 6, "start": 33, "end": 38,
            "severity": "error", "message": "unknown key `wdith` in `[model]`", "help": "did you mean `width`?",
            "suggestion": "width",
        });
        assert_eq!(lines[0], expected);
        assert_eq!((&lines[1]["file"], &lines[1]["column"]), (&"--set".into(), &13.into()));
    }
}

#[test]
fn a_starter_is_a_spec_that_runs_and_is_never_written_over() {
    let here = Workplace::new();
    assert!(here.runner("init").expect(0).stdout.contains("runner check moons.toml"));
    here.runner("check moons.toml").expect(0);
    let before = here.files();
    here.runner("init moons").expect(2).says(&["`moons.toml` is there already"]);
    assert_eq!(here.files(), before);
    here.runner("init study").expect(0);
    assert!(here.path("study.toml").exists());
}

#[test]
fn a_starter_for_a_file_says_what_was_seen_in_it_passes_the_check_and_trains() {
    let here = Workplace::new();
    let mut text = "row;one;half;x;y;kind\n".to_owned();
    for i in 0..200_u32 {
        let (half, x) = (f64::from(i % 3) / 2.0, f64::from(i).sin());
        text.push_str(&format!("{i};7;{half};{x};{};{}\n", x * x + f64::from(i * 7 % 11), ["a", "b"][i as usize % 2]));
    }
    here.write("my data.csv", text.replace(";0.5;", ";;"));
    let numbers = |line: &str| line.replace(';', ",").trim_end_matches([',', 'a', 'b']).to_owned() + "\n";
    here.write("plain.csv", text.lines().skip(1).map(numbers).collect::<String>());
    let init = |data: &str| {
        let mut command = here.command("init --data");
        Ended::of(command.arg(data)).expect(0).stdout
    };
    let told = init("my data.csv");
    assert!(told.contains("runner check my-data.toml") && told.contains("the number of the row: `row`"), "{told}");
    let spec: toml::Table =
        toml::from_str(&fs::read_to_string(here.path("my-data.toml")).expect("read")).expect("TOML");
    let expected = "path = \"my data.csv\"\ndelimiter = \";\"\nheader = true\nmissing = \"drop\"\n\
                    drop = [\"one\", \"row\"]\nlabel = \"kind\"\n";
    for (key, value) in toml::from_str::<toml::Table>(expected).expect("TOML") {
        assert_eq!(spec["dataset"][&key], value, "{key}");
    }
    // So few rows are soon learned by heart.
    assert_eq!(spec["training"]["evaluate_every"], toml::Value::from(25), "{told}");
    init("plain.csv");
    // Words in a column without a name, and decimals as Europe writes them.
    let iris =
        |i: u32| format!("{},{},{}\n", f64::from(i).sin(), f64::from(i).cos(), ["setosa", "virginica"][i as usize % 2]);
    here.write("iris.csv", (0..200).map(iris).collect::<String>());
    here.write("komma.csv", (0..200).map(|i| iris(i).replace(',', ";").replace('.', ",")).collect::<String>());
    assert!(init("iris.csv").contains("left out, for it is text: `x3`"));
    assert!(init("komma.csv").contains("decimals stand behind ','"));
    let komma: toml::Table = toml::from_str(&fs::read_to_string(here.path("komma.toml")).expect("read")).expect("TOML");
    for (key, value) in [("delimiter", ";"), ("decimal", ","), ("label", "x3")] {
        assert_eq!(komma["dataset"][key].as_str(), Some(value), "{key}");
    }
    for name in ["my-data", "plain", "iris", "komma"] {
        here.runner(&format!("check {name}.toml")).expect(0);
        // The defaults that stand in it as comments fit themselves to a short run.
        let short = "--set training.steps=5 --set model.depth=2 --set model.width=8 --quiet";
        here.runner(&format!("{name}.toml {short}")).expect(0);
    }
}

#[test]
fn schema_completions_and_man_pages_are_printed() {
    let here = Workplace::new();
    let schema: serde_json::Value = serde_json::from_str(&here.runner("schema").expect(0).stdout).expect("JSON");
    assert_eq!(schema["definitions"]["model.depth"]["maximum"], 1024);
    for (command, part) in [
        ("completions bash", "complete -F"),
        ("completions zsh", "#compdef runner"),
        ("completions fish", "complete -c runner"),
        ("man", ".TH runner"),
        ("man run", "runner\\-run"),
    ] {
        let ended = here.runner(command).expect(0);
        assert!(ended.stdout.contains(part), "{command}: {}", ended.stdout);
    }
    here.runner("man rnu").expect(2).says(&["`rnu` is no command"]);
}
