//! The conversation as a page, complete in itself, that plays it again: nothing is loaded, and nothing but the player
//! runs. Without scripts it is simply read.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use throughline_model::{Session, Timestamp};

use super::Export;
use super::sink::{Sink, Stop};
use super::turns::{Call, Turn, plain};

#[derive(Template)]
#[template(path = "export/head.html")]
struct Head<'a> {
    session: &'a Session,
    title: &'a str,
    facts: Vec<(&'static str, String)>,
    /// What the page may do.
    policy: &'static str,
    /// Milliseconds.
    length: String,
}

#[derive(Template)]
#[template(path = "export/foot.html")]
struct Foot {
    time: String,
    script: &'static str,
}

/// The same that plays sessions on the dashboard.
const PLAYER: &str = include_str!("../../../assets/replay.js");

/// Allows the player by its hash, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(PLAYER));
    format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'")
});

#[derive(Template)]
#[template(path = "export/turn.html")]
struct TurnSection<'a> {
    number: usize,
    turn: &'a Turn,
    time: String,
    /// When the session began.
    begin: Timestamp,
}

impl TurnSection<'_> {
    /// Milliseconds after the beginning.
    fn after(&self, time: &Timestamp) -> String {
        offset(self.begin, *time)
    }
}

fn offset(begin: Timestamp, time: Timestamp) -> String {
    format!("{:.1}", time.nanos_since(begin).max(0) as f64 / 1e6)
}

pub(super) async fn write(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    let session = &export.session;
    let title = session.title.as_deref().unwrap_or(session.id.as_str());
    let begin = session.start_time;
    let head = Head {
        session,
        title,
        facts: facts(session),
        policy: &POLICY,
        length: offset(begin, session.end_time),
    };
    sink.write(render(&head)?).await?;
    let mut traces = export.traces();
    let mut number = 0;
    while let Some(detail) = traces.next().await? {
        number += 1;
        let turn = Turn::of(&detail, number == 1);
        let section = TurnSection { number, time: minute(turn.start_time), turn: &turn, begin };
        sink.write(render(&section)?).await?;
    }
    sink.write(render(&Foot { time: minute(export.now), script: PLAYER })?).await
}

fn render(template: &impl Template) -> Result<String, Stop> {
    template.render().map_err(|error| Stop::Write(error.to_string()))
}

fn facts(session: &Session) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Began", minute(session.start_time)),
        ("Took", length(session.duration)),
        ("Turns", session.trace_count.to_string()),
        ("Tokens", session.total_tokens.to_string()),
        ("Errors", session.error_count.to_string()),
    ];
    facts.extend(session.total_cost.map(|cost| ("Cost", format!("${:.4}", cost.dollars()))));
    facts.extend(session.user_id.clone().map(|user| ("User", user)));
    if !session.models.is_empty() {
        facts.push(("Models", session.models.join(", ")));
    }
    facts
}

/// `2024-01-15 10:30 UTC`
fn minute(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('T') {
        Some((date, clock)) => format!("{date} {} UTC", clock.get(..5).unwrap_or(clock)),
        None => text,
    }
}

/// Milliseconds in the two largest units that say something.
fn length(millis: f64) -> String {
    let seconds = (millis / 1000.0).round() as u64;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, 0) => format!("{} ms", millis.round()),
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

impl Call {
    fn arguments_text(&self) -> String {
        plain(&self.arguments)
    }
}
