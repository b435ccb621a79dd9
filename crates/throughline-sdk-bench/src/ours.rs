//! The SDK.

use std::cell::Cell;
use std::hint::black_box;

use throughline::testing::Memory;
use throughline::transport::{Delivery, Item, OtlpEncoder, SendError, Transport};
use throughline::{Builder, Level, ObservationBuilder, Redaction, Sampling, Telemetry, emit, try_emit};

use crate::eight_times;
use crate::lab::{BURST, Forever, Lab, Order, Sink, order, poll_once};

static SINK: Sink = Sink::new();

/// Counts and forgets.
struct Counting;

impl Transport for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        black_box(batch);
        SINK.take(batch.len());
        Ok(())
    }
}

/// Encodes and counts.
struct Encoding<F>(F);

impl<F: FnMut(&[Item]) + Send + 'static> Transport for Encoding<F> {
    fn name(&self) -> &'static str {
        "encoding"
    }

    fn send(&mut self, batch: &[Item]) -> Result<(), SendError> {
        (self.0)(batch);
        SINK.take(batch.len());
        Ok(())
    }
}

macro_rules! shipped {
    ($to:expr, $order:expr) => {
        emit!($to, "order.shipped",
            "ctx.order.id" => $order.id,
            "ctx.order.total" => $order.total,
            "ctx.order.currency" => $order.currency,
            "ctx.shipment.express" => $order.express,
            "ctx.shipment.weight_kg" => $order.kg)
    };
}

fn builder() -> Builder {
    Telemetry::builder("checkout-api").environment("test").version("1.42.0")
}

fn build(builder: Builder) -> Telemetry {
    black_box(builder.build().expect("the settings make sense"))
}

pub(crate) fn off(lab: &Lab) {
    let (order, telemetry) = (order(), build(builder()));
    lab.hot8("event off", "throughline, no transport", || eight_times!(shipped!(telemetry, order)));
    let severe = builder().transport_with(Memory::new(), Delivery::default().min_level(Level::Warn));
    let telemetry = build(severe);
    lab.hot8("event filtered", "throughline, transports want warn", || {
        eight_times!(shipped!(telemetry, order))
    });
    let never = Sampling::keep_all().never(["order.*"]).always(["payment.*"]);
    let telemetry = build(builder().sampling(never).transport(Memory::new()));
    lab.hot8("event filtered", "throughline, dropped by a rule for its name", || {
        eight_times!(shipped!(telemetry, order))
    });
    let telemetry = build(builder().sampling(Sampling::default().info(1e-9)).transport(Memory::new()));
    lab.hot8("event sampled out", "throughline, by chance", || eight_times!(shipped!(telemetry, order)));
}

fn burst(order: &Order, calls: usize, mut emit: impl FnMut(&Order)) {
    for _ in 0..calls {
        black_box(());
        emit(order);
    }
}

pub(crate) fn on(lab: &Lab) {
    let (order, telemetry) = (order(), build(builder().transport(Counting)));
    let drain = |telemetry: &Telemetry| {
        telemetry.flush(std::time::Duration::from_secs(5));
        SINK.wait(BURST);
    };
    let event = |n| burst(&order, n, |order| shipped!(telemetry, order));
    lab.burst("event", "throughline, to a counting transport", event, || drain(&telemetry));
    let session = telemetry
        .session()
        .actor("user", "usr_123")
        .scope("organization", "org_456")
        .attribute("ctx.request.id", "req_abc")
        .attribute("ctx.request.method", "POST")
        .start();
    session.enter(|| {
        lab.burst("event in a session", "throughline", event, || drain(&telemetry));
        let span = |n| burst(&order, n, |order| shipping(&telemetry, order).start().end());
        lab.burst("span", "throughline, in a session, ended by its handle", span, || drain(&telemetry));
    });
    let unredacted = build(builder().redaction(Redaction::none()).transport(Counting));
    let event = |n| burst(&order, n, |order| shipped!(unredacted, order));
    lab.burst("event", "throughline, without redaction", event, || drain(&unredacted));
    spans(lab, &telemetry, &order, || drain(&telemetry));
    let hashed = build(builder().redaction(Redaction::default().hash(["ctx.order.id"])).transport(Counting));
    let event = |n| burst(&order, n, |order| shipped!(hashed, order));
    lab.burst("event", "throughline, one key hashed", event, || drain(&hashed));
    encoded(lab, &order, drain);
}

