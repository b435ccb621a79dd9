//! Scores that replace each other: of those with the same key the latest is found, the others are only kept.

use tantivy::{TantivyDocument, Term};
use throughline_model::{Event, ProjectId};

use super::Writer;
use super::records::Batch;
use crate::domain::score;
use crate::store::embedded::key::text_key;
use crate::store::embedded::snapshot::{IndexError, StoredRecord};
use crate::store::embedded::span_index::mark;

impl Writer {
    /// Notes a new event that may be a score; `trace_session` is the session of its trace. A score that it replaces is
    /// written anew as such.
    pub(super) fn note_score(
        &mut self,
        project: &ProjectId,
        event: &Event,
        trace_session: Option<&str>,
    ) -> Result<(), IndexError> {
        let Some(key) = score::key(event) else { return Ok(()) };
        let standing = self.standing_score(project, &key)?;
        if standing.as_ref().is_some_and(|standing| score::is_later(standing, event)) {
            return Ok(());
        }
        if let Some(replaced) = standing {
            let id = text_key(project, replaced.id.as_str());
            self.records.delete(Term::from_field_text(self.fields.span.event, &id));
            let document = self.fields.span.replaced_score(project, &replaced, trace_session)?;
            self.records.add(Batch::of(document, 2048))?;
        }
        self.standing.insert(text_key(project, &key), event.clone());
        Ok(())
    }

    /// The document of an event that was noted.
    pub(super) fn event_document(
        &self,
        project: &ProjectId,
        event: &Event,
        trace_session: Option<&str>,
    ) -> Result<TantivyDocument, IndexError> {
        let standing = match score::key(event) {
            Some(key) => self.standing_score(project, &key)?,
            None => None,
        };
        let fields = &self.fields.span;
        Ok(match standing {
            Some(standing) if standing.id != event.id => {
                fields.replaced_score(project, event, trace_session)?
            }
            _ => fields.event(project, event, trace_session)?,
        })
    }

    /// The latest of the scores with this key.
    fn standing_score(&self, project: &ProjectId, key: &str) -> Result<Option<Event>, IndexError> {
        let key = text_key(project, key);
        if let Some(event) = self.standing.get(&key) {
            return Ok(Some(event.clone()));
        }
        let fields = &self.fields.span;
        let addresses = self.both(
            &self.snapshot.spans,
            Term::from_field_text(fields.score_key, &key),
            Term::from_field_text(fields.mark, &text_key(project, mark::SCORE)),
        )?;
        let mut standing = None;
        self.snapshot.records(&addresses, |record| {
            if let StoredRecord::Event(event) = record {
                standing = Some(*event);
            }
            Ok::<_, IndexError>(())
        })?;
        Ok(standing)
    }
}
