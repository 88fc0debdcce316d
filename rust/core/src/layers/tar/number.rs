//! Numbers in a header: octal text, or, where that is too short, GNU's base-256.

/// Reads a field; `None` if it is no number. Blank means 0; only base-256 can be negative.
pub fn number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base_256(field),
        _ => octal(field),
    }
}

/// Spaces, then octal digits, then nothing but spaces and NULs.
fn octal(field: &[u8]) -> Option<i64> {
    let text = &field[field.iter().take_while(|byte| **byte == b' ').count()..];
    let digits = text.iter().take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    if text[digits..].iter().any(|byte| !matches!(byte, b' ' | 0)) {
        return None;
    }
    text[..digits].iter().try_fold(0_i64, |value, digit| value.checked_mul(8)?.checked_add(i64::from(digit - b'0')))
}

/// The top bit marks the form; the rest is a big-endian two's complement number.
fn base_256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let start = if negative { -1_i64 } else { 0 };
    let first = i64::from(field[0] & 0x3f) | if negative { -64 } else { 0 };
    field[1..].iter().try_fold(if field.len() == 1 { start } else { first }, |value, byte| {
        value.checked_mul(256)?.checked_add(i64::from(*byte))
    })
}

/// Reads decimal digits and nothing else.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Reads seconds such as `-12.5` into whole seconds, rounded down, and nanoseconds.
pub fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let dot = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let seconds = i64::try_from(decimal(&text[..dot])?).ok()?;
    let fraction = text.get(dot + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanoseconds =
        (0..9).fold(0, |value, at| value * 10 + fraction.get(at).map_or(0, |digit| u32::from(digit - b'0')));
    match (negative, nanoseconds) {
        (false, _) => Some((seconds, nanoseconds)),
        (true, 0) => Some((-seconds, 0)),
        (true, _) => Some((-seconds - 1, 1_000_000_000 - nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_fields() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x00000010\0"), None);
        assert_eq!(number(b"0000648\0"), None);
        assert_eq!(number(b"-1\0"), None);
    }

    #[test]
    fn base_256_fields() {
        assert_eq!(number(&[0x80, 0, 0, 1, 0]), Some(256));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xfe]), Some(-2));
        assert_eq!(number(&[0xff; 12]), Some(-1));
        assert_eq!(number(&[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255]), Some(i64::MAX));
    }

    #[test]
    fn times() {
        assert_eq!(time(b"12"), Some((12, 0)));
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"-12.5"), Some((-13, 500_000_000)));
        assert_eq!(time(b"1.0000000019"), Some((1, 1)));
        assert_eq!(time(b"1."), Some((1, 0)));
        for bad in [&b""[..], b"-", b".5", b"1.x", b"+1", b"1e9", b"99999999999999999999"] {
            assert_eq!(time(bad), None, "{bad:?}");
        }
    }
}
