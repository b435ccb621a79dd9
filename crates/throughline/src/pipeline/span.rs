//! A finished span as transports get it, from what lies in a buffer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::buffer::{Finished, Remembered, Scalar};
use super::collector::value_of;
use crate::observation::{Moment, Said};
use crate::ticks::Anchor;
use crate::{Attributes, Span, Timestamp};

/// The span, whose pieces are those of `text`. It does not end before it begins.
pub(super) fn finished(
    anchor: &Anchor,
    finished: Finished,
    said: impl Iterator<Item = Said>,
    text: &str,
    session: Option<&Remembered>,
) -> Span {
    let time = |moment| match moment {
        Moment::Ticks(ticks) => anchor.time(ticks),
        Moment::Time(time) => time,
    };
    let end_time = time(finished.end);
    let start_time = finished.start.map_or(end_time, time);
    let seconds = |time: Timestamp| (time.nanos_since(start_time) as f64 / 1e9).into();
    let value = |value| match value {
        Scalar::Since(moment) => seconds(time(moment)),
        value => value_of(value, text),
    };
    let mut attributes = Attributes::new();
    for Said { key, value: said } in said {
        attributes.insert(key.of(text).to_owned(), value(said));
    }
    let rare = finished.rare.map(|rare| *rare).unwrap_or_default();
    if let Some(describe) = rare.describe {
        // What the application says must not stop the collector.
        catch_unwind(AssertUnwindSafe(|| describe(&mut attributes))).ok();
    }
    Span {
        trace_id: finished.context.trace_id,
        span_id: finished.context.span_id,
        parent_id: finished.parent_id,
        trace_state: rare.trace_state,
        kind: finished.kind,
        name: finished.name.of(text).to_owned(),
        start_time,
        end_time: end_time.max(start_time),
        level: finished.level,
        status: finished.status,
        status_message: rare.status_message,
        error: rare.error,
        input: rare.input,
        output: rare.output,
        attributes,
        session: session.map(|session| (*session.state).clone()),
    }
}
