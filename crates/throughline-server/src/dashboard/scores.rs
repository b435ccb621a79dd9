//! What was said of a session, a trace or an observation: its scores, and the thumbs with which a reader says it.

use axum::Form;
use axum::extract::State as Extract;
use axum::response::Redirect;
use serde::Deserialize;
use throughline_model::{Attributes, ProjectId, SessionId, SpanId, Timestamp, TraceId};

use super::address::Address;
use super::finder::exactly;
use super::frame::Named;
use super::notation;
use super::session_page::known;
use crate::domain::arrival::{Batch, BatchContent};
use crate::domain::filter::{Field, Filter};
use crate::domain::query::{ListQuery, Sort, SortField, TraceDetail};
use crate::domain::score::{self, Score, ScoreValue};
use crate::http::{Error, Project, State};

/// The name of the score that the thumbs give.
const THUMBS: &str = "thumbs";
const MOST: usize = 100;

/// What a thumb is about.
#[derive(Debug, Clone, PartialEq)]
enum Subject {
    Session(SessionId),
    Trace(TraceId),
    Observation(TraceId, SpanId),
}

/// The scores of something as its page shows them.
#[derive(Debug, Clone, Default)]
pub(super) struct Scores {
    /// Where a thumb is sent to; empty where none can be given.
    pub action: String,
    /// What it is about: `session`, `turn` or `observation`.
    pub on: &'static str,
    /// The observation that goes along.
    pub observation: String,
    /// What the reader's thumb says.
    pub thumb: Option<bool>,
    pub chips: Vec<Chip>,
}

/// One score.
#[derive(Debug, Clone)]
pub(super) struct Chip {
    pub name: String,
    pub value: String,
    /// Why, and on what.
    pub title: String,
    pub is_bad: bool,
}

impl Subject {
    /// The id of the reader's score, of which the last one stands.
    fn thumb_id(&self) -> String {
        match self {
            Self::Session(id) => format!("{THUMBS}:{id}"),
            Self::Trace(id) => format!("{THUMBS}:{id}"),
            Self::Observation(_, id) => format!("{THUMBS}:{id}"),
        }
    }

    fn is_of(&self, score: &Score) -> bool {
        match self {
            // All that is in it, too.
            Self::Session(_) => true,
            Self::Trace(id) => score.trace_id == Some(*id) && score.observation_id.is_none(),
            Self::Observation(trace, id) => {
                score.trace_id == Some(*trace) && score.observation_id == Some(*id)
            }
        }
    }

    /// The page that shows it.
    fn page(&self) -> Address {
        match self {
            Self::Session(id) => Address::session(id.as_str()),
            Self::Trace(id) => Address::of("/traces", &id.to_string()),
            Self::Observation(trace, id) => {
                Address::of("/traces", &trace.to_string()).with("observation", id.to_string())
            }
        }
    }

    /// The filter that finds the scores of its session or trace.
    fn filter(&self) -> Filter {
        let within = match self {
            Self::Session(id) => exactly(Field::Session, id.as_str()),
            Self::Trace(id) | Self::Observation(id, _) => exactly(Field::Trace, &id.to_string()),
        };
        Filter::all_of([within, score::standing()])
    }
}

impl Scores {
    pub(super) async fn of_session(
        state: &State,
        project: &ProjectId,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let subject = Subject::Session(session.clone());
        let scores = scores_of(state, project, &subject, now).await?;
        Ok(Self::of(&subject, &scores))
    }

    /// Of the trace as a whole, or of the observation in it that has this id. Of anything else there are none.
    pub(super) fn of_record(detail: &TraceDetail, observation: &str) -> Self {
        let trace = detail.trace.id;
        let known = |id: &SpanId| detail.observations.iter().any(|observation| observation.id == *id);
        let subject = match observation.parse().ok().filter(known) {
            Some(id) => Subject::Observation(trace, id),
            None if observation.is_empty() => Subject::Trace(trace),
            None => return Self::default(),
        };
        Self::of(&subject, &score::standing_among(&detail.events))
    }

    fn of(subject: &Subject, scores: &[Score]) -> Self {
        let scores = || scores.iter().filter(|score| subject.is_of(score));
        let thumb_id = subject.thumb_id();
        let thumb = scores().find(|score| score.id == thumb_id);
        let (on, observation, place) = match subject {
            Subject::Session(_) => ("session", String::new(), subject.page()),
            Subject::Trace(_) => ("turn", String::new(), subject.page()),
            Subject::Observation(trace, id) => ("observation", id.to_string(), Subject::Trace(*trace).page()),
        };
        Self {
            action: Address::of_part(&place, "thumbs").to_string(),
            on,
            observation,
            thumb: thumb.map(|score| score.value == ScoreValue::Flag(true)),
            chips: scores().filter(|score| score.id != thumb_id).map(Chip::new).collect(),
        }
    }
}

