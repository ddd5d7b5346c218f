//! Numbers and names as people read them: the same digits in every view, measured in the columns of
//! a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// `text` cut at its end to `width` columns.
pub fn cut_end(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let kept = take_columns(text.chars(), width.saturating_sub(1));
    kept.into_iter().chain((width > 0).then_some('…')).collect()
}

/// `text` cut at its beginning to `width` columns: of a path, the end tells more.
pub fn cut_start(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = take_columns(text.chars().rev(), width.saturating_sub(1));
    kept.extend((width > 0).then_some('…'));
    kept.into_iter().rev().collect()
}

/// `text` cut in its middle to `width` columns: of a path with its line, both ends tell.
pub fn cut_middle(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let left = width.saturating_sub(1);
    // The end of a path, its file name, is worth more than its beginning: whole if it can be.
    let name = text.rfind('/').map_or(0, |slash| columns(&text[slash + 1..]));
    let end = (left - left / 3).max(name).min(left);
    let head = take_columns(text.chars(), left - end);
    let mut tail = take_columns(text.chars().rev(), end);
    tail.reverse();
    head.into_iter().chain((width > 0).then_some('…')).chain(tail).collect()
}

fn take_columns(chars: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `n` and the noun, with a plural s unless it is one.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// A number of bytes with a decimal unit.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "kB", "MB"] {
        if value < 999.5 {
            let digits = usize::from(unit != "B" && value < 99.5);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} GB")
}

/// Seconds in the unit a person would use.
pub fn seconds(value: f64) -> String {
    match value {
        v if v < 0.9995 => format!("{:.0} ms", v * 1e3),
        v if v < 99.95 => format!("{v:.1} s"),
        v if v < 3600.0 => format!("{} min {:02} s", v as u64 / 60, v as u64 % 60),
        v => format!("{} h {:02} min", v as u64 / 3600, v as u64 / 60 % 60),
    }
}

/// A short time, which may be less than a millisecond.
pub fn pause(ns: u64) -> String {
    match ns {
        0..999_500 => format!("{:.0} us", ns as f64 / 1e3),
        999_500..9_950_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => seconds(ns as f64 / 1e9),
    }
}

/// A rate with as many digits as mean something.
pub fn hertz(value: f64) -> String {
    match value {
        v if v < 99.95 => format!("{v:.1} Hz"),
        v => format!("{} Hz", thousands(v.round() as u64)),
    }
}

/// `part` of `whole` in percent with one decimal. What is not nothing never reads as 0.0, and what
/// is not everything never as 100.0.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0.0".into();
    }
    let share = part as f64 * 100.0 / whole as f64;
    match share {
        s if s < 0.05 => "<0.1".into(),
        s if part < whole && s >= 99.95 => "99.9".into(),
        s => format!("{s:.1}"),
    }
}

/// A share, from 0 to 1, in percent with one decimal, as [`percent`] has it.
pub fn share_percent(share: f64) -> String {
    match share * 100.0 {
        s if s <= 0.0 => "0.0".into(),
        s if s < 0.05 => "<0.1".into(),
        s if (99.95..100.0).contains(&s) => "99.9".into(),
        s => format!("{s:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_have_a_unit_that_fits() {
        let told = [0, 40_400, 999_499, 999_500, 9_900_000, 12_000_000, 1_200_000_000].map(pause);
        assert_eq!(told, ["0 us", "40 us", "999 us", "1.0 ms", "9.9 ms", "12 ms", "1.2 s"]);
    }

    #[test]
    fn cutting_counts_columns_not_characters() {
        assert_eq!(cut_end("日本語", 5), "日本…");
        assert_eq!(cut_end("日本語", 4), "日…");
        assert_eq!(cut_start("/usr/lib/python3.13/json/decoder.py", 12), "…/decoder.py");
        assert_eq!((cut_end("abc", 0), cut_start("abc", 3)), (String::new(), "abc".into()));
        assert_eq!(cut_middle("/usr/lib/python3.13/json/decoder.py", 16), "/usr/…decoder.py");
        assert_eq!(cut_middle("日本語日本語", 6), "…本語");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(counted(1, "sample"), "1 sample");
        assert_eq!(counted(1_000, "sample"), "1,000 samples");
        assert_eq!(
            [bytes(0), bytes(999), bytes(1_040), bytes(123_456)],
            ["0 B", "999 B", "1.0 kB", "123 kB"]
        );
        assert_eq!([bytes(7_654_321), bytes(3_200_000_000)], ["7.7 MB", "3.2 GB"]);
        assert_eq!([seconds(0.25), seconds(2.0), seconds(125.0)], ["250 ms", "2.0 s", "2 min 05 s"]);
        assert_eq!([hertz(0.5), hertz(999.6), hertz(123_456.0)], ["0.5 Hz", "1,000 Hz", "123,456 Hz"]);
        assert_eq!(
            [percent(0, 0), percent(1, 1_000_000), percent(999_999, 1_000_000)],
            ["0.0", "<0.1", "99.9"]
        );
        assert_eq!(percent(1, 1), "100.0");
    }
}
