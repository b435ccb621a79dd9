//! From a span's bytes to its facts, by the table.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::context::Context;
use super::digest::bounded_id;
use super::facts::{AttributeValue, SpanFacts};
use super::indexed;
use super::mapping::{Field, INDEX, Rule, Shape, When};
use super::naming;
use super::slots::{Slots, instant, unquoted, unquoted_text};
use super::span::RawSpan;
use super::span_events::SpanEvents;
use super::usage::{self, Counts, object};
use super::value::{RawValue, items, key_value};
use super::wire::{self, Wire};
use crate::{Actor, ErrorInfo, Level, ObservationType, Scope, SpanId, Status, Timestamp, TraceId};

type Pairs<'a> = Vec<(Cow<'a, str>, AttributeValue<'a>)>;

/// What one pass over a span's bytes collects.
struct Reader<'a> {
    span: &'a [u8],
    context: &'a Context<'a>,
    slots: Slots<'a>,
    /// Sources that another one won over.
    lost: Vec<(&'static Rule, RawValue<'a>)>,
    attributes: Pairs<'a>,
    metadata: Pairs<'a>,
    parameters: Pairs<'a>,
    events: SpanEvents<'a>,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_id: &'a [u8],
    name: &'a [u8],
    start: u64,
    end: u64,
    status: Status,
    status_message: &'a [u8],
}

/// What the span says, in our words.
pub(super) fn read<'a>(raw: &RawSpan<'a>) -> SpanFacts<'a> {
    let mut reader = Reader {
        span: raw.span,
        context: raw.context,
        slots: Slots::new(),
        lost: Vec::new(),
        attributes: Vec::new(),
        metadata: Vec::new(),
        parameters: Vec::new(),
        events: SpanEvents::default(),
        trace_id: &[],
        span_id: &[],
        parent_id: &[],
        name: &[],
        start: 0,
        end: 0,
        status: Status::Unset,
        status_message: &[],
    };
    reader.walk();
    reader.facts()
}

impl<'a> Reader<'a> {
    fn walk(&mut self) {
        for field in wire::checked(self.span) {
            match field {
                (9, Wire::Bytes(attribute)) => {
                    let (key, value) = key_value(attribute);
                    self.attribute(key, value);
                }
                (1, Wire::Bytes(id)) => self.trace_id = id,
                (2, Wire::Bytes(id)) => self.span_id = id,
                (4, Wire::Bytes(id)) => self.parent_id = id,
                (5, Wire::Bytes(name)) => self.name = name,
                (7, Wire::Fixed64(nanos)) => self.start = nanos,
                (8, Wire::Fixed64(nanos)) => self.end = nanos,
                (11, Wire::Bytes(event)) => self.events.push(event),
                (15, Wire::Bytes(status)) => self.status(status),
                _ => {}
            }
        }
        for (key, value) in self.events.details() {
            self.attribute(key, value);
        }
    }

    fn status(&mut self, status: &'a [u8]) {
        for field in wire::checked(status) {
            match field {
                (2, Wire::Bytes(message)) => self.status_message = message,
                (3, Wire::Varint(1)) => self.status = Status::Ok,
                (3, Wire::Varint(2)) => self.status = Status::Error,
                _ => {}
            }
        }
    }

    #[inline]
    fn attribute(&mut self, key: &'a [u8], value: RawValue<'a>) {
        let mut known = false;
        for rule in INDEX.rules(key) {
            if rule.when == When::ClaudeCode && !self.context.claude_code {
                continue;
            }
            known = true;
            match (rule.field, rule.shape) {
                (Field::Ignored, _) => {}
                (field, Shape::Named(name)) => {
                    self.named(field, name, key.get(rule.key.len()..).unwrap_or_default(), value);
                }
                _ => {
                    let lost = self.slots.offer(rule, value);
                    self.lost.extend(
                        lost.filter(|(rule, _)| rule.is_first && !matches!(rule.shape, Shape::Indexed)),
                    );
                }
            }
        }
        if !known {
            if self.attributes.capacity() == 0 {
                self.attributes.reserve(8);
            }
            self.attributes.push((wire::text(key), value.to_attribute()));
        }
    }

    fn named(&mut self, field: Field, name: &'static str, suffix: &'a [u8], value: RawValue<'a>) {
        let name = if name.is_empty() { wire::text(suffix) } else { Cow::Borrowed(name) };
        let list = match field {
            Field::Metadata => &mut self.metadata,
            _ => &mut self.parameters,
        };
        list.push((name, unquoted(value.to_attribute())));
    }

