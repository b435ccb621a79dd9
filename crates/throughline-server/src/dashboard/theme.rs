//! Light or dark: kept in a cookie, so that the first paint is right.

use axum::Form;
use axum::response::{IntoResponse, Redirect};
use http::HeaderMap;
use http::header::{COOKIE, SET_COOKIE};
use serde::Deserialize;

/// What the reader chose; without a choice the system's setting holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let chosen =
            cookies.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix("theme="));
        chosen.map_or(Self::System, Self::named)
    }

    fn named(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// The value of `data-theme`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::System => "",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// What the button chooses when JavaScript, which knows the system's setting, does not do it.
    pub(super) const fn other(self) -> &'static str {
        match self {
            Self::Dark => "light",
            Self::System | Self::Light => "dark",
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    theme: String,
    #[serde(default)]
    back: String,
}

/// `POST /theme`
pub(super) async fn choose(Form(choice): Form<Choice>) -> impl IntoResponse {
    let theme = Theme::named(&choice.theme).as_str();
    let cookie = format!("theme={theme}; Path=/; Max-Age=31536000; SameSite=Lax");
    ([(SET_COOKIE, cookie)], Redirect::to(local(&choice.back)))
}

/// The path if it stays on this server.
fn local(path: &str) -> &str {
    let stays = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if stays { path } else { "/sessions" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_stays_here() {
        assert_eq!(local("/sessions?filter=a"), "/sessions?filter=a");
        for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", ""] {
            assert_eq!(local(elsewhere), "/sessions");
        }
    }

    #[test]
    fn the_choice_is_found_among_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=b; theme=dark; c=d".parse().unwrap());
        assert_eq!(Theme::of(&headers), Theme::Dark);
    }
}
