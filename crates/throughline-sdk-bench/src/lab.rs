//! Measuring: a counting allocator, hot loops, bursts with a drain.

#![expect(unsafe_code, reason = "an allocator that counts, and clocks of the operating system")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

/// Calls in one timed chunk, and chunks between two drains: fewer calls than any peer's queue holds.
const CHUNK: usize = 100;
const CHUNKS: usize = 10;
/// Calls between two drains.
pub(crate) const BURST: usize = CHUNK * CHUNKS;

pub(crate) struct CountingAllocator;

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALL_ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
thread_local! { static ALLOCATIONS: Cell<u64> = const { Cell::new(0) } }

fn count() {
    if COUNTING.load(Relaxed) {
        ALL_ALLOCATIONS.fetch_add(1, Relaxed);
        ALLOCATIONS.try_with(|count| count.set(count.get() + 1)).ok();
    }
}

/// Allocations of this thread and of all threads while `f` runs.
fn allocations(f: impl FnOnce()) -> (f64, f64) {
    ALLOCATIONS.set(0);
    ALL_ALLOCATIONS.store(0, Relaxed);
    COUNTING.store(true, Relaxed);
    f();
    COUNTING.store(false, Relaxed);
    (ALLOCATIONS.get() as f64, ALL_ALLOCATIONS.load(Relaxed) as f64)
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Processor time of the whole process.
fn cpu_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// From now on this thread and those that it starts stay on the processor that it is on, where the system lets them.
#[cfg(target_os = "linux")]
pub(crate) fn stay_here() {
    // SAFETY: the set is plain bits, and lives as long as the calls that get it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu().max(0).cast_unsigned() as usize, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn stay_here() {}

fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * q) as usize]
}

/// Takes the measurements of one case in this process; each prints one line for the parent.
pub(crate) struct Lab {
    pub(crate) slice: Duration,
}

impl Lab {
    fn report(op: &str, label: &str, nanos: &mut [f64], allocations: (f64, f64), cpu: f64) {
        let (median, p90) = (quantile(nanos, 0.5), quantile(nanos, 0.9));
        let (own, all) = allocations;
        println!("{op}\t{label}\t{median:.4}\t{p90:.4}\t{own:.4}\t{all:.4}\t{cpu:.1}");
    }

    /// Something with nothing to drain: the mean of many short batches of eight calls each.
    pub(crate) fn hot8(&self, op: &str, label: &str, mut f: impl FnMut()) {
        self.hot_n(op, label, 8, &mut f);
    }

    pub(crate) fn hot(&self, op: &str, label: &str, mut f: impl FnMut()) {
        self.hot_n(op, label, 1, &mut f);
    }

    /// The same where `f` does it so many times.
    pub(crate) fn hot_many(&self, op: &str, label: &str, times: usize, mut f: impl FnMut()) {
        self.hot_n(op, label, times, &mut f);
    }

    #[inline]
    fn hot_n(&self, op: &str, label: &str, calls: usize, f: &mut impl FnMut()) {
        let mut rounds = 64 / calls.min(64);
        while timed(rounds, f) < 40_000.0 && rounds < 1 << 22 {
            rounds *= 2;
        }
        let (own, all) = allocations(|| (0..1000).for_each(|_| f()));
        let allocations = (own / (1000 * calls) as f64, all / (1000 * calls) as f64);
        let (started, cpu, mut nanos) = (Instant::now(), cpu_nanos(), Vec::new());
        while nanos.len() < 20 || started.elapsed() < self.slice {
            nanos.push(timed(rounds, f) / (rounds * calls) as f64);
        }
        let cpu = (cpu_nanos() - cpu) as f64 / (nanos.len() * rounds * calls) as f64;
        Self::report(op, label, &mut nanos, allocations, cpu);
    }