    fn text(&self, field: Field) -> Option<Cow<'a, str>> {
        read_text(&self.slots, field)
    }

    /// What the span or else its resource says.
    fn shared(&self, field: Field) -> Option<Cow<'a, str>> {
        self.text(field).or_else(|| read_text(&self.context.slots, field))
    }

    /// What the better row says, on the span or its resource.
    fn ranked(&self, field: Field) -> Option<Cow<'a, str>> {
        match (self.slots.get(field), self.context.slots.get(field)) {
            (Some((own, _)), Some((resource, _))) if resource.rank < own.rank => {
                read_text(&self.context.slots, field)
            }
            _ => self.shared(field),
        }
    }

    /// Text or JSON text; indexed attributes gathered into one array.
    fn content(&self, field: Field) -> Option<Cow<'a, str>> {
        match self.slots.get(field)? {
            (rule, _) if matches!(rule.shape, Shape::Indexed) => {
                Some(Cow::Owned(indexed::gather(self.span, rule.key)))
            }
            (_, value) => value.to_text(),
        }
    }

    fn kind(&self) -> ObservationType {
        let named = self.slots.get(Field::Kind).and_then(|(rule, value)| match rule.shape {
            Shape::Kind(kind) => kind(&value.to_text()?),
            _ => None,
        });
        let has = |field| self.slots.get(field).is_some();
        named
            .or_else(|| match self.context.claude_code {
                true => naming::claude_code_kind(&wire::text(self.name)),
                false => None,
            })
            .unwrap_or(match () {
                () if has(Field::ToolName) || has(Field::ToolCallId) => ObservationType::Tool,
                () if has(Field::Model) || has(Field::RequestedModel) => ObservationType::Generation,
                () => ObservationType::Span,
            })
    }

    fn level(&self) -> Option<Level> {
        let (rule, value) = self.slots.get(Field::Level)?;
        match rule.shape {
            Shape::Level(level) => level(&value.to_text()?),
            _ => None,
        }
    }

    fn tags(&self) -> Vec<Cow<'a, str>> {
        let own = self.slots.value(Field::Tags).or_else(|| self.context.slots.value(Field::Tags));
        own.map(texts).unwrap_or_default()
    }

    fn actor(&self) -> Option<Actor> {
        Some(Actor {
            kind: self.shared(Field::ActorType)?.into_owned(),
            id: self.shared(Field::ActorId).map(Cow::into_owned),
            tags: self.shared_object(Field::ActorTags),
        })
    }

    fn scope(&self) -> Option<Scope> {
        Some(Scope {
            kind: self.shared(Field::ScopeType)?.into_owned(),
            id: self.shared(Field::ScopeId)?.into_owned(),
            tags: self.shared_object(Field::ScopeTags),
        })
    }

    fn shared_object(&self, field: Field) -> Map<String, Value> {
        let value = self.slots.value(field).or_else(|| self.context.slots.value(field));
        value.and_then(object).unwrap_or_default()
    }

    fn error(&self, status_message: Option<&str>) -> Option<ErrorInfo> {
        let owned = |field| self.text(field).map(Cow::into_owned);
        let exception = self.events.exception();
        let name = exception.kind.or_else(|| owned(Field::ErrorType));
        let message = exception.message.or_else(|| owned(Field::ErrorMessage));
        if name.is_none() && message.is_none() {
            return None;
        }
        Some(ErrorInfo {
            name: name.unwrap_or_else(|| "error".to_owned()),
            message: message.or_else(|| status_message.map(str::to_owned)).unwrap_or_default(),
            code: exception.code.or_else(|| owned(Field::ErrorCode)),
            stack: exception.stack.or_else(|| owned(Field::ErrorStack)),
        })
    }

    fn time_to_first_token(&self) -> Option<i64> {
        let start = Timestamp::from_nanos(nanos(self.start));
        let told = self.slots.get(Field::FirstToken).and_then(|(rule, value)| match rule.shape {
            Shape::Seconds => Some((value.to_number()? * 1e9) as i64),
            Shape::Milliseconds => Some((value.to_number()? * 1e6) as i64),
            Shape::Instant => Some(instant(value)?.nanos_since(start)),
            _ => None,
        });
        told.or_else(|| Some(Timestamp::from_nanos(nanos(self.events.first_chunk()?)).nanos_since(start)))
            .filter(|&nanos| nanos >= 0)
    }

    /// Takes in the JSON that holds several parameters or several metadata at once.
    fn unfold(&mut self) {
        if let Some(metadata) = self.slots.value(Field::MetadataJson).and_then(object) {
            self.metadata.extend(pairs(metadata));
        }
        if let Some(parameters) = self.slots.value(Field::Parameters).and_then(object) {
            self.parameters.extend(pairs(parameters));
        }
        for (rule, value) in std::mem::take(&mut self.lost) {
            if self.slots.value(rule.field) != Some(value) {
                self.attributes.push((Cow::Borrowed(rule.key), value.to_attribute()));
            }
        }
    }

    fn session(&self) -> Option<Cow<'a, str>> {
        const NAMES: [&str; 3] = ["session_id", "thread_id", "conversation_id"];
        let in_metadata = |name: &&str| match find(&self.metadata, name)? {
            AttributeValue::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        self.text(Field::Session)
            .or_else(|| NAMES.iter().find_map(in_metadata))
            .or_else(|| read_text(&self.context.slots, Field::Session))
            .map(bounded_id)
    }

    fn facts(mut self) -> SpanFacts<'a> {
        self.unfold();
        let status_message = match self.status_message {
            b"" => self.text(Field::StatusMessage),
            message => Some(wire::text(message)),
        };
        let level = self.level();
        let status = match (self.status, level) {
            (Status::Unset, Some(Level::Error | Level::Fatal)) => Status::Error,
            (status, _) => status,
        };
        let level = match status {
            Status::Error => level.unwrap_or(Level::Error).max(Level::Error),
            _ => level.unwrap_or_default(),
        };
        let actor = self.actor();
        let user_id = self.shared(Field::User).or_else(|| match &actor {
            Some(Actor { kind, id: Some(id), .. }) if kind == "user" => Some(Cow::Owned(id.clone())),
            _ => None,
        });
        let start = nanos(self.start);
        let mut facts = SpanFacts {
            trace_id: TraceId::from_slice(self.trace_id).unwrap_or_default(),
            span_id: SpanId::from_slice(self.span_id).unwrap_or_default(),
            parent_id: SpanId::from_slice(self.parent_id),
            name: wire::text(self.name),
            start: Timestamp::from_nanos(start),
            end: Timestamp::from_nanos(nanos(self.end).max(start)),
            kind: self.kind(),
            level,
            status,
            error: self.error(status_message.as_deref()),
            status_message,
            session_id: self.session(),
            parent_session_id: self.shared(Field::ParentSession).map(bounded_id),
            user_id: user_id.map(bounded_id),
            service: read_text(&self.context.slots, Field::Service).or_else(|| self.text(Field::Service)),
            environment: self.ranked(Field::Environment),
            version: self.ranked(Field::Version),
            actor,
            scope: self.scope(),
            trace_name: self.text(Field::TraceName),
            trace_input: self.content(Field::TraceInput),
            trace_output: self.content(Field::TraceOutput),
            is_app_root: self.slots.value(Field::AppRoot).and_then(RawValue::to_flag) == Some(true),
            tags: self.tags(),
            time_to_first_token: self.time_to_first_token(),
            tool_name: self.text(Field::ToolName),
            tool_call_id: self.text(Field::ToolCallId),
            tool_arguments: self.content(Field::ToolArguments),
            tool_result: self.content(Field::ToolResult),
            finish_reason: self.slots.value(Field::FinishReason).map(texts).and_then(joined),
            input: self.content(Field::Input),
            system: self.content(Field::System),
            output: self.output(),
            resource: &self.context.attributes,
            ..SpanFacts::default()
        };
        self.model_call(&mut facts);
        self.add_messages(&mut facts);
        if facts.kind == ObservationType::Tool && facts.tool_name.is_none() {
            facts.tool_name = Some(self.tool_by_span_name(&facts.name));
        }
        facts.metadata = self.metadata;
        facts.model_parameters = self.parameters;
        facts.attributes = self.attributes;
        facts
    }

    /// Which model answered whose call at what price.
    fn model_call(&mut self, facts: &mut SpanFacts<'a>) {
        let report = self.slots.value(Field::ProviderMetadata).and_then(object);
        let mut counts = Counts::read(&self.slots);
        if let Some(report) = &report {
            counts.add_provider_report(report);
        }
        if let Some((usage, doubted)) = counts.split() {
            facts.usage = Some(usage);
            facts.flags.extend(doubted.then_some("usage_exclusive"));
        }
        facts.given_cost = usage::given_cost(&self.slots, facts.usage.is_some());
        let is_call = facts.kind.is_model_call() || facts.usage.is_some();
        let served = self.text(Field::Model);
        facts.requested_model = self.text(Field::RequestedModel);
        if let Some(index) = self.parameters.iter().position(|(name, _)| name == "model") {
            let (_, named) = self.parameters.swap_remove(index);
            if facts.requested_model.is_none()
                && let AttributeValue::Text(model) = named
            {
                facts.requested_model = Some(model);
            }
        }
        facts.model = served.or_else(|| facts.requested_model.clone());
        if let Some(bare) = self.slots.value(Field::BareModel) {
            match is_call && facts.model.is_none() {
                true => facts.model = self.text(Field::BareModel),
                false if self.slots.value(Field::Model) != Some(bare) => {
                    self.attributes.push((Cow::Borrowed("model"), bare.to_attribute()));
                }
                false => {}
            }
        }
        self.provider(facts, report.as_ref());
    }

    fn provider(&mut self, facts: &mut SpanFacts<'a>, report: Option<&Map<String, Value>>) {
        let host = self.text(Field::ServerAddress);
        facts.provider = self.text(Field::Provider).map(naming::provider).or_else(|| match facts.model {
            Some(_) => naming::provider_of_host(host.as_deref()?).map(Cow::Borrowed),
            None => None,
        });
        if let Some(host) = host {
            self.attributes.push((Cow::Borrowed("server.address"), AttributeValue::Text(host)));
        }
        let parameter = |name| match find(&self.parameters, name)? {
            AttributeValue::Text(text) => Some(text.clone()),
            _ => None,
        };
        facts.service_tier = self
            .text(Field::ServiceTier)
            .or_else(|| parameter("service_tier"))
            .or_else(|| parameter("speed"))
            .or_else(|| {
                let tier = report?.get("openai")?.get("serviceTier")?.as_str()?;
                Some(Cow::Owned(tier.to_owned()))
            });
    }

    fn output(&self) -> Option<Cow<'a, str>> {
        let said = self.content(Field::Output);
        let Some(calls) = self.content(Field::OutputToolCalls) else { return said };
        let Some(said) = said else { return Some(calls) };
        let calls: Value = serde_json::from_str(&calls).unwrap_or_else(|_| calls.into_owned().into());
        let message = serde_json::json!([{"role": "assistant", "content": said, "tool_calls": calls}]);
        Some(Cow::Owned(message.to_string()))
    }

    fn tool_by_span_name(&self, name: &Cow<'a, str>) -> Cow<'a, str> {
        if let Some(AttributeValue::Text(entity)) = find(&self.attributes, "traceloop.entity.name") {
            return entity.clone();
        }
        match name {
            Cow::Borrowed(name) => Cow::Borrowed(name.strip_prefix("execute_tool ").unwrap_or(name)),
            Cow::Owned(name) => Cow::Owned(name.clone()),
        }
    }

    /// Messages that came as span events instead of attributes.
    fn add_messages(&self, facts: &mut SpanFacts<'a>) {
        if facts.input.is_none() {
            facts.input = self.events.input().map(Cow::Owned);
        }
        if facts.output.is_none() {
            facts.output = self.events.output().map(Cow::Owned);
        }
        if facts.finish_reason.is_none() {
            facts.finish_reason = self.events.finish_reason();
        }
    }
}

