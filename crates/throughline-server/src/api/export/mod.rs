//! A session as a file, written page by page as it is read: never the whole in memory.

mod chat;
mod html;
mod json;
mod otlp;
mod sink;
mod turns;

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::Response;
use serde::Deserialize;
use throughline_model::{Event, Observation, ProjectId, Session, SessionId, SpanId, Timestamp, Trace};
use utoipa::IntoParams;

use super::errors::{InvalidRequest, ReadFailed, UnknownSession};
use super::params::{self, Params, SessionPath, given, refuse};
use super::sessions;
use crate::domain::query::{Cursor, TraceDetail};
use crate::http::{Error, Project, State};
use crate::store::Store;
use sink::{Sink, Stop};

/// Rows asked of the store at a time.
const PAGE: usize = 200;
/// Observations of one trace that are read at once.
const PIECE: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Ndjson,
    Otlp,
    Chat,
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

/// How to write the session.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportParams {
    /// `json` (if not given): `{"session":{},"traces":[{"observations":[],"events":[]}],"events":[]}`. `ndjson`: one
    /// object per line, the session first, then traces, observations and events in order of time, told apart by `kind`.
    /// `otlp`: the spans as they were received, an OpenTelemetry `TracesData` message, ready to be sent to any OTLP
    /// endpoint. `chat`: what was said in each turn. `html`: a page that plays the conversation again, complete
    /// in itself.
    format: Option<String>,
    /// Only with `format=otlp`: `protobuf` (if not given) or `json`.
    encoding: Option<String>,
}

/// What is exported, and where from.
struct Export {
    store: Arc<dyn Store>,
    project: ProjectId,
    id: SessionId,
    session: Session,
    now: Timestamp,
}

/// Export a session
///
/// The whole session as a file, however large it is. If the server fails half-way the connection is cut, so that half a
/// file cannot pass for a whole one.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{id}/export",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id, percent-encoded"), ExportParams),
    responses(
        (
            status = 200,
            description = "The session",
            content((serde_json::Value = "application/json"), (String = "application/x-ndjson"),
                (Vec<u8> = "application/x-protobuf"), (String = "text/html"))
        ),
        InvalidRequest, UnknownSession, ReadFailed
    )
)]
pub(super) async fn export_session(
    Extract(state): Extract<State>,
    Project(project): Project,
    SessionPath(id): SessionPath,
    Params(params): Params<ExportParams>,
) -> Result<Response, Error> {
    let (format, encoding) = params.read()?;
    let session = sessions::known(&state, &project, &id).await?;
    let file_name = file_name(&id, format.extension(encoding));
    let export = Export { store: state.store, project, id, session, now: state.clock.now() };
    let (sink, body) = Sink::new();
    tokio::spawn(export.run(format, encoding, sink));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type(encoding)));
    let disposition =
        HeaderValue::try_from(format!("attachment; filename=\"{file_name}\"")).map_err(Error::internal)?;
    headers.insert(CONTENT_DISPOSITION, disposition);
    if format == Format::Html {
        // the page brings its own style and nothing else; nothing in it may run
        let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    Ok(response)
}

/// Export a session (short address)
///
/// The same as `/api/v1/sessions/{id}/export`.
#[utoipa::path(
    get,
    path = "/observability/sessions/{id}/export",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id, percent-encoded"), ExportParams),
    responses(
        (status = 200, description = "The session", content_type = "application/json", body = serde_json::Value),
        InvalidRequest, UnknownSession, ReadFailed
    )
)]
pub(super) async fn export_session_short(
    state: Extract<State>,
    project: Project,
    session: SessionPath,
    params: Params<ExportParams>,
) -> Result<Response, Error> {
    export_session(state, project, session, params).await
}

impl ExportParams {
    fn read(&self) -> Result<(Format, Encoding), Error> {
        const FORMATS: &[(&str, Format)] = &[
            ("json", Format::Json),
            ("ndjson", Format::Ndjson),
            ("otlp", Format::Otlp),
            ("chat", Format::Chat),
            ("html", Format::Html),
        ];
        const ENCODINGS: &[(&str, Encoding)] = &[("protobuf", Encoding::Protobuf), ("json", Encoding::Json)];
        let format = params::choice("format", self.format.as_ref(), FORMATS)?;
        let encoding = params::choice("encoding", self.encoding.as_ref(), ENCODINGS)?;
        match given(self.encoding.as_ref()) {
            Some(text) if format != Format::Otlp => {
                Err(refuse("encoding", text, "it only together with format=otlp"))
            }
            _ => Ok((format, encoding)),
        }
    }
}

