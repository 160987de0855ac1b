//! Secrets: keys and tokens whose issuers gave them a shape that can be recognised.

use super::{Candidate, Detector};

pub(super) static DETECTORS: &[Detector] = &[
    Detector {
        label: "secret.private_key",
        // PEM of any kind, OpenSSH's and PGP's included.
        pattern: r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
        check: |_| true,
    },
    Detector {
        label: "secret.aws_key",
        pattern: r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
        check: |c| c.stands_alone(),
    },
    Detector {
        label: "secret.github_token",
        pattern: r"gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        check: starts_fresh,
    },
    Detector {
        label: "secret.gitlab_token",
        pattern: r"glpat-[A-Za-z0-9_-]{20,64}",
        check: starts_fresh,
    },
    Detector {
        label: "secret.openai_key",
        pattern: r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,200}",
        check: |c| {
            starts_fresh(c) && has_digit_and_letter(c.found) && !c.found.starts_with(b"sk-ant-")
        },
    },
    Detector {
        label: "secret.anthropic_key",
        pattern: r"sk-ant-[A-Za-z0-9_-]{20,200}",
        check: starts_fresh,
    },
    Detector {
        label: "secret.google_api_key",
        pattern: r"AIza[A-Za-z0-9_-]{35}",
        check: starts_fresh,
    },
    Detector {
        label: "secret.slack_token",
        pattern: r"xox[abeoprs]-[A-Za-z0-9-]{10,250}",
        check: starts_fresh,
    },
    Detector {
        label: "secret.stripe_key",
        pattern: r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,250}",
        check: starts_fresh,
    },
    Detector {
        label: "secret.hugging_face_token",
        pattern: r"hf_[A-Za-z0-9]{30,64}",
        check: starts_fresh,
    },
    Detector {
        label: "secret.jwt",
        // Header and payload are base64url of JSON objects, so both begin with `{"`. The start of
        // the payload is enough: a bound on the rest would only let long tokens pass.
        pattern: r"\beyJ[A-Za-z0-9_-]{8,512}\.eyJ[A-Za-z0-9_-]{8}",
        check: |_| true,
    },
];

/// Whether it begins here, and is not the middle of a longer word.
fn starts_fresh(candidate: &Candidate<'_>) -> bool {
    candidate.before.is_none_or(|b| !b.is_ascii_alphanumeric())
}

fn has_digit_and_letter(found: &[u8]) -> bool {
    found.iter().any(u8::is_ascii_digit) && found.iter().any(u8::is_ascii_uppercase)
}
