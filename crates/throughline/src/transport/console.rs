//! For people and log collectors that read a terminal.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::{Item, SendError, Transport};
use crate::{Envelope, Level, Span, Status};

/// Writes a line for each event and span: for people, or as JSON.
///
/// Text from events is shown, never obeyed: control characters, which could move the cursor or recolour the terminal,
/// are written as escapes.
///
/// ```
/// use throughline::transport::Console;
/// let for_people = Console::pretty();
/// let for_collectors = Console::json();
/// let into_a_file = Console::json().to(std::io::sink());
/// ```
pub struct Console {
    format: Format,
    colours: bool,
    to: Box<dyn Write + Send>,
    /// Those of the last batch: their memory is used again.
    lines: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Format {
    Pretty,
    Json,
}

impl Console {
    /// For people, to standard error; with colours if that is a terminal.
    pub fn pretty() -> Self {
        Self {
            format: Format::Pretty,
            colours: io::stderr().is_terminal(),
            to: Box::new(io::stderr()),
            lines: Vec::new(),
        }
    }

    /// One JSON object a line, to standard output.
    pub fn json() -> Self {
        Self { format: Format::Json, colours: false, to: Box::new(io::stdout()), lines: Vec::new() }
    }

    /// To somewhere else; without colours unless asked for afterwards.
    #[must_use]
    pub fn to(mut self, to: impl Write + Send + 'static) -> Self {
        self.to = Box::new(to);
        self.colours = false;
        self
    }

    /// With or without colours, whatever it writes to.
    #[must_use]
    pub const fn colours(mut self, colours: bool) -> Self {
        self.colours = colours;
        self
    }

    fn put_line(&self, item: &Item, lines: &mut Vec<u8>) {
        let pretty = Pretty { colours: self.colours };
        match (self.format, item) {
            (Format::Json, item) => item.write_json(lines),
            (Format::Pretty, Item::Event(event)) => lines.extend(pretty.event(event).into_bytes()),
            (Format::Pretty, Item::Span(span)) => lines.extend(pretty.span(span).into_bytes()),
        }
        lines.push(b'\n');
    }
}

impl Transport for Console {
    fn name(&self) -> &str {
        "console"
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        batch.iter().for_each(|item| self.put_line(item, &mut lines));
        let written = self.to.write_all(&lines).and_then(|()| self.to.flush());
        self.lines = lines;
        // A reader that is gone does not come back.
        written.map_err(|error| SendError::refused(error.to_string()))
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("colours", &self.colours).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct Pretty {
    colours: bool,
}

const DIM: &str = "2";
const BOLD: &str = "1";

impl Pretty {
    fn event(self, event: &Envelope) -> String {
        let mut line = self.begin(&event.time.to_string(), event.level, &event.name);
        if let Some(session) = event.session_id.as_ref().filter(|_| !event.standalone) {
            self.pair(&mut line, "session", session.as_str());
        }
        if let Some(actor) = &event.actor {
            let id = actor.id.as_ref().map_or(String::new(), |id| format!(":{id}"));
            self.pair(&mut line, "actor", &format!("{}{id}", actor.kind));
        }
        if let Some(scope) = &event.scope {
            self.pair(&mut line, "scope", &format!("{}:{}", scope.kind, scope.id));
        }
        self.attributes(&mut line, &event.attributes);
        if let Some(error) = &event.error {
            self.error(&mut line, error);
        }
        line
    }

    fn span(self, span: &Span) -> String {
        let mut line = self.begin(&span.end_time.to_string(), span.level, &span.name);
        self.pair(&mut line, "trace", &span.trace_id.to_string());
        let millis = throughline_model::millis(span.end_time.nanos_since(span.start_time));
        self.pair(&mut line, span.kind.as_str(), &format!("{millis:.1}ms"));
        if span.status != Status::Unset {
            self.pair(&mut line, "status", span.status.as_str());
        }
        self.attributes(&mut line, &span.attributes);
        if let Some(error) = &span.error {
            self.error(&mut line, error);
        }
        line
    }

    fn begin(self, time: &str, level: Level, name: &str) -> String {
        let colour = match level {
            Level::Debug => DIM,
            Level::Info => "32",
            Level::Warn => "33",
            Level::Error => "31",
            Level::Fatal => "1;31",
        };
        let level = self.paint(colour, &format!("{:<5}", level.as_str().to_uppercase()));
        format!("{} {level} {}", self.paint(DIM, time), self.paint(BOLD, &escape(name)))
    }

    fn attributes(self, line: &mut String, attributes: &crate::Attributes) {
        for (key, value) in attributes {
            match value {
                Value::String(text) => self.pair(line, key, text),
                other => self.pair(line, key, &other.to_string()),
            }
        }
    }

    fn error(self, line: &mut String, error: &crate::ErrorInfo) {
        let code = error.code.as_ref().map_or(String::new(), |code| format!(" ({code})"));
        let text = escape(&format!("{}: {}{code}", error.name, error.message));
        write!(line, "\n    {}", self.paint("31", &text)).ok();
        for cause in error.stack.iter().flat_map(|stack| stack.lines()) {
            write!(line, "\n      {}", self.paint(DIM, &escape(cause))).ok();
        }
    }

    fn pair(self, line: &mut String, key: &str, value: &str) {
        let value = escape(value);
        let quoted = value.contains(' ') || value.is_empty();
        let value = if quoted { format!("\"{value}\"") } else { value };
        write!(line, " {}{value}", self.paint(DIM, &format!("{}=", escape(key)))).ok();
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Control characters as escapes, and those that reorder text: what is left only shows.
fn escape(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if obeyed(c) {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
        shown
    })
}
