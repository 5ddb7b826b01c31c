//! Runs on images: what is cropped and mirrored, the pictures that they end with, and samples as pictures.

use std::fs;

use crate::workplace::{Workplace, numbers, parquet};

/// 120 colour images of 6 × 6 bytes as an NPY file: a bright spot somewhere over a slope.
fn colours() -> Vec<u8> {
    let header = format!("{:<117}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (120, 6, 6, 3), }");
    let mut file = b"\x93NUMPY\x01\0".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    for image in 0..120_usize {
        for place in 0..36 {
            let spot = if place == image * 7 % 36 { 90 } else { 0 };
            file.extend([0, 1, 2].map(|colour| (place * 3 + image * (colour + 1) * 13 % 40 + spot) as u8));
        }
    }
    file
}

const SPEC: &str = "[dataset]\npath = \"colours.npy\"\nlogit = 0.05\ncrop = [4, 4]\naugment = [\"flip\"]\n[model]\n\
    mask = \"multiscale\"\ndepth = 1\nwidth = 8\n[training]\nsteps = 20\nbatch_size = 16\n";

#[test]
fn a_run_on_images_ends_with_pictures_and_its_samples_can_be_pictures() {
    let here = Workplace::new();
    here.write("colours.npy", colours());
    here.write("colours.toml", SPEC);
    here.runner("colours.toml --quiet").expect(0);
    let run = here.run_folder("results/colours", 0);
    for name in ["samples", "temperatures", "reconstructions", "interpolation", "scales", "nearest"] {
        let picture = image::open(run.join(format!("{name}.png"))).expect(name);
        assert!(picture.width() > 200 && picture.height() > 80, "{name}");
    }
    let run = run.display().to_string();

    here.runner(&format!("sample {run} -n 12 -o drawn/")).expect(0).says(&["wrote 12 images into drawn"]);
    let first = image::open(here.path("drawn/00001.png")).expect("a PNG");
    assert_eq!((first.width(), first.height(), first.color()), (4, 4, image::ColorType::Rgb8));
    assert_eq!(fs::read_dir(here.path("drawn")).expect("a folder").count(), 12);
    // The folder is a data set again, and an array too; a byte is the whole part of what was drawn.
    here.runner(&format!("sample {run} -n 12 -o drawn.npy")).expect(0);
    assert!(fs::read(here.path("drawn.npy")).expect("read").windows(12).any(|text| text == b"(12, 4, 4, 3"));
    here.runner(&format!("sample {run} -n 12 -o drawn.parquet")).expect(0);
    let drawn = numbers(&parquet(here.path("drawn.parquet")), "pixel_0_0_green")[0];
    assert_eq!(first.to_rgb8().get_pixel(0, 0).0[1], drawn.clamp(0.0, 255.0) as u8);
    for (data, options) in [("drawn.npy", ""), ("drawn", "--format images")] {
        let says = ["have the size that was learned, and are taken as they are"];
        here.runner(&format!("score {run} --data {data} {options} -o scored.csv")).expect(0).says(&says);
    }

    here.runner(&format!("sample {run} -n 12 -o grid.png --temperature 0.7")).expect(0).says(&["wrote grid.png"]);
    let cool = image::open(here.path("grid.png")).expect("a PNG");
    // Four across, three down, eight times as large.
    assert_eq!((cool.width(), cool.height()), (4 * 34 - 2, 3 * 34 - 2));
    here.runner(&format!("sample {run} -n 12 -o grid.png")).expect(0);
    assert_ne!(image::open(here.path("grid.png")).expect("a PNG"), cool);
    here.runner(&format!("sample {run} -n 3 -o drawn")).expect(2).says(&["is there already", "name a new folder"]);
    here.runner(&format!("sample {run} -n 3 -o a.csv --temperature 0")).expect(2).says(&["a number above 0"]);
}

