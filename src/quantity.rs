//! Numbers and names as people read them.

/// From this size on numbers have exponents: their digits before the point say less than their number.
const LARGE: f64 = 1e6;

/// `mean ± error` with two significant digits of the error, or the mean alone with about five digits.
pub fn with_error(mean: f64, error: Option<f64>) -> String {
    match error {
        Some(error) if error.is_finite() && error > 0.0 => {
            let digits = error.log10().floor() as i32;
            if mean.abs().max(error) >= LARGE {
                // The last digit of the mean is worth as much as that of the error.
                let size = if mean == 0.0 { 0 } else { mean.abs().log10().floor() as i32 };
                let decimals = (size - digits + 1).clamp(0, 6) as usize;
                return format!("{mean:.decimals$e} ± {error:.1e}");
            }
            let decimals = (1 - digits).clamp(0, 6) as usize;
            format!("{mean:.decimals$} ± {error:.decimals$}")
        }
        _ => number(mean),
    }
}

/// An error alone, with two significant digits.
pub fn error_digits(error: f64) -> String {
    if error >= LARGE {
        return format!("{error:.1e}");
    }
    let decimals = if error > 0.0 { (1 - error.log10().floor() as i32).clamp(0, 6) as usize } else { 0 };
    format!("{error:.decimals$}")
}

/// Four decimals for small numbers, fewer for large ones; an exponent from a million on.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size < 100.0 => 4,
        size if size < 10_000.0 => 2,
        size if size < LARGE => 0,
        _ => return format!("{value:.2e}"),
    };
    format!("{value:.decimals$}")
}

/// Three digits, none of them a last zero; all of those before the point: `40`, `-1.31`, `12345`; an exponent from a million on.
pub fn short(value: f64) -> String {
    if value.abs() >= LARGE {
        return format!("{value:.2e}");
    }
    let value = value + 0.0;
    let digits = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let shown = format!("{value:.*}", (2 - digits).clamp(0, 6) as usize);
    match shown.contains('.') {
        true => shown.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => shown,
    }
}

/// A count or rate with three digits and a metric suffix: `950`, `12.3k`, `1.20M`.
pub fn count(value: f64) -> String {
    const SUFFIXES: [&str; 5] = ["", "k", "M", "G", "T"];
    let mut value = value;
    let mut suffix = 0;
    // 999.5 is where three digits round up to four.
    while value.abs() >= 999.5 && suffix + 1 < SUFFIXES.len() {
        value /= 1000.0;
        suffix += 1;
    }
    let decimals = match value.abs() {
        _ if suffix == 0 => 0,
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{}", SUFFIXES[suffix])
}

/// Bytes in MB or GB: `12 MB`.
pub fn bytes(value: f64) -> String {
    if value < 1e9 { format!("{:.0} MB", (value / 1e6).max(1.0)) } else { format!("{:.1} GB", value / 1e9) }
}

/// A time span: `12.3 s`, `3m 21s`, `2h 05m`, `4d 03h`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "?".into();
    }
    let seconds = seconds.max(0.0);
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 99.95 => format!("{seconds:.1} s"),
        0..3_600 => format!("{}m {:02}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h {:02}m", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{}d {:02}h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// Time left, as a clock: `0:07`, `12:30`, `2:05:00`.
pub fn clock(seconds: f64) -> String {
    if !(0.0..1e7).contains(&seconds) {
        return "--:--".into();
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3_600, whole % 3_600 / 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `text` in at most `width` letters: where it is longer, an ellipsis stands for its middle.
pub fn shortened(text: &str, width: usize) -> String {
    let letters = text.chars().count();
    if letters <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (front, back) = (kept - kept / 2, kept / 2);
    let ellipsis = if width > 0 { "…" } else { "" };
    text.chars().take(front).chain(ellipsis.chars()).chain(text.chars().skip(letters - back)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_short() {
        let cases =
            [(40.0, "40"), (-1.3076, "-1.31"), (0.0, "0"), (0.02149, "0.0215"), (12345.6, "12346"), (1e-9, "0")];
        for (value, expected) in cases {
            assert_eq!(short(value), expected);
        }
        assert_eq!(short(2.5e7), "2.50e7");
    }

    #[test]
    fn the_error_decides_how_many_digits_stand() {
        for (mean, error, text) in [
            (0.341_234, Some(0.002_09), "0.3412 ± 0.0021"),
            (-69.912, Some(0.53), "-69.91 ± 0.53"),
            (1234.5, Some(321.0), "1234 ± 321"),
            (0.341_234, None, "0.3412"),
            (0.341_234, Some(0.0), "0.3412"),
            (0.341_234, Some(f64::NAN), "0.3412"),
            (-169.912, None, "-169.91"),
            (999_999.0, None, "999999"),
            (1.234_5e34, None, "1.23e34"),
            (-2.5e6, None, "-2.50e6"),
            (1.234e34, Some(3.2e33), "1.23e34 ± 3.2e33"),
            (12.0, Some(4e7), "1e1 ± 4.0e7"),
        ] {
            assert_eq!(with_error(mean, error), text);
        }
    }

    #[test]
    fn counts_carry_three_digits() {
        for (value, text) in
            [(0.0, "0"), (950.4, "950"), (999.6, "1.00k"), (12_345.0, "12.3k"), (183_400.0, "183k"), (1.2e6, "1.20M")]
        {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn times_use_the_units_that_fit() {
        for (seconds, text) in [
            (0.26, "0.3 s"),
            (99.94, "99.9 s"),
            (99.96, "1m 40s"),
            (3_599.7, "1h 00m"),
            (7_500.0, "2h 05m"),
            (1e5, "1d 03h"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        for (seconds, text) in [(7.4, "0:07"), (750.0, "12:30"), (7_500.0, "2:05:00"), (f64::INFINITY, "--:--")] {
            assert_eq!(clock(seconds), text);
        }
    }

    #[test]
    fn shortened_names_keep_both_ends() {
        for (width, text) in [(20, "depth=8-3f9a2c1d"), (9, "dept…2c1d"), (2, "d…"), (1, "…"), (0, "")] {
            assert_eq!(shortened("depth=8-3f9a2c1d", width), text);
        }
    }
}
