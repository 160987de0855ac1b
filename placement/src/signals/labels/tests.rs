//! What is found, and what is left alone.

use super::scan;

/// The labels in `text`, sorted.
fn check(text: &str, expected: &[&str]) {
    let mut found = Vec::new();
    scan(text, &mut found).unwrap();
    let mut found: Vec<_> = found
        .iter()
        .map(|label| label.as_str().to_owned())
        .collect();
    found.sort();
    let shown: String = text.chars().take(80).collect();
    assert_eq!(found, expected, "in {shown:?}");
}

#[test]
fn an_e_mail_address_is_found() {
    check(
        "write to jane.doe+x@mail.example.co.uk, please",
        &["pii.email"],
    );
    check("<a@b.io>", &["pii.email"]);
    check("the @ sign, a@b and user@localhost are not addresses", &[]);
}

#[test]
fn a_phone_number_is_found() {
    check("call +49 30 901820 tomorrow", &["pii.phone"]);
    check("call 0041 44 668 18 00", &["pii.phone"]);
    check("call (212) 555-0187 or 212.555.0187", &["pii.phone"]);
    check("version 1.2.3, 2026-11-20, 10.0.0.1, 3+4=7", &[]);
    check("order 1234567890123456789012", &[]);
}

#[test]
fn a_card_number_must_satisfy_luhn() {
    check("card 4111 1111 1111 1111 exp 12/29", &["pii.credit_card"]);
    check("card 4111 1111 1111 1111 12/29", &["pii.credit_card"]);
    check("378282246310005", &["pii.credit_card"]);
    check("5555-5555-5555-4444", &["pii.credit_card"]);
    check("card 4111 1111 1111 1112", &[]);
    check("4444444444444444", &[]);
}

#[test]
fn an_iban_must_satisfy_its_check_digits() {
    check("IBAN DE89 3704 0044 0532 0130 00", &["pii.iban"]);
    check("pay GB82WEST12345698765432 by Friday", &["pii.iban"]);
    check("NO93 8601 1117 947 is ours", &["pii.iban"]);
    check("de89370400440532013000", &["pii.iban"]);
    check("IBAN DE88 3704 0044 0532 0130 00", &[]);
}

#[test]
fn a_social_security_number_is_found() {
    check("SSN 123-45-6789.", &["pii.us_ssn"]);
    check(
        "000-12-3456 666-12-3456 912-34-5678 123-00-4567 123-45-0000",
        &[],
    );
    check("part no. 9123-45-67890", &[]);
}

#[test]
fn keys_and_tokens_are_found() {
    check("AKIAIOSFODNN7EXAMPLE", &["secret.aws_key"]);
    check(
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        &["secret.private_key"],
    );
    check(
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        &["secret.private_key"],
    );
    check("-----BEGIN CERTIFICATE-----", &[]);
    check(
        &format!("token=ghp_{}", "a1B2".repeat(9)),
        &["secret.github_token"],
    );
    check(
        &format!("key sk-proj-{}", "aB3d".repeat(8)),
        &["secret.openai_key"],
    );
    check(
        &format!("key sk-ant-api03-{}", "aB3d".repeat(8)),
        &["secret.anthropic_key"],
    );
    check(
        &format!("AIza{}", "SyD3x".repeat(7)),
        &["secret.google_api_key"],
    );
    check("the task-management-and-planning-committee met", &[]);
}

#[test]
fn look_alikes_and_invisible_characters_do_not_hide_it() {
    check(
        "card ４１１１ １１１１ １１１１ １１１１",
        &["pii.credit_card"],
    );
    check("jane\u{200b}.doe@exa\u{200b}mple.org", &["pii.email"]);
    check("SSN 123\u{2011}45\u{2011}6789", &["pii.us_ssn"]);
}

#[test]
fn a_decoy_does_not_hide_what_follows() {
    check("1234 4111 1111 1111 1111", &["pii.credit_card"]);
    check("XX00 DE89 3704 0044 0532 0130 00", &["pii.iban"]);
}

#[test]
fn several_kinds_are_each_named_once() {
    check(
        "a@b.io c@d.io 123-45-6789 987-65-4321",
        &["pii.email", "pii.us_ssn"],
    );
}

#[test]
fn a_long_text_of_near_misses_is_read_to_its_end() {
    let near = "4111-1111-1111-1112 a@b DE88 3704 0044 0532 0130 00 sk-sk-sk- ".repeat(4_000);
    check(&near, &[]);
    check(&format!("{near} 123-45-6789"), &["pii.us_ssn"]);
}