    /// Variants of one thing, eight calls each, to be compared to a percent: short batches of them take turns, so that
    /// what disturbs the machine disturbs them all. With every lap they begin at another depth of the stack, since by
    /// where that lies beside what they use the same code is faster or slower by more than is looked for.
    pub(crate) fn in_turns(&self, op: &str, variants: &mut [(&str, &mut dyn FnMut())]) {
        const CALLS: usize = 8;
        let (mut rounds, mut nanos) = (CALLS, vec![Vec::new(); variants.len()]);
        while deeper(0, rounds, &mut *variants[0].1) < 40_000.0 && rounds < 1 << 22 {
            rounds *= 2;
        }
        let (started, slice) = (Instant::now(), self.slice * u32::try_from(variants.len()).unwrap_or(1));
        for lap in (0..).take_while(|lap| *lap < 20 || started.elapsed() < slice) {
            for step in 0..variants.len() {
                let at = (lap + step) % variants.len();
                let took = deeper(lap % 8, rounds, &mut *variants[at].1);
                nanos[at].push(took / (rounds * CALLS) as f64);
            }
        }
        for ((label, f), nanos) in variants.iter_mut().zip(&mut nanos) {
            let (own, all) = allocations(|| (0..1000).for_each(|_| f()));
            let allocations = (own / (1000 * CALLS) as f64, all / (1000 * CALLS) as f64);
            Self::report(op, label, nanos, allocations, f64::NAN);
        }
    }

    /// `body` is called for chunks of so many calls and timed; `drain` is not. The processor time is that of all
    /// threads, draining included.
    pub(crate) fn burst(&self, op: &str, label: &str, mut body: impl FnMut(usize), mut drain: impl FnMut()) {
        let clock = clock_cost();
        for _ in 0..5 {
            (0..CHUNKS).for_each(|_| body(CHUNK));
            drain();
        }
        let (own, _) = allocations(|| (0..CHUNKS).for_each(|_| body(CHUNK)));
        drain();
        let (_, all) = allocations(|| {
            (0..CHUNKS).for_each(|_| body(CHUNK));
            drain();
        });
        let allocations = (own / BURST as f64, all / BURST as f64);
        let (started, cpu, mut nanos) = (Instant::now(), cpu_nanos(), Vec::new());
        while nanos.len() < 15 * CHUNKS || started.elapsed() < self.slice * 2 {
            nanos.extend((0..CHUNKS).map(|_| chunk(&mut body, clock)));
            drain();
        }
        let cpu = (cpu_nanos() - cpu) as f64 / (nanos.len() * CHUNK) as f64;
        Self::report(op, label, &mut nanos, allocations, cpu);
    }

    /// The same from two threads that start each burst at the same moment; per call of a thread.
    pub(crate) fn burst_on_two_threads(
        &self,
        op: &str,
        label: &str,
        body: impl Fn(usize) + Sync,
        mut drain: impl FnMut(),
    ) {
        let (clock, started, mut nanos) = (clock_cost(), Instant::now(), Vec::new());
        let (go, over) = (Barrier::new(3), AtomicBool::new(false));
        let (ready, done) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    loop {
                        go.wait();
                        if over.load(Relaxed) {
                            return;
                        }
                        // A barrier lets its threads go one after the other; this brings them together.
                        ready.fetch_add(1, Relaxed);
                        while ready.load(Relaxed) % 2 != 0 {
                            std::hint::spin_loop();
                        }
                        let mine: Vec<f64> = (0..CHUNKS).map(|_| chunk(&mut |n| body(n), clock)).collect();
                        done.lock().expect("no thread panics").extend(mine);
                        go.wait();
                    }
                });
            }
            while nanos.len() < 60 * CHUNKS || started.elapsed() < self.slice * 2 {
                go.wait();
                go.wait();
                nanos.append(&mut done.lock().expect("no thread panics"));
                drain();
            }
            over.store(true, Relaxed);
            go.wait();
        });
        Self::report(op, label, &mut nanos, (f64::NAN, f64::NAN), f64::NAN);
    }

    /// Calls that are refused, timed: `fill` brings it to that and says whether it is there.
    pub(crate) fn refused(
        &self,
        op: &str,
        label: &str,
        mut fill: impl FnMut() -> bool,
        mut body: impl FnMut(usize),
    ) {
        let (clock, started, mut nanos) = (clock_cost(), Instant::now(), Vec::new());
        while nanos.len() < 200 || started.elapsed() < self.slice {
            let before = fill();
            let took = chunk(&mut body, clock);
            // Only what was refused from the first call to the last.
            if before && fill() {
                nanos.push(took);
            }
        }
        let (own, all) = allocations(|| body(CHUNK));
        Self::report(op, label, &mut nanos, (own / CHUNK as f64, all / CHUNK as f64), f64::NAN);
    }
}

