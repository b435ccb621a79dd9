//! `throughline tail`.

use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;

use clap::Args;
use throughline_model::{Event, Level, Observation};

use super::client::Client;
use super::failure::Failure;
use super::settings::ForClient;
use super::terminal::{DIM, cost, duration, level, plain, short};

const RECONNECT: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Tail {
    #[command(flatten)]
    pub(super) client: ForClient,
    #[command(flatten)]
    pub(super) options: Options,
}

#[derive(Debug, Args)]
pub(super) struct Options {
    /// What to follow, in the filter language: `level:>=warn user:alice`; everything if not given.
    filter: Vec<String>,
    /// Print the API's JSON, one record per line.
    #[arg(long)]
    json: bool,
}

/// Prints until interrupted. A server that goes away is waited for.
pub(super) fn run(client: &Client, options: &Options) -> Result<(), Failure> {
    let filter = options.filter.join(" ");
    let query = [("filter", filter.as_str())];
    let mut stream = client.get(&["stream"], &query)?;
    eprintln!("following {}; Ctrl-C ends", client.server);
    loop {
        match follow(BufReader::new(stream.into_body().into_reader()), options.json) {
            Ok(()) => {}
            Err(Broken::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(Broken::Output(error)) => return Err(error.into()),
            Err(Broken::Stream(error)) => eprintln!("the stream broke off: {error}"),
        }
        eprintln!("waiting for {}", client.server);
        stream = loop {
            std::thread::sleep(RECONNECT);
            if let Ok(stream) = client.get(&["stream"], &query) {
                break stream;
            }
        };
        eprintln!("connected again; what arrived in between is not shown");
    }
}

enum Broken {
    Stream(io::Error),
    Output(io::Error),
}

/// Reads server-sent events until the stream ends.
fn follow(stream: impl BufRead, json: bool) -> Result<(), Broken> {
    let mut out = anstream::stdout();
    let (mut kind, mut data) = (String::new(), String::new());
    for line in stream.lines() {
        let line = line.map_err(Broken::Stream)?;
        match line.split_once(':').map(|(field, value)| (field, value.strip_prefix(' ').unwrap_or(value))) {
            Some(("event", value)) => value.clone_into(&mut kind),
            Some(("data", value)) => {
                if !data.is_empty() {
                    data.push('\n');
                }
                data.push_str(value);
            }
            None if line.is_empty() && !data.is_empty() => {
                let shown = if json { format!("{data}\n") } else { pretty(&kind, &data) };
                out.write_all(shown.as_bytes()).and_then(|()| out.flush()).map_err(Broken::Output)?;
                kind.clear();
                data.clear();
            }
            _ => {}
        }
    }
    Ok(())
}

/// One line for a person. What is not understood is shown as it came.
fn pretty(kind: &str, data: &str) -> String {
    if let Ok(observation) = serde_json::from_str::<Observation>(data) {
        return observation_line(&observation);
    }
    match serde_json::from_str::<Event>(data) {
        Ok(event) => event_line(&event),
        Err(_) => format!("{DIM}{} {}{DIM:#}\n", plain(kind), short(data, 200)),
    }
}

fn observation_line(observation: &Observation) -> String {
    let mut parts = vec![duration(observation.duration)];
    parts.extend(observation.model.as_deref().map(|model| short(model, 40)));
    parts.extend(observation.total_tokens.map(|tokens| format!("{tokens} tokens")));
    parts.extend(observation.cost.is_some().then(|| cost(observation.cost)));
    let failure = observation.error.as_ref().map(|error| error.message.as_str());
    let failure = failure.or(observation.status_message.as_deref());
    parts.extend(failure.map(|message| short(message, 80)));
    let failed = if observation.is_error() { Level::Error } else { observation.level };
    line(
        &observation.end_time.to_string(),
        failed,
        (observation.kind.as_str(), &observation.name),
        &parts,
        observation.session_id.as_ref().map(throughline_model::SessionId::as_str),
    )
}

fn event_line(event: &Event) -> String {
    let mut parts = vec![plain(&event.service).into_owned()];
    parts.extend(event.error.as_ref().map(|error| short(&format!("{}: {}", error.name, error.message), 80)));
    let attributes = event.attributes.iter().take(4);
    parts.extend(attributes.map(|(key, value)| short(&format!("{key}={value}"), 40)));
    line(
        &event.time.to_string(),
        event.level,
        (event.level.as_str(), &event.name),
        &parts,
        event.session_id.as_ref().map(throughline_model::SessionId::as_str),
    )
}

fn line(
    time: &str,
    severity: Level,
    (kind, name): (&str, &str),
    parts: &[String],
    session: Option<&str>,
) -> String {
    let style = level(severity);
    let clock = time.get(11..23).unwrap_or(time);
    let session = session.map_or_else(String::new, |id| format!("  {DIM}{}{DIM:#}", short(id, 40)));
    format!(
        "{DIM}{clock}{DIM:#}  {style}{kind:<10}  {}{style:#}  {}{session}\n",
        short(name, 60),
        parts.join("  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_and_cannot_colour_the_terminal() {
        let event = r#"{"id":"e","name":"a.b","time":"2026-11-21T10:00:00.500Z","level":"info","service":"s\u001b[31m",
            "environment":"x","sessionId":"sess","attributes":{"k":"line\nbreak"}}"#;
        let shown = anstream::adapter::strip_str(&pretty("event", event)).to_string();
        assert_eq!(shown, "10:00:00.500  info        a.b  s\u{fffd}[31m  k=\"line\\nbreak\"  sess\n");
    }
}
