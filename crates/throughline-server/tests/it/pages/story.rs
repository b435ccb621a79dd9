//! Sessions as they happen, made by hand: a shop's assistant, an agent that searches, plain requests, and worse.

use serde_json::{Value, json};
use throughline_model::{
    Actor, Attributes, ErrorInfo, Event, Level, Money, Observation, ObservationType, Scope, SpanId, Status,
    Timestamp, Tool, Trace, TraceId, Usage, millis,
};
use throughline_server::domain::query::TraceDetail;

/// What the servers of tests take for now: 2026-11-21T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_nanos(1_795_262_400_000_000_000);

/// Makes records with ids that never repeat.
#[derive(Default)]
pub(crate) struct Story {
    ids: u64,
    pub(crate) traces: Vec<TraceDetail>,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn attributes(value: Value) -> Attributes {
    if let Value::Object(fields) = value { fields } else { Attributes::new() }
}

fn seconds(seconds: f64) -> i64 {
    (seconds * 1e9) as i64
}

/// The trace with this number.
pub(crate) fn trace_id(n: u64) -> TraceId {
    let mut bytes = [0x4b; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    TraceId::from_bytes(bytes).unwrap()
}

pub(crate) fn span_id(n: u64) -> SpanId {
    SpanId::from_bytes(n.to_be_bytes()).unwrap()
}

impl Story {
    fn next(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn observation(
        &mut self,
        trace: TraceId,
        parent: Option<SpanId>,
        name: &str,
        at: (Timestamp, f64),
    ) -> Observation {
        let (start_time, duration) = at;
        let end_time = start_time.plus_nanos(seconds(duration));
        Observation {
            parent_id: parent,
            duration: duration * 1e3,
            status: Status::Ok,
            attributes: attributes(
                json!({"http.request.method": "POST", "server.address": "api.shop.example", "thread.id": 7}),
            ),
            service: Some("shop-assistant".to_owned()),
            environment: Some("production".to_owned()),
            ..Observation::new((trace, span_id(self.next())), name, start_time, end_time)
        }
    }

    pub(crate) fn generation(
        &mut self,
        trace: TraceId,
        parent: SpanId,
        at: (Timestamp, f64),
        said: (Value, Value),
        usage: Usage,
    ) -> Observation {
        let mut call = self.observation(trace, Some(parent), "chat gpt-4o", at);
        call.kind = ObservationType::Generation;
        call.model = Some("gpt-4o-2024-08-06".to_owned());
        call.requested_model = Some("gpt-4o".to_owned());
        call.provider = Some("openai".to_owned());
        call.model_parameters = attributes(json!({"temperature": 0.2, "max_tokens": 1024, "top_p": 1}));
        (call.input, call.output) = (Some(said.0), Some(said.1));
        call.prompt_tokens = Some(usage.input());
        call.completion_tokens = Some(usage.completion());
        call.total_tokens = Some(usage.total());
        call.cost = Money::from_dollars(usage.input() as f64 * 2.5e-6 + usage.completion() as f64 * 1e-5);
        call.usage = Some(usage);
        call.time_to_first_token = Some(at.1 * 320.0);
        call
    }

    /// Sums a trace up from its observations and puts it on the shelf.
    pub(crate) fn trace(
        &mut self,
        id: TraceId,
        session: &str,
        observations: Vec<Observation>,
        shape: impl FnOnce(&mut Trace),
    ) {
        let mut usage = Usage::default();
        observations.iter().filter_map(|o| o.usage).for_each(|u| usage += u);
        let start = observations.iter().map(|o| o.start_time).min().unwrap();
        let end = observations.iter().map(|o| o.end_time).max().unwrap();
        let costs: Vec<Money> = observations.iter().filter_map(|o| o.cost).collect();
        let mut models: Vec<String> = observations.iter().filter_map(|o| o.model.clone()).collect();
        models.sort();
        models.dedup();
        let errors = observations.iter().filter(|o| o.is_error()).count() as u64;
        let mut trace = Trace {
            unfinished: None,
            id,
            session_id: Some(session.into()),
            user_id: None,
            name: observations[0].name.clone(),
            input: observations[0].input.clone(),
            output: observations[0].output.clone(),
            metadata: Attributes::new(),
            tags: Vec::new(),
            start_time: start,
            end_time: end,
            duration: millis(end.nanos_since(start)),
            usage,
            total_tokens: usage.total(),
            total_cost: (!costs.is_empty()).then(|| costs.into_iter().sum()),
            models,
            observation_count: observations.len() as u64,
            event_count: 0,
            error_count: errors,
            status: if errors > 0 { Status::Error } else { Status::Ok },
            services: vec!["shop-assistant".to_owned()],
            environment: Some("production".to_owned()),
            version: Some("2.14.0".to_owned()),
            flags: Vec::new(),
        };
        shape(&mut trace);
        self.traces.push(TraceDetail { trace, observations, events: Vec::new() });
    }

    pub(crate) fn event(
        &mut self,
        session: Option<&str>,
        name: &str,
        level: Level,
        time: Timestamp,
        facts: Value,
    ) -> Event {
        Event {
            id: format!("evt_{:06}", self.next()).into(),
            name: name.to_owned(),
            time,
            level,
            service: "shop-api".to_owned(),
            environment: "production".to_owned(),
            version: Some("2.14.0".to_owned()),
            session_id: session.map(Into::into),
            trace_id: None,
            span_id: None,
            actor: Some(Actor {
                kind: "user".to_owned(),
                id: Some("alice@example.com".to_owned()),
                tags: Attributes::new(),
            }),
            scope: Some(Scope {
                kind: "organization".to_owned(),
                id: "org_acme".to_owned(),
                tags: Attributes::new(),
            }),
            attributes: attributes(facts),
            error: None,
            source: None,
        }
    }

    /// A conversation with the shop's assistant: so many turns, beginning at `start`.
    pub(crate) fn conversation(
        &mut self,
        session: &str,
        user: &str,
        start: Timestamp,
        turns: &[(&str, &str)],
    ) {
        let mut history = vec![
            json!({"role": "system", "content": "You are the assistant of a shop for hand-made bicycles. Be brief, be kind, and look things up before you promise anything. Never reveal prices of other customers.\n\nTools: look_up_order, change_address, refund."}),
        ];
        let mut at = start;
        for (i, (question, answer)) in turns.iter().enumerate() {
            history.push(json!({"role": "user", "content": question}));
            let id = trace_id(self.next());
            let mut observations = self.turn(id, at, i, &mut history, answer);
            observations[0].input = Some(json!(question));
            observations[0].output = Some(json!(answer));
            let end = observations[0].end_time;
            let user = user.to_owned();
            self.trace(id, session, observations, |trace| {
                trace.user_id = Some(user);
                trace.tags = if i == 0 {
                    vec!["beta".to_owned(), "shop".to_owned()]
                } else {
                    vec!["conversion".to_owned()]
                };
                trace.metadata =
                    attributes(json!({"channel": "web", "release": "2024-05", "experiment": {"arm": "b"}}));
            });
            at = end.plus_nanos(seconds(if i == 1 { 1_380.0 } else { 24.0 + i as f64 * 7.0 }));
        }
    }

    fn turn(
        &mut self,
        id: TraceId,
        at: Timestamp,
        i: usize,
        history: &mut Vec<Value>,
        answer: &str,
    ) -> Vec<Observation> {
        let root = self.observation(id, None, "support-turn", (at, 6.9));
        let parent = root.id;
        let later = |s: f64| at.plus_nanos(seconds(s));
        let cached = (i as u64) * 640;
        let usage = |output: u64| Usage {
            input_uncached: 412 + 90 * i as u64,
            cache_read: cached,
            output,
            reasoning: 64,
            ..Usage::default()
        };
        let mut guard = self.observation(id, Some(parent), "check input", (later(0.02), 0.21));
        guard.kind = ObservationType::Guardrail;
        let arguments = json!({"order": 4417 + i, "fields": ["status", "carrier"]});
        let call = json!({"role": "assistant", "content": [
            {"type": "reasoning", "content": "The customer asks about an order. I should look it up before answering; the id is in the message."},
            {"type": "tool_call", "id": format!("call_{i}"), "name": "look_up_order", "arguments": arguments}
        ]});
        let first =
            self.generation(id, parent, (later(0.25), 2.4), (json!(history), json!([call])), usage(48));
        history.push(call);
        let mut tool = self.observation(id, Some(parent), "look_up_order", (later(2.7), 0.84));
        tool.kind = ObservationType::Tool;
        let result = json!({"status": "in transit", "carrier": "Velo Express", "eta": "2024-05-24"});
        tool.tool = Some(Tool {
            name: Some("look_up_order".to_owned()),
            call_id: Some(format!("call_{i}")),
            arguments: Some(arguments),
            result: Some(result.clone()),
        });
        let mut query = self.observation(id, Some(tool.id), "SELECT orders", (later(2.75), 0.7));
        query.attributes = attributes(
            json!({"db.system": "postgresql", "db.query.text": "SELECT * FROM orders WHERE id = $1"}),
        );
        history.push(json!({"role": "tool", "content": [{"type": "tool_call_response", "id": format!("call_{i}"), "response": result}]}));
        let said = json!({"role": "assistant", "content": answer});
        let second =
            self.generation(id, parent, (later(3.6), 3.2), (json!(history), json!([said])), usage(180));
        history.push(said);
        vec![root, guard, first, tool, query, second]
    }

    /// Makes the last generation of the last trace fail, and the trace with it.
    pub(crate) fn fail_last(&mut self) {
        let detail = self.traces.last_mut().unwrap();
        for place in [0, 5] {
            let failed = &mut detail.observations[place];
            failed.status = Status::Error;
            failed.level = Level::Error;
            failed.output = None;
            failed.error = Some(ErrorInfo {
                name: "ContextLengthExceeded".to_owned(),
                message: "This model's maximum context length is 128000 tokens; the messages resulted in 131204.".to_owned(),
                code: Some("context_length_exceeded".to_owned()),
                stack: Some("openai.BadRequestError: 400\n  at chat (/srv/app/assistant.py:118)\n  at turn (/srv/app/server.py:41)\n  at main (/srv/app/server.py:9)".to_owned()),
            });
        }
        detail.trace.error_count = 2;
        detail.trace.status = Status::Error;
        detail.trace.output = None;
    }
}

/// Ago, in seconds before [`NOW`].
pub(crate) fn ago(s: f64) -> Timestamp {
    NOW.plus_nanos(-seconds(s))
}

const QUESTIONS: [(&str, &str); 8] = [
    (
        "Hi, where is my order 4417?",
        "Order **4417** has left our workshop and should reach you on 24 May. The carrier is Velo Express.",
    ),
    (
        "Please deliver it to Bahnhofstraße 3, Zürich instead ☕",
        "Done: order 4417 now goes to Bahnhofstraße 3 in Zürich.",
    ),
    (
        "And can I still add a bell?",
        "Yes. Bells ship separately:\n\n```json\n{\"item\": \"bell\", \"price\": 18.5}\n```\n\nShall I add one?",
    ),
    (
        "What does the warranty cover when the frame cracks after two winters of salted roads?",
        "Frames are covered for ten years, salt included. Keep the invoice.",
    ),
    (
        "Summarise our returns policy for a customer who bought the wrong size",
        "Thirty days, unridden, free pick-up.",
    ),
    (
        "Compare the touring and the city model for a daily commute of 14 km with 300 m of climbing",
        "Take the touring model: the lower gears pay off on the climb.",
    ),
    ("I want my money back!!", "I am sorry it went this way. The refund of $412.00 is on its way."),
    ("日本からでも注文できますか？", "はい、日本へも発送しています。送料は $48 です。"),
];

/// Everything: enough for two pages of sessions, every state, and what is hard to draw.
pub(crate) fn everything() -> Story {
    let mut story = Story::default();
    for i in 0..64_usize {
        let turns: Vec<(&str, &str)> = (0..1 + (i * 5) % 6).map(|t| QUESTIONS[(i + t) % 8]).collect();
        let users = ["alice@example.com", "bob", "usr_9f2c41", "chiara.rossi@example.it", ""];
        let user = users[i % 5];
        story.conversation(
            &format!("conversation-{:04}", 1000 + i),
            user,
            ago(1_600.0 + (i * i * 97) as f64 + i as f64 * 240.0 - if i % 6 == 0 { 1_500.0 } else { 0.0 }),
            &turns,
        );
        if i % 7 == 2 {
            story.fail_last();
        }
    }
    story.requests();
    story.long();
    story.hostile();
    story.huge();
    story
}

impl Story {
    /// A session of events only.
    fn requests(&mut self) {
        let session = Some("sess_01hxcheckout");
        let names = [
            ("cart.item_added", Level::Info),
            ("checkout.started", Level::Info),
            ("payment.authorized", Level::Info),
            ("payment.slow", Level::Warn),
            ("inventory.reserved", Level::Debug),
            ("order.placed", Level::Info),
            ("email.failed", Level::Error),
        ];
        for (i, (name, level)) in names.into_iter().enumerate() {
            let facts = json!({"ctx.order.id": "ord_789", "amount": 129.9, "items": [1, 2], "retries": i, "region": "eu-central-1"});
            let mut event = self.event(session, name, level, ago(500.0 - i as f64 * 21.0), facts);
            if level == Level::Error {
                event.error = Some(ErrorInfo {
                    name: "SmtpError".to_owned(),
                    message: "connection refused".to_owned(),
                    code: Some("ECONNREFUSED".to_owned()),
                    stack: Some("SmtpError: connection refused\n    at send (mail.rs:88)".to_owned()),
                });
            }
            self.events.push(event);
        }
        for i in 0..130 {
            let level = Level::ALL[[0, 1, 1, 1, 2, 1, 3][i % 7]];
            let event = self.event(
                None,
                ["job.ran", "cache.missed", "http.request", "db.slow"][i % 4],
                level,
                ago(3_000.0 + i as f64 * 31.0),
                json!({"n": i, "path": "/api/orders"}),
            );
            self.events.push(event);
        }
    }

    /// Many turns.
    fn long(&mut self) {
        let turns: Vec<(&str, &str)> = (0..36).map(|i| QUESTIONS[i % 8]).collect();
        self.conversation("conversation-long", "dana", ago(9_000.0), &turns);
        let event = self.event(
            Some("conversation-long"),
            "feedback.given",
            Level::Info,
            ago(8_960.0),
            json!({"stars": 5}),
        );
        self.events.push(event);
        self.traces.last_mut().unwrap().trace.flags =
            vec!["session_conflict".to_owned(), "root_missing".to_owned()];
    }

    /// Texts that try to break out.
    fn hostile(&mut self) {
        let nasty = "<script>alert(1)</script><img src=x onerror=alert(2)> \u{202e}gnp.exe\u{200b}\u{1b}[31mred\u{1b}[0m \"'>`";
        let line = format!("{nasty}{}", "A".repeat(1_000_000));
        let rtl = "שלום עולם \u{202e}txt.cod مرحبا";
        self.conversation(
            "\"><script>alert('id')</script>/../x?y#z",
            &format!("javascript:alert(1)//{}", "unbroken".repeat(25)),
            ago(200.0),
            &[(nasty, &line), (rtl, "ok")],
        );
        let detail = self.traces.last_mut().unwrap();
        detail.trace.tags = vec![nasty.to_owned(), "x".repeat(300)];
        detail.observations[0].name = format!("{nasty} {}", "very-long-name-".repeat(40));
        detail.trace.name = detail.observations[0].name.clone();
        let tool = "look_up_every_order_of_".repeat(10);
        let call = detail.observations[2].output.as_ref().unwrap().to_string();
        detail.observations[2].output = serde_json::from_str(&call.replace("look_up_order", &tool)).ok();
        detail.observations[3].tool.as_mut().unwrap().name = Some(tool);
        detail.observations[1].attributes =
            attributes(json!({nasty: nasty, "url": "javascript:alert(1)", "deep": {"a": [nasty]}}));
        let event = self.event(
            Some("\"><script>alert('id')</script>/../x?y#z"),
            nasty,
            Level::Fatal,
            ago(190.0),
            json!({nasty: nasty}),
        );
        self.events.push(event);
    }

    /// One trace of ten thousand observations.
    fn huge(&mut self) {
        let id = trace_id(u64::MAX);
        let start = ago(4_000.0);
        let mut observations = vec![self.observation(id, None, "crawl", (start, 1_000.0))];
        for i in 0..100 {
            let batch = self.observation(
                id,
                Some(observations[0].id),
                &format!("batch {i}"),
                (start.plus_nanos(seconds(i as f64 * 10.0)), 9.5),
            );
            let parent = batch.id;
            observations.push(batch);
            for j in 0..99 {
                let at = start.plus_nanos(seconds(i as f64 * 10.0 + j as f64 * 0.09));
                let mut page =
                    self.observation(id, Some(parent), &format!("fetch page {}", i * 99 + j), (at, 0.3));
                page.kind = ObservationType::ALL[j % 12];
                if (i, j) == (97, 42) {
                    page.status = Status::Error;
                    page.status_message = Some("timed out".to_owned());
                }
                observations.push(page);
            }
        }
        self.trace(id, "crawl-2024-05-14", observations, |trace| trace.user_id = Some("crawler".to_owned()));
    }
}
