//! The reader's word that a session is over.

use axum::extract::State as Extract;
use axum::response::Redirect;
use throughline_model::SessionId;

use super::address::Address;
use super::frame::Named;
use super::session_page::known;
use crate::domain::arrival::{Batch, BatchContent};
use crate::http::{Error, Project, State};

/// `POST /sessions/{id}/end`
pub(super) async fn end(
    Extract(state): Extract<State>,
    Project(project): Project,
    Named(id): Named,
) -> Result<Redirect, Error> {
    let (now, session) = (state.clock.now(), SessionId::from(id));
    known(&state, &project, &session, now).await?;
    let content = BatchContent::EndSession(session.clone());
    state.store.append(Batch { project, received: now, content }).await?;
    // So that the page it leads back to shows it.
    state.store.settle().await?;
    Ok(Redirect::to(&Address::session(session.as_str()).to_string()))
}
