//! The conversation as a page, complete in itself, that plays it again: nothing is loaded, and nothing but the player
//! runs. Without scripts it is simply read.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use throughline_model::{Session, Timestamp, Trace};

use super::sink::{Sink, Stop};
use super::turns::{Call, Line, Turn, plain};
use super::{Export, OpenTrace};
use crate::domain::visible::visible;

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
struct TurnHead<'a> {
    number: usize,
    trace: &'a Trace,
    time: String,
    /// When the session began.
    begin: Timestamp,
}

#[derive(Template)]
#[template(path = "export/lines.html")]
struct Lines<'a> {
    lines: &'a [Line],
    begin: Timestamp,
}

#[derive(Template)]
#[template(path = "export/turn_end.html")]
struct TurnEnd<'a> {
    errors: &'a [String],
    at: String,
}

impl TurnHead<'_> {
    /// Milliseconds after the beginning.
    fn after(&self, time: &Timestamp) -> String {
        offset(self.begin, *time)
    }
}

impl Lines<'_> {
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
    while let Some(mut open) = traces.next().await? {
        number += 1;
        write_turn(&mut open, number, begin, sink).await?;
    }
    sink.write(render(&Foot { time: minute(export.now), script: PLAYER })?).await
}

async fn write_turn(
    open: &mut OpenTrace<'_>,
    number: usize,
    begin: Timestamp,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let trace = open.trace.clone();
    let mut turn = Turn::new(&trace, number == 1);
    let head = TurnHead { number, time: minute(trace.start_time), trace: &trace, begin };
    sink.write(render(&head)?).await?;
    let mut lines = turn.asked();
    loop {
        sink.write(render(&Lines { lines: &lines, begin })?).await?;
        let observations = open.observations().await?;
        if observations.is_empty() {
            break;
        }
        lines = turn.steps(&observations);
    }
    sink.write(render(&Lines { lines: &turn.answered(), begin })?).await?;
    sink.write(render(&TurnEnd { errors: &turn.errors, at: offset(begin, trace.end_time) })?).await
}

/// What would reorder or hide other text is made visible, wherever in the page it stands.
fn render(template: &impl Template) -> Result<String, Stop> {
    template.render().map(|html| visible(&html)).map_err(|error| Stop::Write(error.to_string()))
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

/// Bytes of one text that the page shows; the whole of it is in the other formats.
const TEXT: usize = 64 * 1024;

impl Call {
    fn arguments_text(&self) -> String {
        bounded(&plain(&self.arguments))
    }
}

impl Line {
    /// The content in pieces, each with whether it stood between lines of three backticks.
    fn pieces(&self) -> Vec<(bool, String)> {
        let text = bounded(&self.content);
        let piece = |(i, part): (usize, &str)| {
            let is_code = i % 2 == 1;
            // The language after the backticks is no part of the code.
            let part = if is_code { part.split_once('\n').map_or(part, |(_, code)| code) } else { part };
            (is_code, part.trim_matches('\n').to_owned())
        };
        text.split("```").enumerate().map(piece).filter(|(_, part)| !part.trim().is_empty()).collect()
    }

    fn reasoning_text(&self) -> String {
        self.reasoning.as_deref().map(bounded).unwrap_or_default()
    }
}

fn bounded(text: &str) -> String {
    if text.len() <= TEXT {
        return text.to_owned();
    }
    let shown = &text[..text.floor_char_boundary(TEXT)];
    format!("{shown}\n… {} kB more, not on this page", (text.len() - shown.len()) / 1000)
}
