//! Messages for people: escaped, within the services' limits, and as slow as they ask for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use throughline::transport::{Chat, Transport};
use throughline::{ErrorInfo, Telemetry, emit};

use crate::TIMEOUT;
use crate::server::{Answer, Server};

/// What a service gets for an event full of `text`.
fn message(text: &str, chat: fn(&str) -> Chat) -> Value {
    let server = Server::answering([]);
    let chat = chat(&server.url);
    let telemetry = Telemetry::builder(text).environment("test").transport(chat).build().unwrap();
    let error = ErrorInfo {
        name: text.to_owned(),
        message: text.to_owned(),
        code: Some(text.to_owned()),
        stack: Some(text.to_owned()),
    };
    let session = telemetry.session().id(text).actor("user", text).scope("organization", text).start();
    emit!(session, error, "payment.failed", error: error, "text" => text);
    emit!(session, warn, "not.for.chats");
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    let [request] = &server.requests()[..] else { panic!("one message") };
    request.json()
}

fn slack(url: &str) -> Chat {
    Chat::slack(format!("{url}/services/T0/B0/x"))
}

fn discord(url: &str) -> Chat {
    Chat::discord(format!("{url}/api/webhooks/1/x"))
}

fn telegram(url: &str) -> Chat {
    Chat::telegram_at(url, "1:x", "-100")
}

#[test]
fn slack_gets_blocks_without_anybody_s_markup() {
    let message = message("<!channel> & *bold* ``` <http://x|y>", slack);
    assert_eq!(message["blocks"][0]["text"]["text"], "[ERROR] payment.failed");
    let fields = message["blocks"][1]["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 5);
    assert!(fields.iter().all(|field| field["type"] == "plain_text"), "{fields:?}");
    let details = message["blocks"][2]["text"]["text"].as_str().unwrap();
    assert!(!details.contains(['<', '>']), "{details}");
    let is_fenced = details.starts_with("```") && details.ends_with("```");
    assert!(is_fenced && details.matches("```").count() == 2, "{details}");
}

#[test]
fn discord_gets_an_embed_that_mentions_nobody() {
    let message = message("@everyone **bold** [a](http://x)", discord);
    assert_eq!(message["allowed_mentions"], json!({"parse": []}));
    let embed = &message["embeds"][0];
    assert_eq!(embed["title"], "\\[ERROR\\] payment.failed");
    let description = embed["description"].as_str().unwrap();
    assert!(description.contains("\\@everyone \\*\\*bold\\*\\* \\[a\\]\\(http\\://x\\)"), "{description}");
}

#[test]
fn telegram_gets_html_with_nothing_but_our_own_tags() {
    let message = message("<script>alert(\"x\")</script> & co", telegram);
    let text = message["text"].as_str().unwrap();
    let without_ours =
        ["<b>", "</b>", "<pre>", "</pre>"].iter().fold(text.to_owned(), |text, tag| text.replace(tag, ""));
    assert!(!without_ours.contains(['<', '>', '"']), "{text}");
    assert!(text.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; co"), "{text}");
    assert_eq!((&message["chat_id"], &message["parse_mode"]), (&json!("-100"), &json!("HTML")));
}

#[test]
fn long_texts_stay_within_every_limit() {
    for filler in ["x", "&", "*", "ü", "`"] {
        let long = filler.repeat(20_000);
        let message_of = |chat| message(&long, chat);
        let slack = message_of(slack);
        let length = |value: &Value| value.as_str().unwrap().chars().count();
        assert!(length(&slack["blocks"][0]["text"]["text"]) <= 150);
        assert!(length(&slack["blocks"][2]["text"]["text"]) <= 3000);
        for field in slack["blocks"][1]["fields"].as_array().unwrap() {
            assert!(length(&field["text"]) <= 2000);
        }
        let embed = message_of(discord)["embeds"][0].clone();
        let fields = embed["fields"].as_array().unwrap();
        assert!(fields.iter().all(|field| length(&field["value"]) <= 1024));
        let in_fields: usize =
            fields.iter().map(|field| length(&field["name"]) + length(&field["value"])).sum();
        assert!(length(&embed["title"]) <= 256 && length(&embed["description"]) <= 4096);
        assert!(length(&embed["title"]) + length(&embed["description"]) + in_fields <= 6000);
        let text = message_of(telegram)["text"].as_str().unwrap().replace("&amp;", "&");
        assert!(text.chars().count() <= 4096 + "<b></b><pre></pre>".len());
    }
}

#[test]
fn they_wait_when_they_are_told_to_and_send_nothing_twice() {
    let telegram_s = br#"{"ok":false,"parameters":{"retry_after":1}}"#.to_vec();
    let server =
        Server::answering([Answer::Status(200, "", Vec::new()), Answer::Status(429, "", telegram_s)]);
    let telemetry =
        Telemetry::builder("shop").environment("test").transport(telegram(&server.url)).build().unwrap();
    emit!(telemetry, error, "payment.failed");
    emit!(telemetry, fatal, "database.corrupted");
    let started = Instant::now();
    assert_eq!(telemetry.shutdown(TIMEOUT).lost(), 0);
    assert!(started.elapsed() >= Duration::from_secs(1));
    let about =
        |request: &crate::server::Request| request.json()["text"].as_str().unwrap().contains("payment");
    let first: Vec<_> = server.requests().iter().map(about).collect();
    assert_eq!(first, [true, false, false]);
}

#[test]
fn their_addresses_are_secrets() {
    let chats =
        [Chat::slack("hooks/SECRET"), Chat::discord("SECRET"), Chat::telegram_at("nowhere", "SECRET", "1")];
    for mut chat in chats {
        assert!(!format!("{chat:?}").contains("SECRET"));
        let resource = Telemetry::builder("shop").build().unwrap().resource().clone();
        assert!(!chat.start(&resource).unwrap_err().to_string().contains("SECRET"));
    }
}
