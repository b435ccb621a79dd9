//! The grammar of event names: segments of ASCII letters, digits, `_` and `-`, joined by dots.

/// The longest name that is taken.
const MAX_LEN: usize = 200;

/// The grammar in words.
pub(crate) const GRAMMAR: &str = "use segments of letters, digits, _ and -, joined by dots";
/// Which names nobody may register, in words.
pub(crate) const RESERVED: &str = "segments that begin with __ are reserved";

/// Whether a segment of the name is reserved.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.split('.').any(|segment| segment.starts_with("__"))
}

/// Whether this is a name. `const`, so that the macros refuse a bad one when they are compiled.
#[doc(hidden)]
pub const fn is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_LEN {
        return false;
    }
    let (mut at, mut segment_is_empty) = (0, true);
    while at < bytes.len() {
        match bytes[at] {
            b'.' if segment_is_empty => return false,
            b'.' => segment_is_empty = true,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => segment_is_empty = false,
            _ => return false,
        }
        at += 1;
    }
    !segment_is_empty
}

/// The nearest name: what is not allowed becomes `_`.
pub(crate) fn repair(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let repaired: String = name.chars().take(MAX_LEN).map(|c| if allowed(c) { c } else { '_' }).collect();
    let segments: Vec<_> = repaired.split('.').filter(|segment| !segment.is_empty()).collect();
    if segments.is_empty() { "unnamed".to_owned() } else { segments.join(".") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_valid, repair};

    #[test]
    fn names_are_dotted_segments() {
        for good in ["a", "order.shipped", "rate_limit.approaching", "user-profile.v2.Updated"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a:b", "größe", "a\n"] {
            assert!(!is_valid(bad), "{bad}");
        }
        assert_eq!(repair("a b..c:d."), "a_b.c_d");
    }

    proptest! {
        #[test]
        fn a_repaired_name_is_valid_and_a_valid_one_stays(name in "[a-z. :ü]{0,300}") {
            prop_assert!(is_valid(&repair(&name)));
            prop_assert!(!is_valid(&name) || repair(&name) == name);
        }
    }
}
