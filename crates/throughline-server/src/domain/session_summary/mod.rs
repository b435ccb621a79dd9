//! A session summed up, kept running: adding, replacing or taking away one trace costs the same however many there are.

mod activity;
mod counted;
mod ends;
mod held;
mod parts;
#[cfg(test)]
mod tests;
mod turns;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use throughline_model::{
    Actor, Attributes, Event, Money, Scope, Session, SessionId, SessionState, Status, Timestamp, Usage,
    millis,
};

use self::activity::Activity;
use self::counted::Counted;
use self::ends::{Ends, Noted};
use self::held::{Earliest, Held, Latest, Speaker};
use self::parts::{Parts, Spell};
use self::turns::Turns;
pub use self::turns::{MAX_TURNS, Turn};
use super::lifecycle::{Boundary, LIVE_NANOS, SYNTHETIC_FLAG, UNFINISHED_FLAG, is_unfinished};
use super::preview;
use super::score::is_score;
use super::trace_summary::TraceSummary;

/// The most metadata keys kept: the first in order of the alphabet.
const MAX_METADATA: usize = 64;

/// The most bytes that a metadata value keeps.
const METADATA_BYTES: usize = 256;

/// The running state cannot follow this change (what it would need was not kept): compute the session afresh from
/// the summaries of all its traces and its own events. The state it was found in is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

/// The sums over everything in one session. Always equal to the same computed afresh: a property test holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSummary {
    id: SessionId,
    traces: u64,
    observations: u64,
    own_events: u64,
    trace_events: u64,
    errors: u64,
    usage: Usage,
    /// Picodollars, and how many traces know theirs.
    cost: i128,
    priced: u64,
    activity: Activity,
    start: Earliest<()>,
    end: Latest<()>,
    models: Counted,
    tags: Counted,
    services: Counted,
    flags: Counted,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Earliest<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Earliest<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Earliest<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Earliest<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Earliest<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_output: Latest<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Latest<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Latest<Scope>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, Held<Value, true>>,
    #[serde(default)]
    turns: Turns,
    /// Whether the trace that ended last failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_failed: Latest<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
    /// Traces and events that began after that.
    #[serde(default)]
    begun_after_end: u64,
    /// Every time that somebody said that it is over, the last one too.
    #[serde(default, skip_serializing_if = "Ends::is_empty")]
    ends: Ends,
    #[serde(default, skip_serializing_if = "is_unsplit")]
    parts: Parts,
}

fn is_unsplit(parts: &Parts) -> bool {
    parts.gap().is_none()
}

impl SessionSummary {
    /// A session with nothing in it yet, to be split as `boundary` says.
    pub fn new(id: SessionId, boundary: Boundary) -> Self {
        Self {
            id,
            parts: Parts::split_after(boundary.gap()),
            ends: Ends::default(),
            traces: 0,
            observations: 0,
            own_events: 0,
            trace_events: 0,
            errors: 0,
            usage: Usage::default(),
            cost: 0,
            priced: 0,
            activity: Activity::default(),
            start: None,
            end: None,
            models: Counted::default(),
            tags: Counted::default(),
            services: Counted::default(),
            flags: Counted::default(),
            user: None,
            environment: None,
            parent: None,
            title: None,
            name: None,
            last_output: None,
            actor: None,
            scope: None,
            metadata: BTreeMap::new(),
            turns: Turns::default(),
            last_failed: None,
            ended: None,
            begun_after_end: 0,
        }
    }

