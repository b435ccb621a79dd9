//! One id per request, so that a person can find in the log what a client saw.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue};

const NAME: &str = "x-request-id";
const LONGEST: usize = 128;

/// The id of a request: the client's own `x-request-id` if it is sane, else a generated one. Handlers get it with
/// `Extension<RequestId>`; every answer carries it in the same header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The id that came with the request, else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        headers
            .get(NAME)
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_sane(id))
            .map_or_else(Self::generate, |id| Self(id.to_owned()))
    }

    fn generate() -> Self {
        Self(format!("req_{:016x}", fastrand::u64(..)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn write_to(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            headers.insert(NAME, value);
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ids go into logs and pages as they are, so only plain characters are taken.
fn is_sane(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let of = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(NAME, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            RequestId::of(&headers)
        };
        assert_eq!(of("4bf92f35-77b3").as_str(), "4bf92f35-77b3");
        for odd in ["", "a b", "<script>", "é", &"x".repeat(129)] {
            assert!(of(odd).as_str().starts_with("req_"), "{odd:?} was kept");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