/// To transports that do what others do with what they get.
fn encoded(lab: &Lab, order: &Order, drain: impl Fn(&Telemetry)) {
    let mut lines = Vec::new();
    let as_json = build(builder().transport(Encoding(move |batch: &[Item]| {
        lines.clear();
        batch.iter().for_each(|item| item.write_json(&mut lines));
        black_box(&lines);
    })));
    let event = |n| burst(order, n, |order| shipped!(as_json, order));
    lab.burst("event", "throughline, as JSON", event, || drain(&as_json));
    let mut encoder = OtlpEncoder::new(as_json.resource().clone());
    let as_otlp = build(builder().transport(Encoding(move |batch: &[Item]| {
        encoder.encode(batch);
        black_box(encoder.logs());
    })));
    let event = |n| burst(order, n, |order| shipped!(as_otlp, order));
    lab.burst("event", "throughline, as OTLP", event, || drain(&as_otlp));
}

/// A session as they are, and so many events in it.
pub(crate) fn items(events: usize) -> (Telemetry, Vec<Item>) {
    let (order, memory) = (order(), Memory::new());
    let telemetry = build(builder().transport(memory.clone()));
    let session = telemetry.session().actor("user", "usr_123").scope("organization", "org_456");
    let session = session.attribute("ctx.request.id", "req_abc").attribute("ctx.request.method", "POST");
    session.run_sync(|| burst(&order, events, |order| shipped!(telemetry, order)));
    telemetry.flush(std::time::Duration::from_secs(5));
    (telemetry, memory.items())
}

#[inline]
fn shipping(telemetry: &Telemetry, order: &Order) -> ObservationBuilder {
    let span = telemetry.trace("order.ship").attribute("ctx.order.id", &order.id);
    let span = span.attribute("ctx.order.total", order.total);
    let span = span.attribute("ctx.order.currency", order.currency);
    let span = span.attribute("ctx.shipment.express", order.express);
    span.attribute("ctx.shipment.weight_kg", order.kg)
}

fn spans(lab: &Lab, telemetry: &Telemetry, order: &Order, mut drain: impl FnMut()) {
    let bare = |n| burst(order, n, |_| drop(telemetry.trace("order.ship").start()));
    lab.burst("bare span", "throughline", bare, &mut drain);
    let span = |n| burst(order, n, |order| drop(shipping(telemetry, order).start()));
    lab.burst("span", "throughline, five attributes", span, drain);
}

pub(crate) fn two_threads(lab: &Lab) {
    let (order, telemetry) = (order(), build(builder().transport(Counting)));
    let event = |n| burst(&order, n, |order| shipped!(telemetry, order));
    lab.burst_on_two_threads("event, two threads", "throughline", event, || {
        telemetry.flush(std::time::Duration::from_secs(5));
        SINK.wait(2 * BURST);
    });
}

/// Faster than the collector follows: the buffer is full most of the time.
pub(crate) fn overload(lab: &Lab) {
    let (order, telemetry) = (order(), build(builder().transport(Counting)));
    let emitted = Cell::new(0);
    let count = |n: usize| emitted.set(emitted.get() + n as u64);
    let is_full = || {
        count(1);
        try_emit!(telemetry, "order.shipped").is_err()
    };
    let fill = || (0..20_000).any(|_| is_full());
    let event = |n| {
        count(n);
        burst(&order, n, |order| shipped!(telemetry, order));
    };
    lab.refused("event dropped, buffer full", "throughline", fill, event);
    let report = telemetry.shutdown(std::time::Duration::from_secs(5));
    let accounted_for = report.transports[0].delivered + report.lost();
    assert_eq!(accounted_for, emitted.get(), "a drop that was not counted: {report:?}");
}

pub(crate) fn poll(lab: &Lab) {
    let telemetry = build(builder());
    let mut future = Box::pin(telemetry.session().actor("user", "usr_123").start().follow(Forever));
    lab.hot("poll", "throughline, in a session", || poll_once(future.as_mut()));
    let mut future = Box::pin(telemetry.session().actor("user", "usr_123").run(Forever));
    lab.hot("poll", "throughline, SessionBuilder::run", || poll_once(future.as_mut()));
    let start = || {
        let session = telemetry.session().actor("user", "usr_123").scope("organization", "org_456");
        drop(session.attribute("ctx.request.id", "req_abc").attribute("ctx.request.method", "POST").start());
    };
    lab.hot("session start", "throughline", start);
}
