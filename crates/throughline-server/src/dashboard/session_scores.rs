//! What was said of a session: its scores, and the thumbs with which a reader says it.

use axum::Form;
use axum::extract::State as Extract;
use axum::response::Redirect;
use serde::Deserialize;
use throughline_model::{Attributes, ProjectId, SessionId, Timestamp};

use super::address::Address;
use super::finder::exactly;
use super::frame::Named;
use super::notation;
use super::session_page::known;
use crate::domain::arrival::{Batch, BatchContent};
use crate::domain::filter::{Field, Filter};
use crate::domain::query::{ListQuery, Sort, SortField};
use crate::domain::score::{self, Score, ScoreValue};
use crate::http::{Error, Project, State};

/// The name of the score that the thumbs give.
const THUMBS: &str = "thumbs";
const MOST: usize = 100;

/// The scores of a session as its page shows them.
#[derive(Debug, Clone, Default)]
pub(super) struct SessionScores {
    pub action: String,
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

impl SessionScores {
    pub(super) async fn read(
        state: &State,
        project: &ProjectId,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let scores = scores_of(state, project, session, now).await?;
        let thumb = scores.iter().find(|score| score.id == thumb_id(session));
        Ok(Self {
            action: Address::of_part(&Address::session(session.as_str()), "thumbs").to_string(),
            thumb: thumb.map(|score| score.value == ScoreValue::Flag(true)),
            chips: scores.iter().filter(|score| score.id != thumb_id(session)).map(Chip::new).collect(),
        })
    }
}

/// The latest first.
async fn scores_of(
    state: &State,
    project: &ProjectId,
    session: &SessionId,
    now: Timestamp,
) -> Result<Vec<Score>, Error> {
    let filter = Filter::all_of([exactly(Field::Session, session.as_str()), score::standing()]);
    let sort = Sort { by: SortField::StartTime, descending: true };
    let query = ListQuery { filter, from: None, to: None, sort, limit: MOST, after: None, now };
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
                ScoreValue::Text(text) => notation::line(text, 40),
            },
            title: comment.map_or_else(|| on.to_owned(), |comment| format!("{on}: {comment}")),
            is_bad: score.value == ScoreValue::Flag(false),
        }
    }
}

fn thumb_id(session: &SessionId) -> String {
    format!("{THUMBS}:{session}")
}

#[derive(Debug, Deserialize)]
pub(super) struct Thumb {
    up: bool,
}

/// `POST /sessions/{id}/thumbs`
pub(super) async fn give_thumb(
    Extract(state): Extract<State>,
    Project(project): Project,
    Named(id): Named,
    Form(thumb): Form<Thumb>,
) -> Result<Redirect, Error> {
    let (now, session) = (state.clock.now(), SessionId::from(id));
    known(&state, &project, &session, now).await?;
    // Of two within one tick of the clock the second counts, too.
    let before = scores_of(&state, &project, &session, now).await?;
    let before = before.iter().find(|score| score.id == thumb_id(&session)).map(|score| score.time);
    let time = before.map_or(now, |before| now.max(before.plus_nanos(1)));
    let score = Score {
        id: thumb_id(&session),
        name: THUMBS.to_owned(),
        value: ScoreValue::Flag(thumb.up),
        comment: None,
        session_id: Some(session.clone()),
        trace_id: None,
        observation_id: None,
        environment: None,
        time,
        metadata: Attributes::new(),
    };
    let content = BatchContent::Events(vec![score.into_event()]);
    state.store.append(Batch { project, received: now, content }).await?;
    // So that the page it leads back to shows it.
    state.store.settle().await?;
    Ok(Redirect::to(&Address::session(session.as_str()).to_string()))
}
