//! What to call a middleware or handler, going by the name of its type.
//!
//! The compiler promises nothing about the text of `type_name`, so this only ever makes a label.

/// A type's name taken apart: its path and its type arguments.
struct TypeName<'a> {
    path: &'a str,
    arguments: Vec<&'a str>,
}

impl<'a> TypeName<'a> {
    fn parse(text: &'a str) -> Self {
        let text = text.trim();
        if let Some(members) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
            return Self { path: "", arguments: split(members) };
        }
        // `<app::Users as app::Show>::show` begins with what looks like arguments and is a path.
        let open = text.char_indices().skip(1).find(|(at, char)| *char == '<' && depth(&text[..*at]) == 0);
        match (open, text.strip_suffix('>')) {
            (Some((at, _)), Some(closed)) => Self { path: &text[..at], arguments: split(&closed[at + 1..]) },
            (Some((at, _)), None) => Self { path: &text[..at], arguments: Vec::new() },
            (None, _) => Self { path: text, arguments: Vec::new() },
        }
    }

    fn last_segment(&self) -> &'a str {
        let mut last = self.path;
        for (at, _) in self.path.match_indices("::") {
            if depth(&self.path[..at]) == 0 {
                last = &self.path[at + 2..];
            }
        }
        last
    }

    fn is_from(&self, krate: &str) -> bool {
        self.path.split("::").next() == Some(krate)
    }
}

/// How many angle and round brackets are open at the end of `text`.
fn depth(text: &str) -> i32 {
    let (mut depth, mut previous) = (0, ' ');
    for char in text.chars() {
        match char {
            '<' | '(' | '[' => depth += 1,
            // The arrow of `fn() -> T` closes nothing.
            '>' if previous == '-' => {}
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        previous = char;
    }
    depth
}

/// The parts between the commas that are in no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for (at, _) in text.match_indices(',') {
        if depth(&text[from..at]) == 0 {
            parts.push(text[from..at].trim());
            from = at + 1;
        }
    }
    parts.push(text[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The label for a type, `None` for a closure, which has no name.
pub(crate) fn label(type_name: &str) -> Option<String> {
    let name = TypeName::parse(type_name);
    if name.path.is_empty() {
        return Some(format!("({})", members(&name.arguments)));
    }
    let last = name.last_segment();
    let first_argument = || name.arguments.first().and_then(|argument| label(argument));
    match last {
        "{{closure}}" => None,
        "FromFnLayer" | "FromExtractorLayer" | "HandleErrorLayer" if name.is_from("axum") => first_argument(),
        // These take an adapter of a few lines, more often than not a closure.
        "MapRequestLayer" | "MapResponseLayer" if name.is_from("axum") => {
            first_argument().or_else(|| Some(last.to_owned()))
        }
        "LayerFn" => first_argument(),
        "Layered" if name.is_from("axum") => name.arguments.get(1).and_then(|handler| label(handler)),
        "ServiceBuilder" => Some(format!("ServiceBuilder({})", members(&stack(type_name)))),
        "Either" => first_argument(),
        _ => Some(last.to_owned()),
    }
}

fn members(of: &[&str]) -> String {
    let labels: Vec<_> =
        of.iter().map(|member| label(member).unwrap_or_else(|| "closure".to_owned())).collect();
    labels.join(", ")
}

/// The layers that a `ServiceBuilder` or a tuple is made of, outermost first; any other layer is just itself.
pub(crate) fn stack(type_name: &str) -> Vec<&str> {
    let name = TypeName::parse(type_name);
    match (name.path, name.last_segment(), &name.arguments[..]) {
        ("", _, layers) => layers.iter().flat_map(|layer| stack(layer)).collect(),
        (_, "ServiceBuilder", [layers]) => stack(layers),
        (_, "Stack", [inner, outer]) if name.is_from("tower_layer") => [stack(outer), stack(inner)].concat(),
        (_, "Identity", []) if name.is_from("tower_layer") => Vec::new(),
        _ => vec![type_name],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_what_the_source_calls_it() {
        let cases = [
            ("app::users::show", Some("show")),
            ("app::list<app::Item>", Some("list")),
            ("<app::Users as app::Show<u8>>::show", Some("show")),
            ("app::main::{{closure}}::auth", Some("auth")),
            ("app::main::{{closure}}", None),
            ("&str", Some("&str")),
            (
                "axum::middleware::from_fn::FromFnLayer<app::auth, (), (http::request::Request<B>,)>",
                Some("auth"),
            ),
            ("axum::middleware::from_fn::FromFnLayer<app::main::{{closure}}, (), ()>", None),
            (
                "axum::middleware::map_request::MapRequestLayer<app::f::{{closure}}, (), ()>",
                Some("MapRequestLayer"),
            ),
            ("axum::error_handling::HandleErrorLayer<app::on_error, ()>", Some("on_error")),
            ("axum::handler::Layered<tower::timeout::TimeoutLayer, app::show, ((),), ()>", Some("show")),
            (
                "tower_http::trace::layer::TraceLayer<tower_http::classify::Shared<fn(u8) -> A<B>>>",
                Some("TraceLayer"),
            ),
            ("tower::util::either::Either<app::Cors, tower_layer::identity::Identity>", Some("Cors")),
            ("(app::Outer, app::Inner<u8>)", Some("(Outer, Inner)")),
            ("(app::Outer,)", Some("(Outer)")),
            ("", Some("()")),
        ];
        for (type_name, expected) in cases {
            assert_eq!(label(type_name).as_deref(), expected, "{type_name}");
        }
    }

    #[test]
    fn a_service_builder_is_called_by_its_members_in_the_order_they_were_added() {
        let identity = "tower_layer::identity::Identity";
        let inner = format!("tower_layer::stack::Stack<app::First, {identity}>");
        let builder =
            format!("tower::builder::ServiceBuilder<tower_layer::stack::Stack<app::Second<u8>, {inner}>>");
        assert_eq!(stack(&builder), ["app::First", "app::Second<u8>"]);
        assert_eq!(label(&builder).as_deref(), Some("ServiceBuilder(First, Second)"));
        assert!(stack(identity).is_empty());
    }

    #[test]
    fn the_compiler_still_writes_type_names_the_way_we_read_them() {
        struct Auth;
        struct Timeout;
        let builder = tower::ServiceBuilder::new().layer(Auth).layer(Timeout);
        let name = std::any::type_name_of_val(&builder);
        assert_eq!(label(name).as_deref(), Some("ServiceBuilder(Auth, Timeout)"));
        async fn on_error(_: axum::BoxError) {}
        let layer = axum::error_handling::HandleErrorLayer::<_, ()>::new(on_error);
        assert_eq!(label(std::any::type_name_of_val(&layer)).as_deref(), Some("on_error"));
    }
}
