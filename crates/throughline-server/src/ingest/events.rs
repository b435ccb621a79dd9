//! `POST /api/v1/events`: envelopes as one JSON object, an array, or a line each.

use std::collections::HashMap;

use ::http::HeaderMap;
use ::http::header::CONTENT_TYPE;
use axum::body::Body;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use throughline_model::{Event, Timestamp};

use crate::domain::arrival::BatchContent;
use crate::http::{Error, Kind, Project, State};

use super::content::Format;
use super::envelope::{self, Rejection};
use super::http::parcel;
use super::{Room, content, intake};

/// What became of the events of one request.
#[derive(Debug, Serialize)]
struct Receipt {
    accepted: usize,
    rejected: Vec<Rejected>,
}

#[derive(Debug, Serialize)]
struct Rejected {
    /// The event's place in the array, or among the lines that are not blank.
    index: usize,
    code: &'static str,
    message: String,
}

pub(super) async fn receive(
    Extract(state): Extract<State>,
    Extension(room): Extension<Room>,
    Project(project): Project,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    let taken = async {
        let format = format(&headers)?;
        let parcel = parcel(&state, &room, &headers, &mut body).await?;
        let (now, cap) = (state.clock.now(), state.limits.event_bytes);
        let work = move |bytes| read_all(&bytes, format, now, cap);
        let ((events, rejected), lease) = intake::unpacked(&state, parcel, work).await?;
        let accepted = events.len();
        if accepted > 0 {
            intake::append(&state, project, BatchContent::Events(events)).await?;
        }
        drop(lease);
        state.metrics.events_accepted.add(accepted);
        state.metrics.events_rejected.add(rejected.len());
        Ok::<_, Error>(Json(Receipt { accepted, rejected }))
    };
    match taken.await {
        Ok(receipt) => receipt.into_response(),
        Err(error) => {
            content::discard(body).await;
            let unsupported = error.kind() == Kind::UnsupportedMediaType;
            let mut response = error.into_response();
            if unsupported {
                content::name_accepted(response.headers_mut());
            }
            response
        }
    }
}

fn format(headers: &HeaderMap) -> Result<Format, Error> {
    match Format::of(headers) {
        Some(format @ (Format::Json | Format::JsonLines)) => Ok(format),
        None if !headers.contains_key(CONTENT_TYPE) => Ok(Format::Json),
        _ => Err(Error::new(
            Kind::UnsupportedMediaType,
            "events come as application/json (an object or an array) or application/x-ndjson",
        )),
    }
}

type Read = (Vec<Event>, Vec<Rejected>);

fn read_all(bytes: &Bytes, format: Format, now: Timestamp, cap: usize) -> Result<Read, Error> {
    let text = String::from_utf8_lossy(bytes);
    let mut events = Vec::new();
    let mut rejected = Vec::new();
    let mut seen = HashMap::<[u8; 32], u64>::new();
    for (index, json) in envelopes(&text, format)?.into_iter().enumerate() {
        match checked(json, now, cap) {
            Ok(event) => events.push(with_id(event, &mut seen)),
            Err(Rejection { code, message }) => rejected.push(Rejected { index, code, message }),
        }
    }
    Ok((events, rejected))
}

fn checked(json: &str, now: Timestamp, cap: usize) -> Result<Event, Rejection> {
    if json.len() > cap {
        let message = format!("the event has {} bytes, {cap} are allowed", json.len());
        return Err(Rejection { code: "too_large", message });
    }
    envelope::read(json, now)
}

fn with_id(mut event: Event, seen: &mut HashMap<[u8; 32], u64>) -> Event {
    if event.id.as_str().is_empty() {
        let fingerprint = envelope::fingerprint(&event);
        let ordinal = seen.entry(fingerprint).or_default();
        event.id = envelope::name_by_content(fingerprint, *ordinal);
        *ordinal += 1;
    }
    event
}

/// The JSON text of each envelope. Only what cannot be cut into envelopes at all refuses the request.
fn envelopes(text: &str, format: Format) -> Result<Vec<&str>, Error> {
    let text = text.trim_start_matches('\u{feff}').trim();
    match (text.as_bytes().first(), format) {
        (None, _) => {
            Err(intake::malformed("the body is empty; send an event, an array of them, or one per line"))
        }
        (Some(b'['), _) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(intake::malformed)?;
            Ok(items.into_iter().map(RawValue::get).collect())
        }
        (Some(b'{'), Format::Json) => match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Ok(vec![text]),
            Err(_) if has_whole_line(text) => Ok(lines(text)),
            Err(error) => Err(intake::malformed(error)),
        },
        (Some(b'{'), _) => Ok(lines(text)),
        _ => Err(intake::malformed("the body is neither an object nor an array")),
    }
}

/// Lines sent as `application/json` are told from one broken object by a line that is an object by itself.
fn has_whole_line(text: &str) -> bool {
    text.lines().any(|line| line.starts_with('{') && serde_json::from_str::<&RawValue>(line).is_ok())
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_795_262_400_000_000_000);
    const CAP: usize = 1 << 20;

    /// Envelopes of which some are sound and some are not.
    fn envelope() -> impl Strategy<Value = String> {
        let name = prop_oneof![Just("a.b".to_owned()), "[a-z. ]{0,6}", any::<String>()];
        (name, proptest::option::of(any::<String>()), any::<bool>()).prop_map(|(name, level, timed)| {
            let mut event = serde_json::json!({ "name": name, "level": level });
            if timed {
                event["time"] = "2026-11-21T10:00:00Z".into();
            }
            event.to_string()
        })
    }

    fn read(text: &str, format: Format) -> (Vec<Event>, Vec<(usize, &'static str)>) {
        let (events, rejected) = read_all(&Bytes::from(text.to_owned()), format, NOW, CAP).unwrap();
        (events, rejected.into_iter().map(|rejected| (rejected.index, rejected.code)).collect())
    }

    proptest! {
        #[test]
        fn an_array_and_lines_say_the_same(envelopes in prop::collection::vec(envelope(), 1..20)) {
            let array = read(&format!("[{}]", envelopes.join(",")), Format::Json);
            prop_assert_eq!(&read(&envelopes.join("\n"), Format::JsonLines), &array);
            prop_assert_eq!(&read(&format!("\n{}\r\n\n", envelopes.join("\r\n\n")), Format::Json), &array);
            prop_assert_eq!(array.0.len() + array.1.len(), envelopes.len());
            let mut ids: Vec<_> = array.0.iter().map(|event| event.id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), array.0.len(), "every event has an id of its own");
        }

        #[test]
        fn nothing_makes_it_panic(text in prop_oneof![any::<String>(), r#"[\[\]{}":, a\n0-9]{0,40}"#]) {
            for format in [Format::Json, Format::JsonLines] {
                drop(read_all(&Bytes::from(text.clone()), format, NOW, CAP));
            }
        }
    }
}