    /// Everything from the start, whatever its order: what to do after [`Stale`].
    pub fn afresh<'a>(
        id: SessionId,
        traces: impl IntoIterator<Item = &'a TraceSummary>,
        events: impl IntoIterator<Item = &'a Event>,
        ends: impl IntoIterator<Item = Timestamp>,
        boundary: Boundary,
    ) -> Self {
        let mut summary = Self::new(id, boundary);
        for end in ends {
            let ended = summary.end(end);
            debug_assert_eq!(ended, Ok(()), "nothing is there to be split");
        }
        let mut spells = Vec::new();
        for trace in traces {
            spells.push(spell(trace));
            let added = summary.replace_all_but_activity(None, Some(trace));
            debug_assert_eq!(added, Ok(()), "only what leaves can be missed");
        }
        for event in events {
            spells.extend(spell_of_event(event));
            let added = summary.add_all_but_activity(event);
            debug_assert_eq!(added, Ok(()), "only what leaves can be missed");
        }
        summary.parts = Parts::of(boundary.gap(), &mut spells, &summary.ends);
        summary.activity = Activity::of(spells.iter().map(|spell| (spell.start, spell.end)).collect());
        summary
    }

    /// A trace joined (`old` none), changed, or left (`new` none). Summaries of traces without their own events:
    /// events that name a session themselves come through [`Self::add_event`], others count in their trace.
    pub fn replace_trace(
        &mut self,
        old: Option<&TraceSummary>,
        new: Option<&TraceSummary>,
    ) -> Result<(), Stale> {
        if old.is_some() && self.traces == 1 && self.own_events == 0 {
            // It is alone: nobody else can come first.
            let (ends, parts) = (std::mem::take(&mut self.ends), Parts::split_after(self.parts.gap()));
            *self = Self { ended: self.ended, ends, parts, ..Self::new(self.id.clone(), Boundary::Off) };
            return self.replace_trace(None, new);
        }
        let (from, to) = (old.map(spell), new.map(spell));
        self.activity.replace(from.map(Spell::times), to.map(Spell::times))?;
        self.parts.replace(from, to, &self.ends)?;
        self.replace_all_but_activity(old, new)
    }

    /// An event that names this session itself, whether inside a trace or not.
    pub fn add_event(&mut self, event: &Event) -> Result<(), Stale> {
        if let Some(spell) = spell_of_event(event) {
            self.activity.replace(None, Some(spell.times()))?;
            self.parts.replace(None, Some(spell), &self.ends)?;
        }
        self.add_all_but_activity(event)
    }

    /// Somebody said that the session is over. Data that begins later reopens it. The last such word counts, and all of
    /// them split; they are kept even if what began later cannot be told ([`Stale`]), so that [`Self::ends`] can go
    /// into [`Self::afresh`].
    pub fn end(&mut self, at: Timestamp) -> Result<(), Stale> {
        // What was stored before ends were kept.
        if let Some(ended) = self.ended.filter(|_| self.ends.is_empty()) {
            self.ends.note(ended);
        }
        let splits = match self.ends.note(at) {
            Noted::Nothing => return Ok(()),
            Noted::Added => self.parts.is_split_by(at),
            Noted::Replaced => self.parts.gap().is_some(),
        };
        self.end_lately(at).and(if splits { Err(Stale) } else { Ok(()) })
    }

    fn end_lately(&mut self, at: Timestamp) -> Result<(), Stale> {
        if self.ended.is_some_and(|ended| ended >= at) {
            return Ok(());
        }
        let none_began_before = self.ended.is_some() && self.begun_after_end == 0;
        let all_over = self.end.as_ref().is_none_or(|end| end.at() <= at);
        self.ended = Some(at);
        self.begun_after_end = 0;
        if none_began_before || all_over { Ok(()) } else { Err(Stale) }
    }

    /// When somebody said that it is over, in order.
    pub fn ends(&self) -> Vec<Timestamp> {
        if self.ends.is_empty() { self.ended.into_iter().collect() } else { self.ends.times().collect() }
    }

    /// Whether it was put together to be split otherwise: then it is to be computed afresh.
    pub fn is_split_otherwise(&self, boundary: Boundary) -> bool {
        self.parts.gap() != boundary.gap()
    }

    /// How many parts it has; 0 where sessions are not split.
    pub fn part_count(&self) -> u64 {
        self.parts.count()
    }

    /// Whether it was over and more began after that.
    pub fn was_reopened(&self) -> bool {
        self.parts.count() > 1 || self.begun_after_end > 0
    }

    /// Whether no application named it.
    pub fn is_synthetic(&self) -> bool {
        self.flags.contains(SYNTHETIC_FLAG)
    }

    /// Whether a trace of it has begun and not ended.
    pub fn is_unfinished(&self) -> bool {
        self.flags.contains(UNFINISHED_FLAG)
    }

    /// Nothing is left in it.
    pub fn is_empty(&self) -> bool {
        self.traces == 0 && self.own_events == 0
    }

    /// Its first turns, in order of start time.
    pub fn first_turns(&self) -> &[Turn] {
        self.turns.first()
    }

    /// The tags of its first turns, each where it first occurs.
    pub fn first_tags(&self) -> Vec<&str> {
        let mut tags = Vec::new();
        for tag in self.turns.first().iter().flat_map(|turn| &turn.tags) {
            if !tags.contains(&tag.as_str()) {
                tags.push(tag.as_str());
            }
        }
        tags
    }

    /// Nanoseconds in which something was going on.
    pub fn active_nanos(&self) -> i64 {
        self.activity.nanos()
    }

    /// Whether the trace that ended last failed: if nothing follows, the session was abandoned.
    pub fn last_turn_failed(&self) -> bool {
        self.last_failed.as_ref().is_some_and(|held| held.value)
    }

    /// What the API shows at the time `now`, in a project with this boundary.
    pub fn session(&self, now: Timestamp, boundary: Boundary) -> Session {
        let is_split = boundary.gap().is_some();
        let start_time = self.start.as_ref().map_or(now, Held::at);
        let end_time = self.end.as_ref().map_or(start_time, Held::at);
        let text = |held: &Earliest<String>| held.as_ref().map(|held| held.value.clone());
        Session {
            id: self.id.clone(),
            user_id: text(&self.user),
            trace_count: self.traces,
            observation_count: self.observations,
            event_count: self.own_events + self.trace_events,
            error_count: self.errors,
            start_time,
            end_time,
            duration: millis(end_time.nanos_since(start_time)),
            active_duration: millis(self.activity.nanos()),
            total_tokens: self.usage.total(),
            usage: self.usage,
            total_cost: (self.priced > 0).then_some(Money::from_picodollars(self.cost)),
            models: self.models.names(),
            tags: self.tags.names(),
            environment: text(&self.environment),
            services: self.services.names(),
            actor: self.actor.as_ref().map(|held| held.value.clone()),
            scope: self.scope.as_ref().map(|held| held.value.clone()),
            metadata: self.metadata.iter().map(|(key, held)| (key.clone(), held.value.clone())).collect(),
            title: text(&self.title).or_else(|| text(&self.name)),
            last_output: self.last_output.as_ref().map(|held| held.value.clone()),
            state: self.state(now, end_time, boundary),
            reopened: if is_split { self.was_reopened() } else { self.begun_after_end > 0 },
            synthetic: self.is_synthetic(),
            part_count: if is_split { self.part_count() } else { 0 },
            parts: if is_split { self.parts.show(&self.id, &self.ends) } else { Vec::new() },
            parent_session_id: text(&self.parent).map(SessionId::from),
            goals: Vec::new(),
            flags: self.flags.names(),
        }
    }

    fn state(&self, now: Timestamp, end_time: Timestamp, boundary: Boundary) -> SessionState {
        let was_ended = self.ended.is_some() && self.begun_after_end == 0;
        match now.nanos_since(end_time) {
            _ if was_ended => SessionState::Ended,
            quiet if quiet >= boundary.over_after() => SessionState::Ended,
            quiet if quiet < LIVE_NANOS => SessionState::Live,
            _ => SessionState::Idle,
        }
    }

    fn replace_all_but_activity(
        &mut self,
        old: Option<&TraceSummary>,
        new: Option<&TraceSummary>,
    ) -> Result<(), Stale> {
        let Some(known) = new.or(old) else { return Ok(()) };
        // First in, then out: what stays is never at zero in between.
        if let Some(new) = new {
            self.add_sums(new);
        }
        if let Some(old) = old {
            self.subtract_sums(old)?;
        }
        let names = |of: fn(&TraceSummary) -> &[String]| (old.map_or(&[][..], of), new.map_or(&[][..], of));
        for (counted, (old, new)) in [
            (&mut self.models, names(|summary| &summary.trace.models)),
            (&mut self.tags, names(|summary| &summary.trace.tags)),
            (&mut self.services, names(|summary| &summary.trace.services)),
            (&mut self.flags, names(|summary| &summary.trace.flags)),
        ] {
            counted.replace(old, new)?;
        }
        self.turns.replace(old, new)?;
        let by = Speaker::Trace(known.trace.id);
        self.replace_said(&by, new)?;
        let none = Attributes::new();
        self.replace_metadata(
            &by,
            old.map_or(&none, |old| &old.trace.metadata),
            new.map(|new| (new.trace.end_time, &new.trace.metadata)),
        )
    }

    fn add_sums(&mut self, new: &TraceSummary) {
        self.traces += 1;
        self.observations += new.trace.observation_count;
        self.trace_events += new.trace.event_count;
        self.errors += new.trace.error_count;
        self.usage += new.trace.usage;
        self.cost += new.trace.total_cost.map_or(0, Money::picodollars);
        self.priced += u64::from(new.trace.total_cost.is_some());
        self.begun_after_end += u64::from(self.is_after_end(new.trace.start_time));
    }

    /// Stale if it was never added, which a caller could only do by mistake.
    fn subtract_sums(&mut self, old: &TraceSummary) -> Result<(), Stale> {
        let after_end = u64::from(self.is_after_end(old.trace.start_time));
        for (sum, part) in [
            (&mut self.traces, 1),
            (&mut self.observations, old.trace.observation_count),
            (&mut self.trace_events, old.trace.event_count),
            (&mut self.errors, old.trace.error_count),
            (&mut self.priced, u64::from(old.trace.total_cost.is_some())),
            (&mut self.begun_after_end, after_end),
        ] {
            *sum = sum.checked_sub(part).ok_or(Stale)?;
        }
        self.usage -= old.trace.usage;
        self.cost -= old.trace.total_cost.map_or(0, Money::picodollars);
        Ok(())
    }

    fn is_after_end(&self, start: Timestamp) -> bool {
        self.ended.is_some_and(|ended| start > ended)
    }

    fn replace_said(&mut self, by: &Speaker<'_>, new: Option<&TraceSummary>) -> Result<(), Stale> {
        let start = new.map(|new| new.trace.start_time);
        let end = new.map(|new| new.trace.end_time);
        Held::replace(&mut self.start, by, start.zip(Some(&())))?;
        Held::replace(&mut self.end, by, end.zip(Some(&())))?;
        let name = new.map(|new| preview::one_line(&new.trace.name)).filter(|name| !name.is_empty());
        Held::replace(&mut self.name, by, start.zip(name.as_deref()))?;
        Held::replace(&mut self.title, by, start.zip(new.and_then(|new| new.title.as_deref())))?;
        Held::replace(&mut self.user, by, start.zip(new.and_then(|new| new.trace.user_id.as_deref())))?;
        let environment = new.and_then(|new| new.trace.environment.as_deref());
        Held::replace(&mut self.environment, by, start.zip(environment))?;
        let parent = new.and_then(|new| new.parent_session_id.as_ref()).map(SessionId::as_str);
        Held::replace(&mut self.parent, by, start.zip(parent))?;
        let last_output = new.and_then(|new| new.last_output.as_deref());
        Held::replace(&mut self.last_output, by, end.zip(last_output))?;
        let failed = new.map(|new| new.trace.status == Status::Error || is_unfinished(&new.trace));
        Held::replace(&mut self.last_failed, by, end.zip(failed.as_ref()))?;
        Held::replace(&mut self.actor, by, end.zip(new.and_then(|new| new.actor.as_ref())))?;
        Held::replace(&mut self.scope, by, end.zip(new.and_then(|new| new.scope.as_ref())))
    }

    fn replace_metadata(
        &mut self,
        by: &Speaker<'_>,
        old: &Attributes,
        new: Option<(Timestamp, &Attributes)>,
    ) -> Result<(), Stale> {
        let kept = |key: &str| new.is_some_and(|(_, new)| new.contains_key(key));
        for key in old.keys().filter(|key| !kept(key)) {
            if let Some(held) = self.metadata.remove(key) {
                let mut held = Some(held);
                Held::replace(&mut held, by, None::<(Timestamp, &Value)>)?;
                self.metadata.extend(held.map(|held| (key.clone(), held)));
            }
        }
        for (at, key, value) in
            new.iter().flat_map(|(at, new)| new.iter().map(|(key, value)| (*at, key, value)))
        {
            let value = preview::shortened(value.clone(), METADATA_BYTES);
            let mut held = self.metadata.remove(key);
            Held::replace(&mut held, by, Some((at, &value)))?;
            self.metadata.extend(held.map(|held| (key.clone(), held)));
        }
        while self.metadata.len() > MAX_METADATA {
            self.metadata.pop_last();
        }
        Ok(())
    }

    fn add_all_but_activity(&mut self, event: &Event) -> Result<(), Stale> {
        self.own_events += 1;
        self.errors += u64::from(event.is_error());
        // Feedback comes when it comes: nothing went on then.
        let is_score = is_score(event);
        self.begun_after_end += u64::from(!is_score && self.is_after_end(event.time));
        if !event.service.is_empty() {
            self.services.add(&event.service);
        }
        let by = Speaker::Event(Cow::Borrowed(&event.id));
        let at = event.time;
        Held::replace(&mut self.start, &by, Some((at, &())))?;
        Held::replace(&mut self.end, &by, Some((at, &())).filter(|_| !is_score))?;
        let name = preview::one_line(&event.name);
        let is_named = !name.is_empty() && !is_score;
        Held::replace(&mut self.name, &by, Some((at, name.as_str())).filter(|_| is_named))?;
        let environment = Some(event.environment.as_str()).filter(|name| !name.is_empty());
        Held::replace(&mut self.environment, &by, environment.map(|name| (at, name)))?;
        Held::replace(&mut self.user, &by, event.user_id().map(|id| (at, id)))?;
        Held::replace(&mut self.parent, &by, event.parent_session_id().map(|id| (at, id)))?;
        let actor = event.actor.as_ref().map(preview::actor);
        Held::replace(&mut self.actor, &by, actor.as_ref().map(|actor| (at, actor)))?;
        let scope = event.scope.as_ref().map(preview::scope);
        Held::replace(&mut self.scope, &by, scope.as_ref().map(|scope| (at, scope)))
    }
}

fn spell(summary: &TraceSummary) -> Spell {
    Spell { start: summary.trace.start_time, end: summary.trace.end_time, is_trace: true }
}

/// Feedback is no activity: it comes when it comes.
fn spell_of_event(event: &Event) -> Option<Spell> {
    (!is_score(event)).then_some(Spell { start: event.time, end: event.time, is_trace: false })
}
