//! The least that an event or a span which is kept can cost: what every SDK must do, and nothing that only some do.
//!
//! Whether the level is wanted, a draw, a look at the clock (two for a span, and an id), the session's number and five
//! values, which become one record of bytes in a ring that only this thread writes to. A thread in the background comes
//! every millisecond, takes what lies there and writes it as JSON, one line each. No limits, redaction, errors or counts,
//! keys that are known beforehand, and a session that was written once. Both threads are on one processor.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::lab::{BURST, Lab, Order, Sink, order, stay_here};

struct Site {
    name: &'static str,
    level: u8,
    keys: [&'static str; 5],
}

const INFO: u8 = 1;
const KEYS: [&str; 5] = [
    "ctx.order.id",
    "ctx.order.total",
    "ctx.order.currency",
    "ctx.shipment.express",
    "ctx.shipment.weight_kg",
];
const EVENT: usize = 0;
const SPAN: usize = 1;
static SITES: [Site; 2] = [
    Site { name: "order.shipped", level: INFO, keys: KEYS },
    Site { name: "order.ship", level: INFO, keys: KEYS },
];
static THRESHOLD: AtomicU8 = AtomicU8::new(INFO);

/// Room for many more records than lie there between two drains.
const RING: usize = 256 * BURST;

static TAKEN_FROM: Mutex<Vec<Consumer<u8>>> = Mutex::new(Vec::new());
static SINK: Sink = Sink::new();

thread_local! {
    static OWN: RefCell<Producer<u8>> = RefCell::new(new_ring());
    static RECORD: RefCell<[u8; 512]> = const { RefCell::new([0; 512]) };
    static DRAWS: Cell<u64> = const { Cell::new(0x2545_F491_4F6C_DD1D) };
    static IDS: Cell<u64> = const { Cell::new(7 << 32) };
    static SESSION: Cell<u32> = const { Cell::new(3) };
}

fn new_ring() -> Producer<u8> {
    let (own, taken_from) = RingBuffer::new(RING);
    TAKEN_FROM.lock().unwrap_or_else(PoisonError::into_inner).push(taken_from);
    own
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the processor's counter")]
fn clock() -> u64 {
    // SAFETY: every processor of this kind has it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_nanos() as u64
}

#[inline]
fn is_kept(site: usize) -> bool {
    if SITES[site].level < THRESHOLD.load(Relaxed) {
        return false;
    }
    let mut draw = DRAWS.get();
    draw ^= draw << 13;
    draw ^= draw >> 7;
    draw ^= draw << 17;
    DRAWS.set(draw);
    draw as u32 <= black_box(u32::MAX)
}

const TEXT: u8 = 0;
const INT: u8 = 1;
const BOOL: u8 = 2;
const FLOAT: u8 = 3;

/// Appends to a record whose length is known to suffice.
struct Writer<'a> {
    record: &'a mut [u8; 512],
    at: usize,
}

impl Writer<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.record[self.at..self.at + N].copy_from_slice(&bytes);
        self.at += N;
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.put([TEXT]);
        self.put((text.len() as u32).to_ne_bytes());
        self.record[self.at..self.at + text.len()].copy_from_slice(text.as_bytes());
        self.at += text.len();
    }
}

/// `span` is when it began and its id; zeros for an event.
#[inline(never)]
fn record(site: usize, span: (u64, u64), order: &Order) {
    RECORD.with_borrow_mut(|record| {
        let mut writer = Writer { record, at: 0 };
        writer.put((site as u64).to_ne_bytes());
        writer.put(clock().to_ne_bytes());
        writer.put(span.0.to_ne_bytes());
        writer.put(span.1.to_ne_bytes());
        writer.put(SESSION.get().to_ne_bytes());
        writer.text(&order.id);
        writer.put([INT]);
        writer.put(order.total.to_ne_bytes());
        writer.text(order.currency);
        writer.put([BOOL, u8::from(order.express)]);
        writer.put([FLOAT]);
        writer.put(order.kg.to_ne_bytes());
        let length = writer.at;
        OWN.with_borrow_mut(|own| own.push_entire_slice(&record[..length]).expect("the ring has room"));
    });
}

#[inline]
fn event(order: &Order) {
    if is_kept(EVENT) {
        record(EVENT, (0, 0), order);
    }
}

#[inline]
fn span(order: &Order) {
    if is_kept(SPAN) {
        let id = IDS.get() + 1;
        IDS.set(id);
        let start = clock();
        black_box(());
        record(SPAN, (start, id), order);
    }
}

