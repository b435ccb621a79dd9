//! The conversation as a page, complete in itself: no scripts, nothing loaded.

use askama::Template;
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
}

#[derive(Template)]
#[template(path = "export/turn.html")]
struct TurnSection<'a> {
    number: usize,
    turn: &'a Turn,
    time: String,
}

pub(super) async fn write(export: &Export, sink: &mut Sink) -> Result<(), Stop> {
    let session = &export.session;
    let title = session.title.as_deref().unwrap_or(session.id.as_str());
    sink.write(render(&Head { session, title, facts: facts(session) })?).await?;
    let mut traces = export.traces();
    let mut number = 0;
    while let Some(detail) = traces.next().await? {
        number += 1;
        let turn = Turn::of(&detail, number == 1);
        let section = TurnSection { number, time: minute(turn.start_time), turn: &turn };
        sink.write(render(&section)?).await?;
    }
    let exported = format!("<footer>Exported from Throughline, {}</footer>", minute(export.now));
    sink.write(format!("{exported}\n</main>\n</body>\n</html>\n")).await
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