fn read_text<'a>(slots: &Slots<'a>, field: Field) -> Option<Cow<'a, str>> {
    let (rule, value) = slots.get(field)?;
    let text = value.to_text()?;
    match rule.shape {
        Shape::Quoted => Some(unquoted_text(text)).filter(|text| !text.is_empty()),
        _ => Some(text),
    }
}

fn find<'p, 'a>(
    pairs: &'p [(Cow<'a, str>, AttributeValue<'a>)],
    name: &str,
) -> Option<&'p AttributeValue<'a>> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn pairs<'a>(object: Map<String, Value>) -> impl Iterator<Item = (Cow<'a, str>, AttributeValue<'a>)> {
    object.into_iter().map(|(key, value)| (Cow::Owned(key), AttributeValue::from(value)))
}

/// The texts in a list: an array, the JSON text of one, or separated by commas.
fn texts(value: RawValue<'_>) -> Vec<Cow<'_, str>> {
    let keep = |text: &Cow<'_, str>| !text.is_empty();
    let text = match value {
        RawValue::Array(list) => return items(list).filter_map(RawValue::to_text).filter(keep).collect(),
        other => other.to_text().unwrap_or_default(),
    };
    if text.starts_with('[')
        && let Ok(list) = serde_json::from_str::<Vec<Value>>(&text)
    {
        let shown = |value: Value| match value {
            Value::String(text) => Cow::Owned(text),
            other => Cow::Owned(other.to_string()),
        };
        return list.into_iter().map(shown).filter(keep).collect();
    }
    match text {
        Cow::Borrowed(text) => text.split(',').map(|tag| Cow::Borrowed(tag.trim())).filter(keep).collect(),
        Cow::Owned(text) => {
            text.split(',').map(|tag| Cow::Owned(tag.trim().to_owned())).filter(keep).collect()
        }
    }
}

fn joined(mut texts: Vec<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    match texts.len() {
        0 => None,
        1 => texts.pop(),
        _ => Some(Cow::Owned(texts.join(","))),
    }
}

fn nanos(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}
