//! Setting telemetry up.

use std::sync::Arc;

use crate::pipeline::{Collector, Core, Parts, Queue, run_worker};
use crate::redaction::Redactor;
use crate::registry::Registrations;
use crate::source::{Clock, ManualClock, Random};
use crate::transport::{Delivery, Transport};
use crate::{Error, Events, Kind, Level, Redaction, Resource, Sampling, Telemetry, Validation};

/// Sets telemetry up. Made by [`Telemetry::builder`].
///
/// ```
/// use throughline::{Level, Redaction, Sampling, Telemetry, transport::Console};
///
/// let telemetry = Telemetry::builder("checkout")
///     .environment("production")
///     .version(env!("CARGO_PKG_VERSION"))
///     .sampling(Sampling::default().info(0.5).always(["payment.*"]))
///     .redaction(Redaction::default().hash(["user.email"]))
///     .transport(Console::json())
///     .build()?;
/// # Ok::<(), throughline::Error>(())
/// ```
#[must_use = "nothing is set up until `build`"]
pub struct Builder {
    resource: Resource,
    sampling: Sampling,
    redaction: Redaction,
    min_level: Level,
    clock: Clock,
    random: Random,
    registrations: Registrations,
    transports: Vec<(Box<dyn Transport>, Delivery)>,
}

impl Builder {
    pub(crate) fn new(service: String) -> Self {
        Self {
            resource: Resource { service, environment: "development".to_owned(), version: None },
            sampling: Sampling::default(),
            redaction: Redaction::default(),
            min_level: Level::Debug,
            clock: Clock::default(),
            random: Random::default(),
            registrations: Registrations::default(),
            transports: Vec::new(),
        }
    }

    /// Where the service runs; `development` unless set. Sampling depends on it.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.resource.environment = environment.into();
        self
    }

    /// The service's version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.resource.version = Some(version.into());
        self
    }

    /// Which events are kept.
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// What leaves the process, and in which form.
    pub fn redaction(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// The lowest level that is emitted at all, whatever sampling says.
    pub const fn min_level(mut self, level: Level) -> Self {
        self.min_level = level;
        self
    }

    /// Registers the events of a namespace, so that they are checked when they are emitted.
    pub fn events(mut self, events: Events) -> Self {
        self.registrations.namespaces.push(events);
        self
    }

    /// Registers a kind of actor; from the first on, events that are checked may name no other.
    pub fn actor(mut self, kind: Kind) -> Self {
        self.registrations.actors.push(kind);
        self
    }

    /// Registers a kind of scope; from the first on, events that are checked may name no other.
    pub fn scope(mut self, kind: Kind) -> Self {
        self.registrations.scopes.push(kind);
        self
    }

    /// When events are checked, and what becomes of those that are unknown or wrong.
    pub const fn validation(mut self, validation: Validation) -> Self {
        self.registrations.validation = validation;
        self
    }

    /// Adds a transport. All get everything that is kept, each at its own pace.
    pub fn transport(self, transport: impl Transport) -> Self {
        let delivery = transport.delivery();
        self.transport_with(transport, delivery)
    }

    /// Adds a transport that gets only some events, or gets them in another way.
    pub fn transport_with(mut self, transport: impl Transport, delivery: Delivery) -> Self {
        self.transports.push((Box::new(transport), delivery));
        self
    }

    /// Takes the time from this clock: for tests.
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Clock::Manual(clock);
        self
    }

    /// Makes ids and sampling the same in every run: for tests.
    pub fn seed(mut self, seed: u64) -> Self {
        self.random = Random::seeded(seed);
        self
    }

    /// Checks everything, starts the transports, and starts the background threads: one, and one for each transport.
    ///
    /// # Errors
    /// If a setting makes no sense, or a transport cannot start; the error names it.
    pub fn build(self) -> Result<Telemetry, Error> {
        let (core, redactor, transports) = self.start()?;
        let telemetry = Telemetry::new(core.clone());
        // From here on a failure drops `telemetry`, which stops what was started.
        for Started { name, queue, transport } in transports {
            spawn(&name, move || run_worker(&queue, transport))?;
        }
        let collector = Collector::new(core, redactor);
        spawn("collector", move || collector.run())?;
        Ok(telemetry)
    }

    /// Telemetry that takes everything and sends nothing anywhere: without threads, so that it cannot fail.
    pub(crate) fn silent() -> Telemetry {
        let Ok((core, ..)) = Self::new("unknown_service".to_owned()).start() else {
            unreachable!("the defaults make sense, and there is no transport to start")
        };
        core.signal.never_started();
        Telemetry::new(core)
    }

    /// Everything but the threads.
    fn start(self) -> Result<(Arc<Core>, Redactor, Vec<Started>), Error> {
        for (field, text) in
            [("service", &self.resource.service), ("environment", &self.resource.environment)]
        {
            if text.trim().is_empty() {
                return Err(Error::configuration(field, "must not be empty"));
            }
        }
        let sampler = self.sampling.compile(&self.resource.environment)?;
        let redactor = self.redaction.compile()?;
        let registry = self.registrations.compile(&self.resource.environment)?;
        let mut transports = Vec::new();
        for (mut transport, delivery) in self.transports {
            let name = transport.name().to_owned();
            let queue = Arc::new(Queue::new(&name, delivery.compile(&name)?, transport.wants_trace_starts()));
            let failed = |message: String| Error::TransportInitFailed { transport: name.clone(), message };
            transport.start(&self.resource).map_err(|error| failed(error.to_string()))?;
            transports.push(Started { name, queue, transport });
        }
        let core = Arc::new(Core::new(Parts {
            sampler,
            registry,
            clock: self.clock,
            random: self.random,
            resource: self.resource,
            min_level: self.min_level,
            max_text: redactor.max_text(),
            queues: transports.iter().map(|started| started.queue.clone()).collect(),
        }));
        Ok((core, redactor, transports))
    }
}

struct Started {
    name: String,
    queue: Arc<Queue>,
    transport: Box<dyn Transport>,
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = std::thread::Builder::new().name(format!("telemetry {name}")).spawn(run);
    let failed = |error: std::io::Error| Error::TransportInitFailed {
        transport: name.to_owned(),
        message: format!("no thread: {error}"),
    };
    spawned.map(drop).map_err(failed)
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let transports: Vec<_> = self.transports.iter().map(|(transport, _)| transport.name()).collect();
        f.debug_struct("Builder")
            .field("resource", &self.resource)
            .field("transports", &transports)
            .finish_non_exhaustive()
    }
}