const SESSION_JSON: &str = concat!(
    r#","level":"info","service":"checkout-api","environment":"test","version":"1.42.0","#,
    r#""sessionId":"sess_0190163d8694739b95abc0270a5e3d13","actor":{"type":"user","id":"usr_123"},"#,
    r#""scope":{"type":"organization","id":"org_456"},"attributes":{"ctx.request.method":"POST""#
);

/// Takes all that lies in the rings, into `taken`, and writes it to `lines`; how many records that was.
fn drain(taken: &mut Vec<u8>, lines: &mut Vec<u8>) -> usize {
    lines.clear();
    let mut count = 0;
    for ring in TAKEN_FROM.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        let chunk = ring.read_chunk(ring.slots()).expect("as many as there are");
        let (first, second) = chunk.as_slices();
        // A record may lie on both sides of the ring's end.
        taken.clear();
        taken.extend_from_slice(first);
        taken.extend_from_slice(second);
        chunk.commit_all();
        count += render(taken, lines);
    }
    count
}

fn take<const N: usize>(records: &mut &[u8]) -> [u8; N] {
    let taken = records.split_off(..N).expect("a whole record");
    taken.try_into().expect("so many bytes")
}

fn number(lines: &mut Vec<u8>, number: impl itoa::Integer) {
    lines.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn render(mut records: &[u8], lines: &mut Vec<u8>) -> usize {
    let mut count = 0;
    while !records.is_empty() {
        let [site, time, start, id] = [0; 4].map(|_| u64::from_ne_bytes(take(&mut records)));
        black_box(u32::from_ne_bytes(take(&mut records)));
        let site = &SITES[site as usize];
        lines.extend_from_slice(b"{\"name\":\"");
        lines.extend_from_slice(site.name.as_bytes());
        lines.extend_from_slice(b"\",\"time\":");
        number(lines, time);
        if id != 0 {
            lines.extend_from_slice(b",\"start\":");
            number(lines, start);
            lines.extend_from_slice(b",\"spanId\":");
            number(lines, id);
        }
        lines.extend_from_slice(SESSION_JSON.as_bytes());
        for key in site.keys {
            lines.extend_from_slice(b",\"");
            lines.extend_from_slice(key.as_bytes());
            lines.extend_from_slice(b"\":");
            value(&mut records, lines);
        }
        lines.extend_from_slice(b"}}\n");
        count += 1;
    }
    count
}

#[inline]
fn value(records: &mut &[u8], lines: &mut Vec<u8>) {
    match take(records) {
        [INT] => number(lines, i64::from_ne_bytes(take(records))),
        [FLOAT] => {
            let float = f64::from_ne_bytes(take(records));
            lines.extend_from_slice(zmij::Buffer::new().format(float).as_bytes());
        }
        [BOOL] => lines.extend_from_slice(if take(records) == [1] { b"true" } else { b"false" }),
        _ => {
            let length = u32::from_ne_bytes(take(records)) as usize;
            let text = str::from_utf8(records.split_off(..length).expect("a whole record")).expect("a text");
            lines.push(b'"');
            escaped(lines, text);
            lines.push(b'"');
        }
    }
}

/// Most texts need no escapes.
#[inline]
fn escaped(lines: &mut Vec<u8>, text: &str) {
    if text.bytes().fold(false, |any, byte| any | (byte < 0x20) | (byte == b'"') | (byte == b'\\')) {
        text.escape_default().for_each(|c| lines.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()));
    } else {
        lines.extend_from_slice(text.as_bytes());
    }
}

fn times(order: &Order, calls: usize, f: impl Fn(&Order)) {
    for _ in 0..calls {
        black_box(());
        f(order);
    }
}

pub(crate) fn pipeline(lab: &Lab) {
    const LABEL: &str = "floor: a record in the thread's own ring";
    // What the thread in the background takes on another processor must first get there: a record is then four times as
    // dear, or not, as chance has it.
    stay_here();
    let (order, mut taken, mut lines) = (order(), Vec::with_capacity(1 << 20), Vec::with_capacity(1 << 20));
    for once in [event, span] {
        once(&order);
        assert_eq!(drain(&mut taken, &mut lines), 1);
        let line: serde::de::IgnoredAny = sonic_rs::from_slice(&lines).expect("a line of JSON");
        black_box(line);
    }
    let background = std::thread::spawn(move || {
        loop {
            SINK.take(drain(&mut taken, &mut lines));
            black_box(&lines);
            std::thread::park_timeout(Duration::from_millis(1));
        }
    });
    let flush = || {
        background.thread().unpark();
        SINK.wait(BURST);
    };
    lab.burst("event", LABEL, |n| times(&order, n, event), flush);
    lab.burst("span", LABEL, |n| times(&order, n, span), flush);
}
