//! Columns stay columns, whatever is written into them.

use unicode_width::UnicodeWidthStr;

use super::{Side, fit};

#[track_caller]
fn check(text: &str, width: usize, expected: &str) {
    let fitted = fit(text, width, Side::Left);
    assert_eq!(fitted, expected);
    assert_eq!(fitted.width(), width);
}

#[test]
fn short_text_is_filled_and_long_text_is_cut() {
    check("tide", 6, "tide  ");
    check("tide table", 6, "tide… ");
    check("low tide", 5, "low… ");
    assert_eq!(fit("7", 3, Side::Right), "  7");
}

#[test]
fn what_breaks_a_line_or_does_not_show_is_left_out() {
    check("a\nb\tc", 6, "a b c ");
    check("4\u{200b}1\u{1b}[31m", 7, "41[31m ");
}

#[test]
fn wide_characters_take_two_columns() {
    check("潮の満ち", 5, "潮の…");
    check("潮の満ち", 8, "潮の満ち");
}