/// What looking at the clock twice costs.
fn clock_cost() -> f64 {
    quantile(&mut (0..2000).map(|_| timed(0, &mut || ())).collect::<Vec<_>>(), 0.5)
}

/// Nanoseconds for one of a chunk's calls.
fn chunk(body: &mut impl FnMut(usize), clock: f64) -> f64 {
    let started = Instant::now();
    body(CHUNK);
    (started.elapsed().as_nanos() as f64 - clock).max(0.0) / CHUNK as f64
}

#[inline]
fn timed(rounds: usize, f: &mut impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..rounds {
        f();
        black_box(());
    }
    started.elapsed().as_nanos() as f64
}

/// The same, further down the stack: a few calls, since a processor remembers only so many places to return to, each
/// with a frame that no cache line divides.
#[inline(never)]
fn deeper(calls: usize, rounds: usize, f: &mut dyn FnMut()) -> f64 {
    let frame = black_box([0_u8; 100]);
    let took = match calls {
        0 => timed(rounds, &mut || f()),
        _ => deeper(calls - 1, rounds, f),
    };
    black_box(frame);
    took
}

/// The five attributes that everybody attaches.
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) total: i64,
    pub(crate) currency: &'static str,
    pub(crate) express: bool,
    pub(crate) kg: f64,
}

pub(crate) fn order() -> Order {
    black_box(Order { id: "ord_789abc".to_owned(), total: 14_999, currency: "usd", express: true, kg: 2.3 })
}

/// What every sink counts into; a drain waits until all arrived, and fails when some were lost.
#[derive(Default)]
pub(crate) struct Sink {
    got: AtomicU64,
    wanted: AtomicU64,
}

impl Sink {
    pub(crate) const fn new() -> Self {
        Self { got: AtomicU64::new(0), wanted: AtomicU64::new(0) }
    }

    pub(crate) fn take(&self, records: usize) {
        self.got.fetch_add(records as u64, Relaxed);
    }

    pub(crate) fn wait(&self, records: usize) {
        let wanted = self.wanted.fetch_add(records as u64, Relaxed) + records as u64;
        let started = Instant::now();
        while self.got.load(Relaxed) < wanted {
            assert!(
                started.elapsed() < Duration::from_secs(8),
                "lost: {} of {wanted}",
                self.got.load(Relaxed)
            );
            std::thread::sleep(Duration::from_micros(20));
        }
    }
}

/// Never ready, so that one poll is one entering and one leaving.
pub(crate) struct Forever;

impl Future for Forever {
    type Output = ();

    #[inline]
    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        black_box(());
        std::task::Poll::Pending
    }
}

#[inline]
pub(crate) fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    black_box(future.poll(&mut cx).is_ready());
}

/// The same at eight places in the code, each opaque to the optimiser.
#[macro_export]
macro_rules! eight_times {
    ($e:expr) => {{
        $e;
        std::hint::black_box(());
        $e;
        std::hint::black_box(());
        $e;
        std::hint::black_box(());
        $e;
        std::hint::black_box(());
        $e;
        std::hint::black_box(());
        $e;
        std::hint::black_box(());
        $e;
        std::hint::black_box(());
        $e;
    }};
}
