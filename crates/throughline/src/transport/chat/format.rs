//! One event as a message, in each service's own markup and within its limits.

use serde_json::{Value, json};

use crate::{Envelope, Level};

/// At most so many characters, the last being `…` if anything was cut. Before escaping: a cut never splits an escape.
fn clamp(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max - 1).chain(['…']).collect(),
    }
}

fn title(event: &Envelope) -> String {
    format!("[{}] {}", event.level.as_str().to_uppercase(), event.name)
}

/// Who, where and in which session, as pairs.
fn facts(event: &Envelope) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Service", event.service.clone()), ("Environment", event.environment.clone())];
    if let Some(actor) = &event.actor {
        let id = actor.id.as_deref().unwrap_or_default();
        facts.push(("Actor", format!("{} {id}", actor.kind).trim_end().to_owned()));
    }
    if let Some(scope) = &event.scope {
        facts.push(("Scope", format!("{} {}", scope.kind, scope.id)));
    }
    if let Some(id) = event.session_id.as_ref().filter(|_| !event.standalone) {
        facts.push(("Session", id.to_string()));
    }
    facts
}

/// What went wrong and the attributes, as plain lines.
fn details(event: &Envelope) -> String {
    let mut lines = Vec::new();
    if let Some(error) = &event.error {
        let code = error.code.as_ref().map_or(String::new(), |code| format!(" ({code})"));
        lines.push(format!("{}: {}{code}", error.name, error.message));
        lines.extend(error.stack.clone());
    }
    lines.extend(event.attributes.iter().map(|(key, value)| match value {
        Value::String(text) => format!("{key} = {text}"),
        other => format!("{key} = {other}"),
    }));
    lines.join("\n")
}

/// Slack's three control characters, and the fence of a code block.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("```", "'''")
}

/// <https://docs.slack.dev/reference/block-kit/blocks>: 150 characters in a header, 2000 in a field, 3000 in a section.
pub(super) fn slack(event: &Envelope) -> Value {
    let header = clamp(&title(event), 150);
    // Slack's markup has no escape for `*` or `_`, so what comes from events is text without any, or in a code block.
    let field = |(name, value): &(&str, String)| json!({"type": "plain_text", "text": format!("{name}\n{}", clamp(value, 300)), "emoji": false});
    let fields: Vec<Value> = facts(event).iter().map(field).collect();
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": header, "emoji": false}}),
        json!({"type": "section", "fields": fields}),
    ];
    let details = details(event);
    if !details.is_empty() {
        // An escape has up to five characters for one.
        let fenced = format!("```\n{}\n```", slack_text(&clamp(&details, 590)));
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": fenced}}));
    }
    blocks.push(
        json!({"type": "context", "elements": [{"type": "plain_text", "text": event.time.to_string()}]}),
    );
    json!({"text": slack_text(&header), "blocks": blocks})
}

/// Every character that is markup to Discord.
fn discord_text(text: &str) -> String {
    let is_markup = |c: char| "\\*_~`|>#[]()<@:-".contains(c);
    text.chars().fold(String::new(), |mut shown, c| {
        if is_markup(c) {
            shown.push('\\');
        }
        shown.push(c);
        shown
    })
}

/// <https://docs.discord.com/developers/resources/message#embed-object>: 256 characters in a title, 4096 in a
/// description, 1024 in a field, 6000 in all; and nobody is mentioned.
pub(super) fn discord(event: &Envelope) -> Value {
    let colour = match event.level {
        Level::Debug => 0x95_a5_a6,
        Level::Info => 0x34_98_db,
        Level::Warn => 0xf1_c4_0f,
        Level::Error => 0xe7_4c_3c,
        Level::Fatal => 0x8e_00_00,
    };
    let field = |(name, value): &(&str, String)| {
        let value = if value.is_empty() { "-" } else { value };
        json!({"name": name, "value": discord_text(&clamp(value, 200)), "inline": true})
    };
    let fields: Vec<Value> = facts(event).iter().map(field).collect();
    json!({
        "allowed_mentions": {"parse": []},
        "embeds": [{
            // An escape has two characters for one.
            "title": discord_text(&clamp(&title(event), 128)),
            "description": discord_text(&clamp(&details(event), 1500)),
            "color": colour,
            "fields": fields,
            "timestamp": event.time.to_string(),
        }],
    })
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// <https://core.telegram.org/bots/api#sendmessage>: 4096 characters, counted without markup.
pub(super) fn telegram(event: &Envelope, chat: &str) -> Value {
    let mut text = format!("<b>{}</b>\n", html(&clamp(&title(event), 250)));
    for (name, value) in facts(event) {
        text.push_str(&format!("{name}: {}\n", html(&clamp(&value, 300))));
    }
    let details = details(event);
    if !details.is_empty() {
        text.push_str(&format!("<pre>{}</pre>", html(&clamp(&details, 2000))));
    }
    json!({"chat_id": chat, "text": text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": true}})
}