/// The latest first.
async fn scores_of(
    state: &State,
    project: &ProjectId,
    subject: &Subject,
    now: Timestamp,
) -> Result<Vec<Score>, Error> {
    let sort = Sort { by: SortField::StartTime, descending: true };
    let query =
        ListQuery { filter: subject.filter(), from: None, to: None, sort, limit: MOST, after: None, now };
    let events = state.store.events(project, &query).await?.rows;
    Ok(events.iter().filter_map(Score::of).collect())
}

impl Chip {
    fn new(score: &Score) -> Self {
        let on = match (score.observation_id, score.trace_id) {
            (Some(_), _) => "on an observation",
            (None, Some(_)) => "on a turn",
            (None, None) => "on the session",
        };
        let comment = score.comment.as_deref().map(|text| notation::line(text, 300));
        Self {
            name: notation::line(&score.name, 40),
            value: match &score.value {
                ScoreValue::Number(number) => format!("{number}"),
                ScoreValue::Flag(true) => "yes".to_owned(),
                ScoreValue::Flag(false) => "no".to_owned(),
                ScoreValue::Category(text) | ScoreValue::Text(text) => notation::line(text, 40),
            },
            title: comment.map_or_else(|| on.to_owned(), |comment| format!("{on}: {comment}")),
            is_bad: score.value == ScoreValue::Flag(false),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Thumb {
    up: bool,
    #[serde(default)]
    observation: String,
}

/// `POST /sessions/{id}/thumbs`
pub(super) async fn on_session(
    Extract(state): Extract<State>,
    Project(project): Project,
    Named(id): Named,
    Form(thumb): Form<Thumb>,
) -> Result<Redirect, Error> {
    let (now, session) = (state.clock.now(), SessionId::from(id));
    known(&state, &project, &session, now).await?;
    give(&state, project, &Subject::Session(session), thumb.up).await
}

/// `POST /traces/{id}/thumbs`: on the trace, or on the observation in it that goes along.
pub(super) async fn on_trace(
    Extract(state): Extract<State>,
    Project(project): Project,
    Named(id): Named,
    Form(thumb): Form<Thumb>,
) -> Result<Redirect, Error> {
    let unknown = || Error::not_found(format!("nothing is known under {}", notation::line(&id, 120)));
    let trace: TraceId = id.parse().map_err(|_| unknown())?;
    let outline = state.store.trace_outline(&project, &trace).await?.ok_or_else(unknown)?;
    let subject = if thumb.observation.is_empty() {
        Subject::Trace(trace)
    } else {
        let observation: SpanId = thumb.observation.parse().map_err(|_| unknown())?;
        if !outline.spans.iter().any(|span| span.id == observation) {
            return Err(unknown());
        }
        Subject::Observation(trace, observation)
    };
    give(&state, project, &subject, thumb.up).await
}

async fn give(state: &State, project: ProjectId, subject: &Subject, up: bool) -> Result<Redirect, Error> {
    let now = state.clock.now();
    // Of two within one tick of the clock the second counts, too.
    let before = scores_of(state, &project, subject, now).await?;
    let before = before.iter().find(|score| score.id == subject.thumb_id() && subject.is_of(score));
    let time = before.map_or(now, |before| now.max(before.time.plus_nanos(1)));
    let (session_id, trace_id, observation_id) = match subject {
        Subject::Session(id) => (Some(id.clone()), None, None),
        Subject::Trace(id) => (None, Some(*id), None),
        Subject::Observation(trace, id) => (None, Some(*trace), Some(*id)),
    };
    let score = Score {
        id: subject.thumb_id(),
        name: THUMBS.to_owned(),
        value: ScoreValue::Flag(up),
        comment: None,
        session_id,
        trace_id,
        observation_id,
        environment: None,
        time,
        metadata: Attributes::new(),
    };
    let content = BatchContent::Events(vec![score.into_event()]);
    state.store.append(Batch { project, received: now, content }).await?;
    // So that the page it leads back to shows it.
    state.store.settle().await?;
    Ok(Redirect::to(&subject.page().to_string()))
}
