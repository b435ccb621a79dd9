//! What others cost for the same.

use std::borrow::Cow;
use std::hint::black_box;

use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::prelude::{Event, LocalSpan, Span, SpanContext};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use crate::eight_times;
use crate::lab::{BURST, Forever, Lab, Order, Sink, order, poll_once};

macro_rules! tracing_event {
    ($order:expr) => {
        tracing::event!(
            name: "order.shipped",
            tracing::Level::INFO,
            ctx.order.id = $order.id.as_str(),
            ctx.order.total = $order.total,
            ctx.order.currency = $order.currency,
            ctx.shipment.express = $order.express,
            ctx.shipment.weight_kg = $order.kg,
        )
    };
}

pub(crate) fn tracing_none(lab: &Lab) {
    let order = order();
    lab.hot8("event off", "tracing, no subscriber", || eight_times!(tracing_event!(order)));
}

pub(crate) fn tracing_level(lab: &Lab) {
    let order = order();
    tracing_subscriber::registry().with(LevelFilter::WARN).with(tracing_subscriber::fmt::layer()).init();
    lab.hot8("event filtered", "tracing, LevelFilter", || eight_times!(tracing_event!(order)));
}

pub(crate) fn tracing_dynamic(lab: &Lab) {
    let order = order();
    let filter = EnvFilter::new("warn,[request{user=alice}]=debug");
    tracing_subscriber::registry().with(filter).with(tracing_subscriber::fmt::layer()).init();
    lab.hot8("event sampled out", "tracing, EnvFilter with a dynamic directive", || {
        eight_times!(tracing_event!(order))
    });
}

pub(crate) fn tracing_sampler(lab: &Lab) {
    let order = order();
    let draw = || {
        std::thread_local! { static STATE: std::cell::Cell<u64> = const { std::cell::Cell::new(0x9E37_79B9_7F4A_7C15) } }
        let mut state = STATE.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        STATE.set(state);
        (state as u32) < black_box(0)
    };
    let filter = tracing_subscriber::filter::dynamic_filter_fn(move |_, _| draw());
    tracing_subscriber::registry().with(tracing_subscriber::fmt::layer().with_filter(filter)).init();
    lab.hot8("event sampled out", "tracing, a dynamic filter that draws", || {
        eight_times!(tracing_event!(order))
    });
}

static SPANS: Sink = Sink::new();

struct Counting;

impl Reporter for Counting {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        SPANS.take(spans.iter().map(|span| 1 + span.events.len()).sum());
    }
}

fn properties(order: &Order) -> [(&'static str, Cow<'static, str>); 5] {
    [
        ("ctx.order.id", order.id.clone().into()),
        ("ctx.order.total", order.total.to_string().into()),
        ("ctx.order.currency", order.currency.into()),
        ("ctx.shipment.express", if order.express { "true" } else { "false" }.into()),
        ("ctx.shipment.weight_kg", order.kg.to_string().into()),
    ]
}

pub(crate) fn fastrace_on(lab: &Lab) {
    let order = order();
    fastrace::set_reporter(Counting, Config::default());
    let drain = || {
        fastrace::flush();
        SPANS.wait(BURST + BURST / 100);
    };
    let in_root = |calls: usize, f: &dyn Fn()| {
        let root = Span::root("session", SpanContext::random());
        let _guard = root.set_local_parent();
        for _ in 0..calls {
            black_box(());
            f();
        }
    };
    let add = || LocalSpan::add_event(Event::new("order.shipped").with_properties(|| properties(&order)));
    let event = |n| in_root(n, &add);
    lab.burst("event", "fastrace, add_event in a root", event, drain);
    lab.burst_on_two_threads("event, two threads", "fastrace", event, || {
        fastrace::flush();
        SPANS.wait(2 * (BURST + BURST / 100));
    });
    let bare = |n| in_root(n, &|| drop(LocalSpan::enter_with_local_parent("order.ship")));
    lab.burst("bare span", "fastrace, LocalSpan", bare, drain);
    let free = |n: usize| {
        for _ in 0..n {
            drop(Span::root("order.ship", SpanContext::random()).with_properties(|| properties(&order)));
        }
    };
    lab.burst("span", "fastrace, Span, five attributes", free, || {
        fastrace::flush();
        SPANS.wait(BURST);
    });
    let span = |n| {
        in_root(n, &|| {
            drop(LocalSpan::enter_with_local_parent("order.ship").with_properties(|| properties(&order)))
        })
    };
    lab.burst("span", "fastrace, LocalSpan, five attributes", span, drain);
}

/// What others open where we open a session: a span whose fields are rendered for the lines inside it.
pub(crate) fn tracing_span(lab: &Lab) {
    tracing_subscriber::fmt().json().with_writer(std::io::sink).init();
    lab.hot("session start", "tracing, fmt JSON span", || {
        drop(black_box(tracing::info_span!(
            "request",
            session.id = "sess_0190163d8694739b95abc0270a5e3d13",
            actor.id = "usr_123",
            scope.id = "org_456",
            ctx.request.id = "req_abc",
            ctx.request.method = "POST",
        )));
    });
}

pub(crate) fn polls(lab: &Lab) {
    tokio::task_local! { static TASK: u64; }
    let mut bare = Box::pin(Forever);
    lab.hot("poll", "floor: bare poll", || poll_once(bare.as_mut()));
    let mut future = Box::pin(TASK.scope(5, Forever));
    lab.hot("poll", "tokio, task_local scope", || poll_once(future.as_mut()));
}
