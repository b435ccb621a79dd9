//! The files that pages load, embedded in the binary. Their address holds a hash over all of them, so browsers may
//! keep them for ever and modules can import each other by relative names.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::IntoResponse;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use crate::http::Error;

const CSS: &str = concat!(
    include_str!("../../assets/base.css"),
    include_str!("../../assets/lists.css"),
    include_str!("../../assets/session.css"),
    include_str!("../../assets/trace.css"),
    include_str!("../../assets/analytics.css"),
    include_str!("../../assets/replay.css"),
);

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type, content.
const FILES: [(&str, &str, &str); 12] = [
    ("app.css", "text/css; charset=utf-8", CSS),
    ("app.js", JAVASCRIPT, include_str!("../../assets/app.js")),
    ("arrivals.js", JAVASCRIPT, include_str!("../../assets/arrivals.js")),
    ("copy.js", JAVASCRIPT, include_str!("../../assets/copy.js")),
    ("keys.js", JAVASCRIPT, include_str!("../../assets/keys.js")),
    ("live.js", JAVASCRIPT, include_str!("../../assets/live.js")),
    ("logo.svg", "image/svg+xml", include_str!("../../assets/logo.svg")),
    ("menus.js", JAVASCRIPT, include_str!("../../assets/menus.js")),
    ("replay.js", JAVASCRIPT, include_str!("../../assets/replay.js")),
    ("swap.js", JAVASCRIPT, include_str!("../../assets/swap.js")),
    ("theme.js", JAVASCRIPT, include_str!("../../assets/theme.js")),
    ("times.js", JAVASCRIPT, include_str!("../../assets/times.js")),
];

/// A constant of the binary, worked out once.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    FILES.iter().for_each(|(_, _, content)| hash.update(content));
    hash.finalize().iter().take(6).fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        write!(hex, "{byte:02x}").unwrap_or_default();
        hex
    })
});

/// The address of an embedded file.
pub(super) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// `GET /assets/{version}/{name}`
pub(super) async fn asset(Path((version, name)): Path<(String, String)>) -> Result<impl IntoResponse, Error> {
    let file = FILES.iter().find(|(known, ..)| *known == name);
    let (_, kind, content) = file.ok_or_else(|| Error::not_found("no such asset"))?;
    // A page of another version of the binary may still be open: it gets today's file, but must not keep it.
    let caching = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-store" };
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static(kind)), (CACHE_CONTROL, HeaderValue::from_static(caching))];
    Ok((headers, *content))
}
