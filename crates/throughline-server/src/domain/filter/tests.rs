//! The grammar, its errors, its meaning, and that what is printed parses back.

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;
use throughline_model::{Event, Level, Money, Observation, ObservationType, SessionState, Status, Timestamp};

use super::words::words;
use super::*;

fn now() -> Timestamp {
    "2024-01-15T12:00:00Z".parse().unwrap()
}

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, &Target::ALL, now())
}

/// What a filter was understood as, in canonical spelling.
fn canonical(text: &str) -> String {
    parse(text).unwrap_or_else(|error| panic!("{}", error.render(text))).to_string()
}

fn wrong(text: &str) -> String {
    parse(text).expect_err(text).render(text)
}

#[test]
fn terms_combine() {
    let cases = [
        "",
        "  * ",
        "refund",
        "Refund order_789",
        "\"Refund  please\"",
        "a AND b c",
        "a OR b c OR (d e)",
        "(a OR b) c",
        "((a))(b)",
        "NOT a -b NOT(c d) -(e OR f) NOT NOT g",
        "-* a",
        "model:a,b OR model:c",
        "-model:a,b",
        "(model:a,b)(tag:c)",
        "and or not",
    ];
    let shown: Vec<_> = cases.iter().map(|text| format!("{text} => {}", canonical(text))).collect();
    assert_snapshot!(shown.join("\n"), @r#"
 => 
  *  => 
refund => refund
Refund order_789 => refund "order 789"
"Refund  please" => "refund please"
a AND b c => a b c
a OR b c OR (d e) => a OR b c OR d e
(a OR b) c => (a OR b) c
((a))(b) => a b
NOT a -b NOT(c d) -(e OR f) NOT NOT g => -a -b -(c d) -(e OR f) g
-* a => -*
model:a,b OR model:c => model:a,b,c
-model:a,b => -model:a,b
(model:a,b)(tag:c) => model:a,b tag:c
and or not => and or not
"#);
}

#[test]
fn values_are_read_as_what_the_field_holds() {
    let cases = [
        "user:alice userId:a@b.c USER:Zoë session:a:b/c",
        r#"model:"gpt-4o" name:"say \"hi\"\\ \n" tag:"a,b","(c)""#,
        r#"name:gpt-4* name:*mini name:*a* name:* name:*"two words"* name:"*""#,
        "cost:>0.10 cost:<=$2 cost:0.000000000001",
        "tokens:>=20k tokens:<1.5m turns:3 errors:>0",
        "duration:>2m duration:<300ms duration:>=1h30m duration:0.5s duration:1d",
        "error:true error:NO type:generation,Tool status:error state:live level:>=warning",
        "start:>-2h end:<now start:2024-01-10 start:>2024-01-10 start:<=2024-01-10 end:>=2024-01-10T08:00:00+01:00",
        r#"attr.ctx.order.id:ord_789 attr.http.status:>=500 attr."my key:x":1 attributes.ok:true meta.channel:web"#,
    ];
    let shown: Vec<_> = cases.iter().map(|text| canonical(text)).collect();
    assert_snapshot!(shown.join("\n"), @r#"
user:alice user:a@b.c user:Zoë session:a:b/c
model:gpt-4o name:"say \"hi\"\\ \n" tag:"a,b","(c)"
name:gpt-4* name:*mini name:*a* name:* name:*"two words"* name:"*"
cost:>0.1 cost:<=2 cost:0.000000000001
tokens:>=20000 tokens:<1500000 turns:3 errors:>0
duration:>2m duration:<300ms duration:>=90m duration:500ms duration:1d
error:true error:false type:generation,tool status:error state:live level:>=warn
start:>2024-01-15T10:00:00.000Z end:<2024-01-15T12:00:00.000Z start:>=2024-01-10T00:00:00.000Z start:<2024-01-11T00:00:00.000Z start:>=2024-01-11T00:00:00.000Z start:<2024-01-11T00:00:00.000Z end:>=2024-01-10T07:00:00.000Z
attr.ctx.order.id:ord_789 attr.http.status:>=500 attr."my key:x":1 attr.ok:true metadata.channel:web
"#);
}

#[test]
fn unknown_fields_are_pointed_at() {
    let cases =
        ["user:alice usr:bob", "env:x totalcosts:1", "ctx.order.id:ord_789", "see https://example.com", ":x"];
    assert_snapshot!(cases.map(wrong).join("\n\n"), @r#"
user:alice usr:bob
           ^^^ unknown field "usr"
           did you mean user?

env:x totalcosts:1
      ^^^^^^^^^^ unknown field "totalcosts"
      did you mean cost?

ctx.order.id:ord_789
^^^^^^^^^^^^ unknown field "ctx.order.id"
for an attribute write attr.ctx.order.id:

see https://example.com
    ^^^^^ unknown field "https"
    known fields are session, trace, user, name, type, model, provider, tool, tag, env, service, level, status, error, state, abandoned, unfinished, reopened, synthetic, parts, cost, tokens, duration, turns, errors, start, end, attr., metadata., score.; to search for text with a colon, put it in quotes

:x
^ the name of a field is missing before the colon
to search for text with a colon, put it in quotes
"#);
}

#[test]
fn unusable_values_are_pointed_at() {
    let cases = [
        "user: alice",
        "user:a,",
        "cost:>ten",
        "naïve cost:>0.1.2",
        "duration:>5",
        "tokens:many",
        "start:>tomorrow",
        "start:-2h",
        "level:warm",
        "type:thing",
        "state:alive error:maybe",
        "user:>alice",
        "cost:>1,2",
        "cost:*",
        "name:a*b",
        "name:foo(bar)",
        "name:\"foo\"bar",
        "attr.:x",
        "attr.x:>y",
        "attr.\"my key\"",
    ];
    assert_snapshot!(cases.map(wrong).join("\n\n"), @r#"
user: alice
     ^ a value is missing for user
     write it directly after the colon, as in user:alice

user:a,
       ^ a value is missing for user
       write it directly after the colon, as in user:alice

cost:>ten
      ^^^ not an amount of money: "ten"
      write dollars, as in cost:>0.10 or cost:>$2

naïve cost:>0.1.2
            ^^^^^ not an amount of money: "0.1.2"
            write dollars, as in cost:>0.10 or cost:>$2

duration:>5
          ^ not a duration: "5"
          write a number with a unit of ms, s, m, h or d, as in duration:>2m

tokens:many
       ^^^^ not a number: "many"
       write a number, with k for thousands or m for millions, as in tokens:>=20k

start:>tomorrow
       ^^^^^^^^ not a time: "tomorrow"
       write a date (2024-01-15), an RFC 3339 time (2024-01-15T10:30:00Z) or how long ago (-2h)

start:-2h
      ^^^ a moment that depends on now cannot be equal to anything
      write start:>-2h for the last two hours

level:warm
      ^^^^ unknown level "warm"
      did you mean warn?

type:thing
     ^^^^^ unknown type "thing"
     one of span, generation, event, embedding, agent, tool, chain, retriever, reranker, guardrail, evaluator, layer

state:alive error:maybe
      ^^^^^ unknown state "alive"
      did you mean live?

user:>alice
     ^ user has no order, so it cannot be compared with >
     write it as in user:alice

cost:>1,2
     ^ > compares with one value, not with a list
     for a range write two terms: cost:>a cost:<b

cost:*
     ^ * works in text, and cost is not text
     write it as in cost:>0.10

name:a*b
     ^^^ * works only at the beginning and end of a value
     to find a * itself, put the value in quotes

name:foo(bar)
        ^ ( inside a value
        put the whole value in quotes; for several write name:a,b

name:"foo"bar
          ^ the value goes on after its quotes

attr.:x
^^^^^ a key is missing after attr.
write it as in attr.ctx.order.id:ord_789

attr.x:>y
        ^ not a number: "y"
        attributes are compared with numbers, as in attr.http.response.status_code:>=500

attr."my key"
             ^ a colon and a value are missing after attr."my key"
"#);
}

#[test]
fn broken_structure_is_pointed_at() {
    let cases = [
        "refun*",
        "cost>0.1",
        "!refund",
        "- refund",
        "a OR",
        "AND a",
        "a AND OR b",
        "()",
        "(a (b)",
        "a) b",
        "say \"hi",
        "\"a\\x\"",
        "--- ???",
        "\"...\"",
    ];
    assert_snapshot!(cases.map(wrong).join("\n\n"), @r#"
refun*
^^^^^^ * works in values of fields, words are searched for whole
search for refun, or ask for name:refun*

cost>0.1
    ^ a colon is missing after the field
    write cost:>0.1

!refund
^ ! has no meaning here
to exclude something, write - or NOT before it

- refund
^ nothing to exclude
write - directly before what must not match; to search for a dash, put it in quotes

a OR
    ^ a term is missing here

AND a
^^^ AND needs a term on both sides
to search for the word, write it in lower case or "AND"

a AND OR b
      ^^ OR needs a term on both sides
      to search for the word, write it in lower case or "OR"

()
 ^ a term is missing here

(a (b)
^ this parenthesis is never closed

a) b
 ^ nothing was opened that this closes

say "hi
    ^ this quote is never closed

"a\x"
  ^^ unknown escape
  in quotes a backslash is written \\; \" \n \r \t are the other escapes

--- ???
^ nothing to exclude
write - directly before what must not match; to search for a dash, put it in quotes

"..."
^^^^^ nothing to search for
text is found by its letters and digits, and there is none here
"#);
}

#[test]
fn fields_are_refused_where_they_mean_nothing() {
    let error = Filter::parse("a turns:>3", &[Target::Observation, Target::Event], now()).unwrap_err();
    assert_eq!(error.to_string(), "turns applies to sessions, not to observations and events at character 3");
    assert!(Filter::parse("type:tool", &[Target::Observation, Target::Event], now()).is_ok());
}

#[test]
fn what_is_printed_is_within_the_limits_that_what_was_read_is_within() {
    let deep = format!("{}a OR b c{}", "a OR b (".repeat(32), ")".repeat(32));
    let wide = vec!["a b OR c d"; 64].join(" OR ");
    for text in [deep, wide] {
        let filter = parse(&text).unwrap();
        assert_eq!(filter.to_string(), text);
        assert_eq!(parse(&filter.to_string()).unwrap(), filter);
    }
}

#[test]
fn size_is_limited() {
    assert!(parse(&"x ".repeat(MAX_BYTES / 2 + 1)).unwrap_err().message.contains("8192"));
    assert!(parse(&"x ".repeat(257)).unwrap_err().message.contains("256 terms"));
    assert!(parse(&format!("tag:{}", "a,".repeat(300))).unwrap_err().message.contains("256 terms"));
    assert!(parse(&"(".repeat(4000)).unwrap_err().message.contains("32 parentheses"));
    assert!(parse(&format!("{}x{}", "(".repeat(32), ")".repeat(32))).is_ok());
    assert!(parse(&format!("{}x", "NOT ".repeat(2000))).is_ok());
}

#[test]
fn every_example_in_the_table_is_valid_and_canonical_by_name() {
    for info in FIELDS {
        let filter = Filter::parse(info.example, info.on, now()).expect(info.example);
        assert!(info.example.starts_with(info.name), "{}", info.example);
        assert!(filter.to_string().contains(info.name), "{filter}");
    }
}

fn observation(fields: &serde_json::Value) -> Observation {
    let mut all = json!({
        "id": "00000000000000aa", "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "parentId": null,
        "sessionId": "sess_1", "userId": "alice", "type": "generation", "name": "chat",
        "startTime": "2024-01-15T10:00:00Z", "endTime": "2024-01-15T10:00:02Z", "duration": 2000.0,
        "level": "info", "status": "ok", "cost": 0.25, "model": "gpt-4o-mini", "totalTokens": 120,
        "input": [{"role": "user", "content": "I want a\nrefund"}], "output": "Of course.",
        "attributes": {"http.status": 503, "ok": true, "ids": ["a", "b"]},
    });
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn event(fields: &serde_json::Value) -> Event {
    let mut all = json!({"id": "e1", "name": "order.shipped", "time": "2024-01-15T10:00:01Z", "level": "warn",
        "service": "shop", "environment": "production", "sessionId": "sess_1",
        "attributes": {"ctx.order.id": "ord_789"}});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

/// Which of the filters do not give the expected answer.
fn mistaken<'a>(record: &dyn Record, matching: &[&'a str], others: &[&'a str]) -> Vec<&'a str> {
    let matches = |text: &&&str| parse(text).unwrap_or_else(|e| panic!("{}", e.render(text))).matches(record);
    let missed = matching.iter().filter(|text| !matches(text));
    missed.chain(others.iter().filter(matches)).copied().collect()
}

#[test]
fn observations_match_by_their_own_values() {
    let matching = [
        "*",
        "refund",
        "\"refund course\"",
        "user:alice model:gpt-4o*,claude-* -model:gpt-4o",
        "cost:>=0.25 cost:<$0.26 tokens:120 duration:2s duration:>1999ms",
        "attr.http.status:503 attr.http.status:>=500 attr.ok:true attr.ids:b attr.http.status:5*",
        "start:>-3h start:2024-01-15 end:<now error:false",
        "type:generation level:<warn status:ok",
        "trace:4BF92F35* session:*1",
        "-provider:* model:*",
        "-cost:>1 NOT env:staging",
        "env:staging OR chat OR name:chat",
    ];
    let others =
        ["refunds", "nrefund", "cost:>0.25", "user:Alice", "attr.http.status:50", "tool:*", "provider:*"];
    assert_eq!(mistaken(&observation(&json!({})), &matching, &others), Vec::<&str>::new());
    let unpriced = observation(&json!({"cost": null, "totalTokens": null}));
    assert_eq!(mistaken(&unpriced, &["-cost:>=0"], &["cost:<1", "cost:>=0", "tokens:0"]), Vec::<&str>::new());
}

#[test]
fn events_match_by_their_own_values() {
    let shipped = event(&json!({"actor": {"type": "user", "id": "bob"}}));
    let matching = [
        "789 shipped",
        "attr.ctx.order.id:ord_789 level:>info name:order.*",
        "user:bob type:event error:false",
    ];
    assert_eq!(mistaken(&shipped, &matching, &["ship", "error:true", "user:alice"]), Vec::<&str>::new());
}

#[test]
fn traces_match_by_what_is_in_them() {
    let trace = serde_json::from_value(json!({
        "id": "4bf92f3577b34da6a3ce929d0e0e4736", "sessionId": "sess_1", "userId": "alice", "name": "turn",
        "startTime": "2024-01-15T10:00:00Z", "endTime": "2024-01-15T10:00:09Z", "duration": 9000.0,
        "usage": {}, "totalTokens": 500, "totalCost": 0.5, "observationCount": 2, "eventCount": 1, "errorCount": 1,
        "status": "ok", "environment": "production", "metadata": {"channel": "web"}, "tags": ["vip"],
    }))
    .unwrap();
    let search = observation(
        &json!({"type": "tool", "name": "search", "model": null, "tool": {"name": "search_orders"},
        "status": "error", "level": "error", "input": "order 789", "output": null}),
    );
    let (chat, shipped) = (observation(&json!({})), event(&json!({})));
    let record = TraceRecord {
        trace: &trace,
        observations: vec![&chat, &search],
        events: vec![&shipped],
        abandoned: false,
    };
    let matching = [
        "name:turn name:chat name:order.shipped",
        "type:tool model:gpt-4o-mini tool:search_orders level:error level:warn",
        "cost:0.5 tokens:500 duration:9s errors:1 error:true status:ok tag:vip metadata.channel:web",
        "refund order",
        "attr.ctx.order.id:ord_789",
    ];
    let others = ["\"refund order\"", "status:error", "cost:0.25", "-type:tool", "error:false", "user:bob"];
    assert_eq!(mistaken(&record, &matching, &others), Vec::<&str>::new());
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9_.:/-]{1,8}", "\\PC{0,6}", "[ \"\\\\(),*<>\n\t-]{0,5}"]
}

fn field_filter() -> impl Strategy<Value = Filter> {
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
    ]);
    let literals = (text(), any::<(bool, bool, i64)>(), 0..1_000_000_000i64, 0usize..12);
    let info = prop::sample::select(FIELDS.iter().collect::<Vec<_>>());
    (info, text(), comparison, literals).prop_map(
        |(info, key, comparison, (text, (start, end, any), small, pick))| {
            let field = match info.field {
                Field::Attribute(_) => Field::Attribute(if key.is_empty() { "k".to_owned() } else { key }),
                Field::Metadata(_) => Field::Metadata(if key.is_empty() { "k".to_owned() } else { key }),
                Field::Score(_) => Field::Score(if key.is_empty() { "k".to_owned() } else { key }),
                ref plain => plain.clone(),
            };
            let comparison = if info.kind.is_ordered() { comparison } else { Comparison::Equal };
            let text = if info.field == Field::Trace { text.to_ascii_lowercase() } else { text };
            let anything = text.is_empty() && (start || end);
            let pattern = Pattern { text, open_start: start || anything, open_end: end || anything };
            let value = match info.kind {
                Kind::Attribute if comparison == Comparison::Equal => Literal::Text(pattern),
                Kind::Text => Literal::Text(pattern),
                Kind::Number | Kind::Attribute => Literal::Number(small as f64 / 64.0),
                Kind::Bool => Literal::Bool(start),
                Kind::Money => {
                    Literal::Money(Money::from_picodollars(i128::from(any) * 1000 + i128::from(small)))
                }
                Kind::Duration => Literal::Duration(if start { any } else { small * 60_000_000 }),
                Kind::Time => Literal::Time(Timestamp::from_nanos(any)),
                Kind::Level => Literal::Level(Level::ALL[pick % 5]),
                Kind::Type => Literal::Type(ObservationType::ALL[pick]),
                Kind::Status => Literal::Status([Status::Unset, Status::Ok, Status::Error][pick % 3]),
                Kind::State => {
                    Literal::State([SessionState::Live, SessionState::Idle, SessionState::Ended][pick % 3])
                }
            };
            Filter::field(field, comparison, value)
        },
    )
}

fn filters() -> impl Strategy<Value = Filter> {
    let words = "\\PC{1,12}".prop_filter_map("no words", |text| {
        let mut found: Vec<String> = words(&text).collect();
        found.sort();
        found.dedup();
        (!found.is_empty()).then(|| Filter::Text(found.join(" ")))
    });
    let leaf = prop_oneof![1 => Just(Filter::All), 3 => words, 8 => field_filter()];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::all_of),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::any_of),
            inner.prop_map(Filter::negate),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_back(filter in filters()) {
        let text = filter.to_string();
        prop_assert_eq!(parse(&text).map_err(|error| error.render(&text)), Ok(filter));
    }

    #[test]
    fn any_text_is_either_understood_or_refused_inside_it(
        text in prop_oneof!["\\PC{0,40}", "([a-z]{1,3}|[:()\"*,<> \\\\-]|OR|AND |NOT |cost:>|attr\\.|é){0,20}"],
    ) {
        match parse(&text) {
            Ok(filter) => prop_assert_eq!(parse(&filter.to_string()), Ok(filter)),
            Err(error) => {
                prop_assert!(error.position + error.length <= text.chars().count(), "{:?}", error);
                prop_assert!(text.is_char_boundary(error.byte));
                error.render(&text);
            }
        }
    }
}
