//! One entry as bytes: Docker's escapes, Docker's time.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Append one entry and its newline.
pub fn push(out: &mut Vec<u8>, line: &[u8], stream: &str, time: SystemTime) {
    out.extend_from_slice(b"{\"log\":\"");
    push_escaped(out, line);
    // writing to a vector cannot fail
    let _ = write!(out, "\",\"stream\":\"{stream}\",\"time\":\"");
    push_time(out, time);
    out.extend_from_slice(b"\"}\n");
}

/// The escapes of Go's encoding/json, with which Docker writes: what HTML minds is escaped too.
fn push_escaped(out: &mut Vec<u8>, line: &[u8]) {
    for chunk in line.utf8_chunks() {
        let text = chunk.valid();
        let mut plain = 0;
        for (at, character) in text.char_indices() {
            let short: &[u8] = match character {
                '"' => b"\\\"",
                '\\' => b"\\\\",
                '\n' => b"\\n",
                '\r' => b"\\r",
                '\t' => b"\\t",
                '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => b"",
                _ => continue,
            };
            out.extend_from_slice(&text.as_bytes()[plain..at]);
            plain = at + character.len_utf8();
            out.extend_from_slice(short);
            if short.is_empty() {
                let _ = write!(out, "\\u{:04x}", character as u32);
            }
        }
        out.extend_from_slice(&text.as_bytes()[plain..]);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

/// RFC 3339 with as many digits as the fraction needs, in UTC: Go's RFC3339Nano.
fn push_time(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days as i64);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if since.subsec_nanos() > 0 {
        let digits = format!("{:09}", since.subsec_nanos());
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
    out.push(b'Z');
}

/// The date of the day `days` after 1970-01-01, in the Gregorian calendar: years are counted from 1 March, so that the
/// leap day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468; // from 0000-03-01
    let era = shifted.div_euclid(146_097); // of 400 years
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(line: &[u8], seconds: u64, nanos: u32) -> String {
        let mut out = Vec::new();
        push(&mut out, line, "stdout", UNIX_EPOCH + Duration::new(seconds, nanos));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_entry_has_dockers_form() {
        assert_eq!(
            entry(b"hello\n", 1_714_564_800, 120_000_000),
            "{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"2024-05-01T12:00:00.12Z\"}\n"
        );
        assert!(entry(b"", 951_782_399, 1).contains("2000-02-28T23:59:59.000000001Z"));
        assert!(entry(b"", 951_782_400, 0).contains("2000-02-29T00:00:00Z"));
        assert!(entry(b"", 1_735_689_599, 0).contains("2024-12-31T23:59:59Z"));
    }

    #[test]
    fn what_json_or_html_minds_is_escaped() {
        let line = "a\"\\\r\t\x01\x7f<b>&\u{2028}é".as_bytes();
        assert!(entry(line, 0, 0).contains("a\\\"\\\\\\r\\t\\u0001\x7f\\u003cb\\u003e\\u0026\\u2028é\""));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert!(entry(b"a\xff\xfeb\xc3", 0, 0).contains("\"a\\ufffd\\ufffdb\\ufffd\""));
        let value: serde_json::Value = serde_json::from_str(&entry(b"\xf0\x9f\x98x", 0, 0)).unwrap();
        assert_eq!(value["log"], "\u{fffd}\u{fffd}\u{fffd}x");
    }
}
