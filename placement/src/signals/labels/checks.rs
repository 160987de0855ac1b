//! Check digits.

/// Luhn's check (ISO/IEC 7812-1, annex B) over ASCII digits; anything else is skipped.
pub(super) fn luhn(number: &[u8]) -> bool {
    let digits = number.iter().rev().filter(|b| b.is_ascii_digit());
    let sum: u32 = digits
        .enumerate()
        .map(|(place, b)| {
            let digit = u32::from(b - b'0');
            match (place % 2, digit) {
                (0, d) => d,
                (_, d) if d > 4 => d * 2 - 9,
                (_, d) => d * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The remainder by 97 of an IBAN with its first four characters moved to the end and letters
/// written as 10 to 35 (ISO 13616, ISO/IEC 7064 MOD 97-10). 1 means that the check digits hold.
pub(super) fn iban_remainder(iban: &[u8]) -> u32 {
    let (head, tail) = iban.split_at(iban.len().min(4));
    tail.iter().chain(head).fold(0, |rest, b| match b {
        b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
        b'A'..=b'Z' => (rest * 100 + u32::from(b - b'A') + 10) % 97,
        b'a'..=b'z' => (rest * 100 + u32::from(b - b'a') + 10) % 97,
        _ => rest,
    })
}
