use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Redaction, text};

fn redacted(redaction: &Redaction, attributes: Value) -> Value {
    let Value::Object(mut attributes) = attributes else { panic!("attributes are an object") };
    redaction.compile().unwrap().attributes(&mut attributes);
    attributes.into()
}

#[test]
fn keys_match_by_whole_segments_without_case() {
    let redaction = Redaction::none().deny(["password", "user.email"]);
    let attributes = json!({
        "password": 1, "ctx.PassWord": 1, "password.hint": 1, "ctx.user.email": 1,
        "password_hint": 2, "userPassword": 2, "email": 2, "ctx.email.user": 2,
    });
    let kept = json!({"password_hint": 2, "userPassword": 2, "email": 2, "ctx.email.user": 2});
    assert_eq!(redacted(&redaction, attributes), kept);
}

#[test]
fn words_are_split_if_asked_for() {
    let redaction = Redaction::none().deny(["password", "access_token"]).split_words(true);
    let attributes = json!({
        "user_password": 1, "userPassword": 1, "x-password": 1, "accessToken": 1, "ACCESS_TOKEN": 1,
        "token_count": 2, "passwords": 2,
    });
    assert_eq!(redacted(&redaction, attributes), json!({"token_count": 2, "passwords": 2}));
}

#[test]
fn nested_values_belong_to_the_key_they_are_under() {
    let redaction = Redaction::none().deny(["user.email", "token"]);
    let attributes = json!({"ctx.user": {"email": "a@b", "name": "A"}, "list": [{"token": 1, "n": 2}, null]});
    assert_eq!(
        redacted(&redaction, attributes),
        json!({"ctx.user": {"name": "A"}, "list": [{"n": 2}, null]})
    );
}

#[test]
fn the_default_covers_the_usual_secrets_and_leaves_token_counts() {
    let attributes =
        json!({"ctx.api_key": "k", "authorization": "b", "gen_ai.usage.input_tokens": 5, "tokens": 7});
    let kept = json!({"gen_ai.usage.input_tokens": 5, "tokens": 7});
    assert_eq!(redacted(&Redaction::default(), attributes), kept);
}

#[cfg(feature = "hash")]
#[test]
fn any_scalar_is_hashed_and_null_stays() {
    let redaction = Redaction::none().hash(["email", "phone", "flag", "user"]).max_text(5);
    let attributes =
        json!({"email": "abc", "phone": 123, "flag": true, "user": {"ids": ["abc", 123]}, "x.email": null});
    let (abc, number) =
        ("sha256:ba7816bf8f01cfea414140de5dae2223", "sha256:a665a45920422f9d417e4867efdc4fb8");
    let result = redacted(&redaction, attributes);
    assert_eq!((&result["email"], &result["phone"]), (&json!(abc), &json!(number)));
    assert!(result["flag"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(result["user"]["ids"], json!([abc, number]));
    assert_eq!(result["x.email"], Value::Null);
}

#[cfg(feature = "hash")]
#[test]
fn a_key_makes_it_an_hmac() {
    // RFC 4231, test cases 2 and 6.
    let hash = |key: &[u8], text: &str| {
        let redaction = Redaction::none().hash(["x"]).hash_key(key);
        redacted(&redaction, json!({"x": text}))["x"].clone()
    };
    assert_eq!(
        hash(b"Jefe", "what do ya want for nothing?"),
        json!("hmac-sha256:5bdcc146bf60754e6a042426089575c7")
    );
    let long = hash(&[0xaa; 131], "Test Using Larger Than Block-Size Key - Hash Key First");
    assert_eq!(long, json!("hmac-sha256:60e431591ee0b67f0d8a26aacbf5b77f"));
}

#[test]
fn denied_goes_before_hashed() {
    let mut redaction = Redaction::none().deny(["a"]);
    redaction.hash.push("a".to_owned());
    assert_eq!(redacted(&redaction, json!({"a": 1})), json!({}));
}

#[test]
fn secrets_in_free_text_lose_their_values() {
    let redactor = Redaction::default().compile().unwrap();
    for (text, expected) in [
        ("login failed: password=hunter2, user=bob", "login failed: password=[redacted], user=bob"),
        (r#"bad body {"api_key": "s3cr3t", "n": 1}"#, r#"bad body {"api_key": "[redacted]", "n": 1}"#),
        ("Authorization: Bearer abc.def rejected", "Authorization: [redacted] rejected"),
        (
            r#"{"args": "{\"token\": \"s3cr3t\", \"n\": 1}"}"#,
            r#"{"args": "{\"token\": \"[redacted]\", \"n\": 1}"}"#,
        ),
        (r#"{"password":"a\"b","user":"bob"}"#, r#"{"password":"[redacted]","user":"bob"}"#),
        ("GET /?token=abc&page=2", "GET /?token=[redacted]&page=2"),
        ("the password is wrong", "the password is wrong"),
        ("secret:", "secret:"),
    ] {
        let mut scrubbed = text.to_owned();
        redactor.free_text(&mut scrubbed);
        assert_eq!(scrubbed, expected);
    }
}

#[test]
fn a_bad_setting_is_named() {
    let error = Redaction::none().deny(["a..b"]).compile().unwrap_err();
    assert_eq!(error.to_string(), "redaction.deny: the key \"a..b\" has an empty part");
    assert!(Redaction::none().max_text(0).compile().is_err());
}

proptest! {
    #[test]
    fn a_shortened_text_has_the_length_asked_for_and_begins_the_same(text in ".{0,40}", max in 1usize..45) {
        let mut short = text.clone();
        text::shorten(&mut short, max);
        let characters = text.chars().count();
        prop_assert_eq!(short.chars().count(), characters.min(max));
        prop_assert_eq!(short == text, characters <= max);
    }

    #[test]
    fn scrubbing_never_panics_and_hides_the_value(before in "[ -~ü]{0,20}", secret in "[a-z0-9]{8,12}") {
        let redactor = Redaction::default().compile().unwrap();
        let mut text = format!("{before} password={secret}");
        redactor.free_text(&mut text);
        prop_assert!(!text.ends_with(&secret), "{}", text);
    }
}
