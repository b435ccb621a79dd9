//! The page on channels says what the source says.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../docs/channels.md");

/// What stands between each of `markers` and the next quote, outside of comments.
fn named(source: &str, markers: &[&str]) -> BTreeSet<String> {
    let code: String = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let after = |marker: &&str| {
        let rests = code.split(*marker).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        rests.collect::<Vec<_>>()
    };
    markers.iter().flat_map(after).collect()
}

/// The first column of the table under a heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let section = PAGE.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("the page has no section {heading}"));
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

#[test]
fn every_channel_and_field_is_on_the_page_and_no_other() {
    let channel = include_str!("../../../throughline-channel/src/subscribers.rs");
    let of_channels = [
        ("`http.server.request`", include_str!("../../src/request.rs")),
        ("`axum.layer`", include_str!("../../src/layer.rs")),
        ("`axum.websocket`", include_str!("../../src/socket.rs")),
        ("`throughline.channel.subscriber_panic`", channel),
    ];
    for (heading, source) in of_channels {
        let mut fields = named(source, &["visit(\""]);
        fields.extend(named(source, &["field_key(\""]).into_iter().map(|prefix| format!("{prefix}<name>")));
        assert_eq!(documented(heading), fields, "{heading}");
    }
    let headings: BTreeSet<_> = of_channels.iter().map(|(heading, _)| heading.trim_matches('`')).collect();
    let sources = of_channels.map(|(_, source)| source);
    let channels = named(&sources.concat(), &["Channel::new(\""]);
    assert_eq!(channels.iter().map(String::as_str).collect::<BTreeSet<_>>(), headings);
}

#[test]
fn every_attribute_and_event_is_on_the_page_and_no_other() {
    let exporter = include_str!("../../src/exporter.rs");
    let attributes = named(exporter, &[".attribute(\"", "set(\""]);
    assert_eq!(documented("What the exporter adds"), attributes);
    let kinds = include_str!("../../../throughline-channel/src/message.rs");
    let kinds = kinds.split("pub const fn as_str(self)").nth(1).unwrap().split("\n    }").next().unwrap();
    assert_eq!(documented("Events"), named(kinds, &["=> \""]));
}
