//! Names of the attributes that the SDK writes and the server reads. OpenTelemetry's own name wherever it has one;
//! the rest begins with `throughline.`.

/// The session (OpenTelemetry general conventions).
pub const SESSION_ID: &str = "session.id";
/// The session that this session was started in.
pub const PARENT_SESSION_ID: &str = "throughline.parent_session.id";
/// How many events an event stands for that was kept by chance.
pub const SAMPLING_WEIGHT: &str = "throughline.sampling.weight";
/// The user (OpenTelemetry general conventions).
pub const USER_ID: &str = "user.id";
/// Kind of actor.
pub const ACTOR_TYPE: &str = "throughline.actor.type";
/// Which actor.
pub const ACTOR_ID: &str = "throughline.actor.id";
/// More about the actor: a map.
pub const ACTOR_TAGS: &str = "throughline.actor.tags";
/// Kind of scope.
pub const SCOPE_TYPE: &str = "throughline.scope.type";
/// Which scope.
pub const SCOPE_ID: &str = "throughline.scope.id";
/// More about the scope: a map.
pub const SCOPE_TAGS: &str = "throughline.scope.tags";
/// An event's id.
pub const EVENT_ID: &str = "throughline.event.id";
/// An event's attributes whose names mean something else in the envelope: a map.
pub const EVENT_ATTRIBUTES: &str = "throughline.event.attributes";
/// What an error says to a program.
pub const ERROR_CODE: &str = "throughline.error.code";
/// An error's type (OpenTelemetry).
pub const EXCEPTION_TYPE: &str = "exception.type";
/// What an error says (OpenTelemetry).
pub const EXCEPTION_MESSAGE: &str = "exception.message";
/// An error's stack trace or chain of causes (OpenTelemetry).
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
/// The package or module that says something.
pub const SOURCE_CAUSER: &str = "throughline.source.causer";
/// The source file (OpenTelemetry).
pub const SOURCE_FILE: &str = "code.file.path";
/// The line in it (OpenTelemetry).
pub const SOURCE_LINE: &str = "code.line.number";
/// The service (OpenTelemetry resource).
pub const SERVICE_NAME: &str = "service.name";
/// The service's version (OpenTelemetry resource).
pub const SERVICE_VERSION: &str = "service.version";
/// Where the service runs (OpenTelemetry resource).
pub const ENVIRONMENT: &str = "deployment.environment.name";
/// What kind of observation a span is: one of the names of [`ObservationType`](crate::ObservationType).
pub const OBSERVATION_TYPE: &str = "throughline.observation.type";
/// How serious a span is: one of the names of [`Level`](crate::Level).
pub const LEVEL: &str = "throughline.level";
/// What went into a span (OpenInference): text or JSON text.
pub const INPUT: &str = "input.value";
/// What came out of a span (OpenInference): text or JSON text.
pub const OUTPUT: &str = "output.value";
/// An explicit name of the trace.
pub const TRACE_NAME: &str = "throughline.trace.name";
/// The name of the event that tells that a trace has begun, before any of it has ended: it names the trace and its first
/// span by their ids, and by the attributes [`TRACE_NAME`] and [`OBSERVATION_TYPE`].
pub const TRACE_STARTED: &str = "throughline.trace.started";
/// An explicit input of the trace.
pub const TRACE_INPUT: &str = "throughline.trace.input";
/// An explicit output of the trace.
pub const TRACE_OUTPUT: &str = "throughline.trace.output";
/// Labels of the trace: an array of texts.
pub const TAGS: &str = "throughline.tags";
/// Metadata: this, followed by the key.
pub const METADATA_PREFIX: &str = "throughline.metadata.";
/// What the call cost, in dollars, as the application says.
pub const COST: &str = "throughline.cost";
/// Input tokens written to an hour's cache; the other buckets have names of OpenTelemetry's.
pub const CACHE_WRITE_1H: &str = "throughline.usage.cache_write_1h";
/// Seconds from start to the first token (OpenTelemetry).
pub const TIME_TO_FIRST_TOKEN: &str = "gen_ai.response.time_to_first_chunk";
