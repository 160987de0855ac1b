//! Personal data: e-mail, phone, payment card, IBAN, US social security number.

use super::checks::{iban_remainder, luhn};
use super::{Candidate, Detector};

pub(super) static DETECTORS: &[Detector] = &[
    Detector {
        label: "pii.email",
        pattern: r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z]{2,24}",
        check: |_| true,
    },
    Detector {
        label: "pii.phone",
        // International with a plus, or with 00 that does not stand in a row of digits; or the North
        // American form with its separators.
        pattern: r"\+[1-9](?:[ ().-]{0,2}[0-9]){6,14}|(?:^|[^0-9 ] ?)00[1-9](?:[ ().-]{0,2}[0-9]){6,14}|\(?\b[2-9][0-9]{2}\)?[ .-]{1,2}[2-9][0-9]{2}[ .-][0-9]{4}\b",
        check: |c| !c.inside_a_number() && (7..=15).contains(&digits(c.found)),
    },
    Detector {
        label: "pii.credit_card",
        // In one piece, in groups of four, or as American Express groups them.
        pattern: r"[2-6][0-9]{12,18}|[2-6][0-9]{3}(?:[ .-]?[0-9]{4}){2,3}(?:[ .-]?[0-9]{1,3})?|3[47][0-9]{2}[ .-][0-9]{6}[ .-][0-9]{5}",
        check: is_card,
    },
    Detector {
        label: "pii.iban",
        pattern: r"[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?",
        check: is_iban,
    },
    Detector {
        label: "pii.us_ssn",
        pattern: r"[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}",
        check: is_ssn,
    },
];

/// 13 to 19 digits that satisfy Luhn. A pattern takes as many digits as it can, so shorter numbers
/// at its start are tried too: a card followed by its expiry date is still a card.
fn is_card(candidate: &Candidate<'_>) -> bool {
    if candidate.before.is_some_and(|b| b.is_ascii_digit()) {
        return false;
    }
    let digits: Vec<u8> = candidate
        .found
        .iter()
        .copied()
        .filter(u8::is_ascii_digit)
        .collect();
    // Only a break in the text may end the number early.
    let ends: Vec<usize> = breaks(candidate);
    let one_digit = digits.windows(2).all(|pair| pair[0] == pair[1]);
    !one_digit
        && ends
            .into_iter()
            .filter(|n| (13..=19).contains(n))
            .any(|n| digits.get(..n).is_some_and(luhn))
}

/// How many digits stand before each place where the number may end.
fn breaks(candidate: &Candidate<'_>) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut count = 0;
    for b in candidate.found {
        if b.is_ascii_digit() {
            count += 1;
        } else {
            ends.push(count);
        }
    }
    if candidate.after.is_none_or(|b| !b.is_ascii_digit()) {
        ends.push(count);
    }
    ends
}

/// The check digits hold for the whole, or for a shorter part that ends at a space: words may
/// follow an IBAN.
fn is_iban(candidate: &Candidate<'_>) -> bool {
    if candidate.before.is_some_and(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    let mut compact = Vec::with_capacity(34);
    let mut ends = Vec::new();
    for &b in candidate.found {
        if b == b' ' {
            ends.push(compact.len());
        } else {
            compact.push(b);
        }
    }
    if candidate.after.is_none_or(|b| !b.is_ascii_alphanumeric()) {
        ends.push(compact.len());
    }
    // Norway's are the shortest with 15 characters, Saint Lucia's the longest with 32; 34 is the most allowed.
    ends.into_iter().filter(|n| (15..=34).contains(n)).any(|n| {
        compact
            .get(..n)
            .is_some_and(|iban| iban_remainder(iban) == 1)
    })
}

/// Areas 000, 666 and 9xx, group 00 and serial 0000 are never issued (SSA, POMS RM 10201.035).
fn is_ssn(candidate: &Candidate<'_>) -> bool {
    let digits: Vec<u8> = candidate
        .found
        .iter()
        .copied()
        .filter(u8::is_ascii_digit)
        .collect();
    let (Some(area), Some(group), Some(serial)) =
        (digits.get(..3), digits.get(3..5), digits.get(5..9))
    else {
        return false;
    };
    candidate.stands_alone()
        && area != b"000"
        && area != b"666"
        && area[0] != b'9'
        && group != b"00"
        && serial != b"0000"
}

fn digits(found: &[u8]) -> usize {
    found.iter().filter(|b| b.is_ascii_digit()).count()
}
