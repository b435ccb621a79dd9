//! `throughline sessions`.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::Value;
use throughline_model::{Session, Trace};

use super::client::Client;
use super::failure::Failure;
use super::settings::ForClient;
use super::terminal::{cost, duration, plain, short, table, time};

#[derive(Debug, Args)]
pub(super) struct Sessions {
    #[command(flatten)]
    pub(super) client: ForClient,
    #[command(subcommand)]
    pub(super) action: Action,
}

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List sessions, those with the latest activity first.
    List(List),
    /// Show one session and its traces.
    Show {
        /// The session's id.
        id: String,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write one session, with everything in it, to a file or standard output.
    Export {
        /// The session's id.
        id: String,
        /// What to write.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// Where to write it; standard output if not given.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Delete a session with all its traces and events.
    Delete {
        /// The session's id.
        id: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Which ones, in the filter language: `user:alice error:true cost:>0.10`.
    filter: Vec<String>,
    /// How many.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    limit: u32,
    /// In which order: startTime, endTime, duration, totalTokens, totalCost, errorCount or traceCount; a minus turns
    /// it round.
    #[arg(long, default_value = "-endTime", value_name = "FIELD", allow_hyphen_values = true)]
    sort: String,
    /// Only those active at or after this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only those begun before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Print the API's JSON, one session per line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum Format {
    /// One document.
    #[default]
    Json,
    /// One line per trace, observation and event.
    Ndjson,
    /// The spans as they were received, as OpenTelemetry's protobuf: any OpenTelemetry server takes it in.
    Otlp,
    /// The same as OpenTelemetry's JSON.
    OtlpJson,
    /// Messages per turn.
    Chat,
    /// A page that replays the session by itself.
    Html,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    data: Vec<Value>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    #[serde(flatten)]
    session: Session,
    #[serde(default)]
    traces: Vec<Trace>,
}

pub(super) fn run(client: &Client, action: Action) -> Result<(), Failure> {
    match action {
        Action::List(options) => list(client, &options),
        Action::Show { id, json } => show(client, &id, json),
        Action::Export { id, format, output } => export(client, &id, format, output.as_deref()),
        Action::Delete { id, yes } => delete(client, &id, yes),
    }
}

fn list(client: &Client, options: &List) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut cursor: Option<String> = None;
    let filter = options.filter.join(" ");
    while rows.len() < options.limit as usize {
        let limit = (options.limit as usize - rows.len()).min(1000).to_string();
        let mut query = vec![("filter", filter.as_str()), ("sort", &options.sort), ("limit", &limit)];
        let optional = [("from", &options.from), ("to", &options.to), ("cursor", &cursor)];
        query.extend(optional.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
        let page: Page = client.get_json(&["sessions"], &query)?;
        rows.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if options.json {
        let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
        return print(&lines);
    }
    let sessions: Vec<Session> =
        rows.into_iter().map(serde_json::from_value).collect::<Result<_, _>>().map_err(|error| {
            Failure::new(format!("the server's answer is not what was expected: {error}"))
        })?;
    if sessions.is_empty() {
        eprintln!("no sessions{}", if filter.is_empty() { " yet" } else { " match" });
        return Ok(());
    }
    print(&session_table(&sessions))?;
    if cursor.is_some() {
        eprintln!("there are more; see them with --limit {}", options.limit.saturating_mul(5));
    }
    Ok(())
}

fn session_table(sessions: &[Session]) -> String {
    let row = |session: &Session| {
        vec![
            short(session.id.as_str(), 40),
            short(session.user_id.as_deref().unwrap_or("-"), 24),
            time(session.end_time),
            duration(session.duration),
            session.trace_count.to_string(),
            session.total_tokens.to_string(),
            cost(session.total_cost),
            session.error_count.to_string(),
            session.state.as_str().to_owned(),
            short(session.title.as_deref().unwrap_or("-"), 48),
        ]
    };
    let headings = [
        "SESSION",
        "USER",
        "LAST ACTIVE",
        "DURATION",
        "TRACES",
        "TOKENS",
        "COST",
        "ERRORS",
        "STATE",
        "TITLE",
    ];
    table(&headings, &sessions.iter().map(row).collect::<Vec<_>>())
}

fn show(client: &Client, id: &str, json: bool) -> Result<(), Failure> {
    if json {
        let session: Value = client.get_json(&["sessions", id], &[])?;
        return print(&format!("{session:#}\n"));
    }
    let Detail { session, traces } = client.get_json(&["sessions", id], &[])?;
    let mut text = session_table(std::slice::from_ref(&session));
    if !session.models.is_empty() {
        text += &format!("\nModels: {}\n", plain(&session.models.join(", ")));
    }
    if !session.services.is_empty() {
        text += &format!("Services: {}\n", plain(&session.services.join(", ")));
    }
    let row = |trace: &Trace| {
        vec![
            trace.id.to_string(),
            time(trace.start_time),
            duration(trace.duration),
            trace.observation_count.to_string(),
            trace.total_tokens.to_string(),
            cost(trace.total_cost),
            trace.error_count.to_string(),
            short(&trace.name, 40),
        ]
    };
    if !traces.is_empty() {
        let headings = ["TRACE", "STARTED", "DURATION", "OBSERVATIONS", "TOKENS", "COST", "ERRORS", "NAME"];
        text += &format!("\n{}", table(&headings, &traces.iter().map(row).collect::<Vec<_>>()));
    }
    print(&text)
}

fn export(client: &Client, id: &str, format: Format, output: Option<&Path>) -> Result<(), Failure> {
    let query: &[(&str, &str)] = match format {
        Format::Json => &[("format", "json")],
        Format::Ndjson => &[("format", "ndjson")],
        Format::Otlp => &[("format", "otlp")],
        Format::OtlpJson => &[("format", "otlp"), ("encoding", "json")],
        Format::Chat => &[("format", "chat")],
        Format::Html => &[("format", "html")],
    };
    let mut body = client.get(&["sessions", id, "export"], query)?.into_body().into_reader();
    match output {
        None => io::copy(&mut body, &mut io::stdout().lock()).map(drop).or_else(closed_pipe)?,
        Some(path) => {
            let named = |error: io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
            let mut file = File::create(path).map_err(named)?;
            let bytes = io::copy(&mut body, &mut file).map_err(named)?;
            eprintln!("wrote {bytes} bytes to {}", path.display());
        }
    }
    Ok(())
}

fn delete(client: &Client, id: &str, yes: bool) -> Result<(), Failure> {
    let session: Session = client.get_json(&["sessions", id], &[])?;
    if !yes {
        if !io::stdin().is_terminal() {
            return Err(
                Failure::new("nobody is there to ask whether to delete").next("give --yes if you mean it")
            );
        }
        let counts = format!("{} traces and {} events, for good", session.trace_count, session.event_count);
        eprint!("Delete session {} with {counts}? [y/N] ", plain(id));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Err(Failure::new("nothing was deleted"));
        }
    }
    client.delete(&["sessions", id])?;
    eprintln!("deleted {}", plain(id));
    Ok(())
}

/// Writes to standard output; colours only where they will be seen.
fn print(text: &str) -> Result<(), Failure> {
    anstream::stdout().write_all(text.as_bytes()).or_else(closed_pipe)?;
    Ok(())
}

/// `… | head` is no failure.
pub(super) fn closed_pipe(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}
