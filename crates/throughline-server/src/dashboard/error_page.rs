//! What a reader sees when a page cannot be shown.

use askama::Template;

use super::frame::{Frame, Section, Visit};
use crate::http::ErrorView;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    headline: &'static str,
    advice: &'static str,
    message: &'a str,
    status: u16,
    request_id: &'a str,
}

/// The page of an error; handed to `http::finish` by `app`.
pub fn error_page(error: &ErrorView<'_>) -> String {
    let (headline, advice) = match error.status.as_u16() {
        404 => ("Not found", "It may have been deleted, or not have arrived yet."),
        400 => ("That did not work", "The address asks for something that cannot be read."),
        403 => ("Not from here", "The server answers only those it was told to."),
        503 => ("Not ready", "The server cannot do its work right now. Try again in a moment."),
        _ => ("Something went wrong", "The server's log has more under the request id below."),
    };
    let page = ErrorPage {
        frame: Visit::new(error.headers, error.address).frame(Section::Elsewhere, headline),
        headline,
        advice,
        message: error.message,
        status: error.status.as_u16(),
        request_id: error.request_id.as_str(),
    };
    page.render().unwrap_or_else(|_| headline.to_owned())
}