/// Of what a run was tested on, whole images score as its own test rows do, from an array and from a table; their corner does not.
#[test]
fn images_are_scored_as_they_were_learned() {
    let here = Workplace::new();
    here.write("colours.npy", colours());
    for size in ["crop = [4, 4]", "resize = [3, 3]", "crop = [4, 4]\nresize = [2, 2]"] {
        let spec = SPEC.replace("crop = [4, 4]", size).replace("multiscale\"\ndepth = 1", "alternating\"\ndepth = 2");
        here.write("a.toml", spec.replace("augment = [\"flip\"]", "train = 60\nvalidation = 20\ntest = 40"));
        here.runner("a.toml --quiet --fresh").expect(0);
        let run = here.run_folders("results/a", 0).pop().expect("a run").display().to_string();
        here.runner(&format!("score {run} --data colours.npy -o scored.parquet")).expect(0);
        let scores = numbers(&parquet(here.path("scored.parquet")), "log_prob");
        here.runner(&format!("split {run} -o parts")).expect(0);
        here.runner(&format!("score {run} --data parts/test.csv --continuous -o own.parquet")).expect(0);
        let own = numbers(&parquet(here.path("own.parquet")), "log_prob");
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        // Noise and the choice of rows apart: a corner scores forty nats less, or more.
        assert!((mean(&scores) - mean(&own)).abs() < 12.0, "{size}: {} {}", mean(&scores), mean(&own));
    }
}

/// A first spec for images is one of images, and trains as it stands.
#[test]
fn a_spec_for_images_starts_with_a_flow_of_convolutions() {
    let here = Workplace::new();
    here.write("colours.npy", colours());
    let told = here.runner("init --data colours.npy").expect(0).stdout;
    assert!(told.contains("120 images of 6 × 6 × 3") && !told.contains("pixel_"), "{told}");
    let text = fs::read_to_string(here.path("colours.toml")).expect("read");
    let spec: toml::Table = toml::from_str(&text).expect("TOML");
    for (key, value) in [("mask", "multiscale"), ("network", "conv"), ("coupling", "spline")] {
        assert_eq!(spec["model"][key].as_str(), Some(value), "{key}");
    }
    // A table of pixels is images too, read as any text is.
    let names: Vec<String> = (0..16).map(|i| format!("pixel_{}_{}", i / 4, i % 4)).collect();
    let row = |i: usize| (0..16).map(|pixel| format!("{},5", pixel * i % 7)).collect::<Vec<_>>().join(";") + "\n";
    let lines: String = (0..200).map(row).collect();
    here.write("pixels.csv", names.join(";") + "\n" + &lines.replacen("0,5;", ";", 1));
    let told = here.runner("init --data pixels.csv").expect(0).stdout;
    assert!(
        told.contains("199 images of 4 × 4 × 1") && told.contains("missing") && told.contains("distance of 1"),
        "{told}"
    );
    here.runner("check pixels.toml").expect(0);
    // Six pixels can be halved once.
    assert_eq!((spec["model"]["scales"].as_integer(), spec["dataset"]["logit"].as_float()), (Some(2), Some(1e-6)));
    here.runner("check colours.toml").expect(0);
    here.runner("colours.toml --set training.steps=3 --set model.width=8 --quiet").expect(0);
}

#[test]
fn plain_features_make_no_pictures_and_are_not_cropped() {
    let here = Workplace::with_moons();
    here.runner("moons.toml --quiet").expect(0);
    let run = here.run_folder("results/moons", 0).display().to_string();
    for output in ["drawn/", "drawn", "grid.png"] {
        let says = ["for images, and this run learned 2 plain features", ".parquet, .csv or .npy"];
        here.runner(&format!("sample {run} -n 5 -o {output}")).expect(2).says(&says);
        assert!(!here.path(output).exists());
    }
    let rows: String = (0..40).map(|i| format!("{},{}\n", f64::from(i).sin(), f64::from(i).cos())).collect();
    here.write("a.csv", format!("a,b\n{rows}"));
    for key in ["crop = [4, 4]", "resize = [4, 4]", "augment = [\"flip\"]"] {
        here.write("a.toml", format!("[dataset]\npath = \"a.csv\"\n{key}\n"));
        here.runner("a.toml --quiet").expect(2).says(&["has 2 plain features", "is for images; leave it out"]);
    }
}
