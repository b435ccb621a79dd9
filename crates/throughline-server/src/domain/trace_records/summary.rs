//! The totals of a trace's records.

use throughline_model::{SessionId, Status, Trace, millis};

use super::claims::First;
use super::{TextSource, TraceRecords};
use crate::domain::lifecycle::{SYNTHETIC_FLAG, UNFINISHED_FLAG};
use crate::domain::preview::Preview;
use crate::domain::trace_summary::TraceSummary;

impl TraceRecords {
    /// The totals; `None` if there is neither a span nor the beginning of one (events alone are no trace).
    pub fn summary(&self) -> Option<TraceSummary> {
        let (start_time, end_time) = self.times()?;
        let begun = self.begun();
        let sums = &self.usage.sums;
        let show = |(preview, _): (&Preview, TextSource)| preview.show();
        let (input, title) = self.texts.input().map(show).unzip();
        let (output, last_output) = self.texts.output().map(show).unzip();
        let name = |first: &First<_, Box<str>>| first.get().map(|name| name.to_string());
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let trace = Trace {
            id: self.id,
            session_id: self.session_id().map(SessionId::from),
            user_id: self.user_id().map(str::to_owned),
            name: self.name().to_owned(),
            input,
            output,
            metadata: self.names.metadata.get(),
            tags: self.names.tags.get(),
            start_time,
            end_time,
            duration: millis(end_time.nanos_since(start_time)),
            usage: sums.usage,
            total_tokens: sums.usage.total(),
            total_cost: sums.total_cost(),
            models: self.usage.model_names(),
            observation_count: u64::from(self.tree.len()),
            event_count: self.events.inheriting,
            error_count: self.errors + self.events.inheriting_errors,
            status: self.status(),
            unfinished: None,
            services: self.services(),
            environment: name(&self.names.environment).or_else(|| said(&begun?.environment)),
            version: name(&self.names.version).or_else(|| begun?.version.clone()),
            flags: self.flags(),
        };
        let mut summary = TraceSummary::new(trace);
        summary.calls = u64::from(sums.calls);
        summary.failed_calls = u64::from(sums.failed_calls);
        let parent_session = self.names.parent_session.get().map(|id| SessionId::from(&**id));
        summary.parent_session_id = parent_session.or_else(|| begun?.parent_session.clone());
        summary.actor = self.names.actor.get().cloned().or_else(|| begun?.actor.clone());
        summary.scope = self.names.scope.get().cloned().or_else(|| begun?.scope.clone());
        summary.open = self.open_starts().cloned().collect();
        summary.title = title.flatten();
        summary.last_output = last_output.flatten();
        let if_cut = |(preview, source): (&Preview, TextSource)| preview.is_cut().then_some(source);
        summary.input_source = self.texts.input().and_then(if_cut);
        summary.output_source = self.texts.output().and_then(if_cut);
        Some(summary)
    }

    fn name(&self) -> &str {
        if let Some(name) = self.names.trace.get() {
            return name;
        }
        if let Some(root) = self.root.get() {
            return &root.name;
        }
        if let Some(start) = self.begun() {
            return &start.name;
        }
        let orphans = self.orphans.iter().filter(|orphan| !self.tree.contains(orphan.parent));
        let first = orphans.min_by_key(|orphan| (orphan.start, orphan.span));
        // Only in a circle of parents does everybody have one.
        first.map_or("", |orphan| &orphan.name)
    }

    fn services(&self) -> Vec<String> {
        let services = self.names.services.get();
        let begun = self.begun().filter(|_| services.is_empty()).map(|start| start.service.clone());
        services.into_iter().chain(begun.filter(|service| !service.is_empty())).collect()
    }

    fn status(&self) -> Status {
        match self.root.get() {
            Some(root) => root.status,
            None if self.errors > 0 => Status::Error,
            None => Status::Unset,
        }
    }

    fn flags(&self) -> Vec<String> {
        let own = [
            ("root_missing", self.root.get().is_none() && self.begun().is_none()),
            (UNFINISHED_FLAG, self.begun().is_some()),
            ("session_conflict", self.names.session.conflict),
            ("user_conflict", self.names.user.conflict),
            (SYNTHETIC_FLAG, self.named_session().is_none() && self.user_session.is_some()),
        ];
        let mut flags: Vec<String> =
            own.iter().filter(|(_, set)| *set).map(|(flag, _)| flag.to_string()).collect();
        flags.extend(self.names.flags.iter().map(|flag| flag.to_string()));
        flags.sort_unstable();
        flags.dedup();
        flags
    }
}