impl Format {
    const fn extension(self, encoding: Encoding) -> &'static str {
        match (self, encoding) {
            (Self::Json, _) => "json",
            (Self::Ndjson, _) => "ndjson",
            (Self::Otlp, Encoding::Protobuf) => "otlp.pb",
            (Self::Otlp, Encoding::Json) => "otlp.json",
            (Self::Chat, _) => "chat.json",
            (Self::Html, _) => "html",
        }
    }

    const fn content_type(self, encoding: Encoding) -> &'static str {
        match (self, encoding) {
            (Self::Json | Self::Chat, _) | (Self::Otlp, Encoding::Json) => "application/json",
            (Self::Ndjson, _) => "application/x-ndjson",
            (Self::Otlp, Encoding::Protobuf) => "application/x-protobuf",
            (Self::Html, _) => "text/html; charset=utf-8",
        }
    }
}

impl Export {
    async fn run(self, format: Format, encoding: Encoding, mut sink: Sink) {
        let outcome = self.write(format, encoding, &mut sink).await;
        sink.finish(outcome).await;
    }

    async fn write(&self, format: Format, encoding: Encoding, sink: &mut Sink) -> Result<(), Stop> {
        match (format, encoding) {
            (Format::Json, _) => json::write(self, sink).await,
            (Format::Ndjson, _) => json::write_lines(self, sink).await,
            (Format::Otlp, Encoding::Protobuf) => otlp::write_protobuf(self, sink).await,
            (Format::Otlp, Encoding::Json) => otlp::write_json(self, sink).await,
            (Format::Chat, _) => chat::write(self, sink).await,
            (Format::Html, _) => html::write(self, sink).await,
        }
    }
}

/// The traces of the exported session, read a page at a time.
struct Traces<'a> {
    export: &'a Export,
    page: std::vec::IntoIter<Trace>,
    next: Option<Option<Cursor>>,
}

/// A trace that is being written. Small ones are read at once; large ones in pieces, never whole.
struct OpenTrace<'a> {
    export: &'a Export,
    trace: Trace,
    events: Vec<Event>,
    read: Vec<Observation>,
    unread: std::vec::IntoIter<SpanId>,
}

impl Export {
    fn traces(&self) -> Traces<'_> {
        Traces { export: self, page: Vec::new().into_iter(), next: Some(None) }
    }
}

impl<'a> Traces<'a> {
    /// The next trace with what is in it; traces deleted meanwhile are passed over.
    async fn next(&mut self) -> Result<Option<OpenTrace<'a>>, Stop> {
        while let Some(trace) = self.next_summary().await? {
            if let Some(open) = OpenTrace::read(self.export, &trace).await? {
                return Ok(Some(open));
            }
        }
        Ok(None)
    }

    /// The next trace as lists show it.
    async fn next_summary(&mut self) -> Result<Option<Trace>, Stop> {
        let Export { store, project, id, .. } = self.export;
        loop {
            if let Some(trace) = self.page.next() {
                return Ok(Some(trace));
            }
            let Some(after) = self.next.take() else { return Ok(None) };
            let page = store.session_traces(project, id, after.as_ref(), PAGE).await?;
            self.next = page.next.map(Some);
            self.page = page.rows.into_iter();
        }
    }
}

impl<'a> OpenTrace<'a> {
    async fn read(export: &'a Export, trace: &Trace) -> Result<Option<Self>, Stop> {
        let Export { store, project, .. } = export;
        if trace.observation_count <= PIECE as u64 {
            let detail = store.trace(project, &trace.id).await?;
            return Ok(detail.map(|TraceDetail { trace, observations, events }| Self {
                export,
                trace,
                events,
                read: observations,
                unread: Vec::new().into_iter(),
            }));
        }
        let outline = store.trace_outline(project, &trace.id).await?;
        Ok(outline.map(|outline| Self {
            export,
            trace: outline.trace,
            events: outline.events,
            read: Vec::new(),
            unread: outline.spans.iter().map(|span| span.id).collect::<Vec<_>>().into_iter(),
        }))
    }

    /// The next observations in order of time; none at the end.
    async fn observations(&mut self) -> Result<Vec<Observation>, Stop> {
        let Export { store, project, .. } = self.export;
        while self.read.is_empty() {
            let ids: Vec<SpanId> = self.unread.by_ref().take(PIECE).collect();
            if ids.is_empty() {
                break;
            }
            self.read = store.observations(project, &self.trace.id, &ids).await?;
        }
        Ok(std::mem::take(&mut self.read))
    }
}

/// A name that is safe on every system, whatever the id: it says which session, no more.
fn file_name(id: &SessionId, extension: &str) -> String {
    const LONGEST: usize = 80;
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    let id: String = id.as_str().chars().take(LONGEST).map(safe).collect();
    format!("session-{id}.{extension}")
}
