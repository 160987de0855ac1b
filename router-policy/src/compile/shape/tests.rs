//! What is too deep is refused before anything recurses, and quotes hide nothing.

use super::*;

fn check_refused(text: &str, at: usize, expected: &str) {
    let Misshapen { at: found, message } = check(text).unwrap_err();
    assert!(message.contains(expected), "{message}");
    assert_eq!(found, at, "{message}");
}

#[test]
fn what_people_write_passes() {
    for text in [
        "request.labels.exists(l, l.startsWith(\"pii.\") || l.startsWith(\"secret.\"))",
        "request.app in [\"a-very-long.name.with.dots.and-dashes.of.forty.parts\", 'it\\'s']",
        "a.b == 1 && (c.d >= 0.5 || !(e.f && g.h)) ? i.j : k.l // a remark with \" in it\n && m.n",
        "",
    ] {
        assert_eq!(check(text), Ok(()), "{text}");
    }
    let wide = vec!["request.tokens > 1"; 500].join(" && ");
    assert_eq!(check(&wide), Ok(()));
    let listed = format!("request.app in [{}]", vec!["'a.b'"; 500].join(", "));
    assert_eq!(check(&listed), Ok(()));
}

#[test]
fn every_kind_of_chain_is_bounded() {
    for link in [
        ".a", "[0]", ".size()", " == 1", "<1", " in a", "+1", "? b : c", "?b&&c:d", "(", "-",
    ] {
        let text = format!("a{}", link.repeat(100));
        let message = check(&text).unwrap_err().message;
        assert!(message.contains("nests more than"), "{link}: {message}");
    }
}

#[test]
fn a_string_neither_counts_nor_hides_a_chain() {
    let hidden = format!("a{}", " == '&&'".repeat(100));
    assert!(check(&hidden).is_err());
    check_refused("a == \"\\q\"", 6, "escape is not supported");
    check_refused("a == \"b", 5, "does not end");
    check_refused("a == 'b\n'", 5, "does not end");
    check_refused("a == r\"b\"", 6, "raw and byte strings");
    check_refused("a == \"\"\"b\"\"\"", 5, "three quotes");
    check_refused("a == `b`", 5, "has no meaning");
    check_refused("a == é", 5, "has no meaning");
}
