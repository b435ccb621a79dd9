//! The one list of settings.

/// Which commands a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Commands that run a server.
    Server,
    /// Commands that talk to a running one.
    Client,
}

/// One setting: a key of the file, a flag and a variable.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// `section.name` in the file.
    pub key: &'static str,
    /// The flag without its dashes; the variable is made from it.
    pub flag: &'static str,
    /// What stands for the value in `--help`.
    pub value_name: &'static str,
    /// The value if nobody says; empty where it depends on the machine (the help says how).
    pub default: &'static str,
    pub help: &'static str,
    pub audience: Audience,
}

impl Setting {
    /// The environment variable: `THROUGHLINE_LISTEN_HTTP`.
    pub fn variable(&self) -> String {
        format!("THROUGHLINE_{}", self.flag.to_uppercase().replace('-', "_"))
    }
}

/// Every setting, by section.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen.http",
        flag: "listen-http",
        value_name: "ADDRESS",
        default: "127.0.0.1:4318",
        help: "Where the dashboard, the API and OTLP over HTTP listen. Only loopback addresses are allowed, because \
               nobody has to prove who they are yet. Port 0 takes any free one",
        audience: Audience::Server,
    },
    Setting {
        key: "listen.grpc",
        flag: "listen-grpc",
        value_name: "ADDRESS",
        default: "127.0.0.1:4317",
        help: "Where OTLP over gRPC listens; `off` for nowhere",
        audience: Audience::Server,
    },
    Setting {
        key: "listen.drain",
        flag: "listen-drain",
        value_name: "DURATION",
        default: "10s",
        help: "How long requests under way may take to finish when the server is told to stop",
        audience: Audience::Server,
    },
    Setting {
        key: "store.engine",
        flag: "store-engine",
        value_name: "ENGINE",
        default: "embedded",
        help: "Where data is kept: `embedded` (on disk, in store.path) or `memory` (gone when the server stops)",
        audience: Audience::Server,
    },
    Setting {
        key: "store.path",
        flag: "store-path",
        value_name: "DIR",
        default: "",
        help: "The directory that data is kept in; made if it is not there. By default `throughline` in the user's \
               data directory ($XDG_DATA_HOME, else ~/.local/share)",
        audience: Audience::Server,
    },
    Setting {
        key: "sessions.split",
        flag: "sessions-split",
        value_name: "PAUSE",
        default: "off",
        help: "After how long a pause what follows is another part of its session: `off`, a duration such as 45m, or \
               `on` for 30m; for single projects too, as in `off; shop = on; support = 2h`. Where it is on, the same \
               pause ends a session, and the traces of a user that name no session form one of the user's. A change \
               applies to sessions as they go on",
        audience: Audience::Server,
    },
    Setting {
        key: "traces.abandoned_after",
        flag: "traces-abandoned-after",
        value_name: "DURATION",
        default: "1h",
        help: "A trace whose beginning was told and whose end has not come is live, until nothing was heard of it for so \
               long; then it counts as abandoned",
        audience: Audience::Server,
    },
    Setting {
        key: "limits.body",
        flag: "limits-body",
        value_name: "SIZE",
        default: "16MiB",
        help: "The largest request body, as sent",
        audience: Audience::Server,
    },
    Setting {
        key: "limits.unpacked",
        flag: "limits-unpacked",
        value_name: "SIZE",
        default: "64MiB",
        help: "The most that a compressed body may unpack to",
        audience: Audience::Server,
    },
    Setting {
        key: "limits.event",
        flag: "limits-event",
        value_name: "SIZE",
        default: "1MiB",
        help: "The largest single event sent to /api/v1/events",
        audience: Audience::Server,
    },
    Setting {
        key: "limits.in_flight",
        flag: "limits-in-flight",
        value_name: "SIZE",
        default: "192MiB",
        help: "How many bytes of requests may be in hand at once; beyond that senders are asked to wait",
        audience: Audience::Server,
    },
    Setting {
        key: "prices.file",
        flag: "prices-file",
        value_name: "FILE",
        default: "",
        help: "A table of what model calls cost, whose rules go before the built-in ones; `throughline prices --help` \
               shows its form. None by default",
        audience: Audience::Server,
    },
    Setting {
        key: "analytics.goals",
        flag: "analytics-goals",
        value_name: "GOALS",
        default: "",
        help: "What sessions are hoped to reach: `NAME = FILTER`, several separated by semicolons or lines, such as \
               `bought = tag:conversion; helped = name:goodbye -error:true`. None by default",
        audience: Audience::Server,
    },
    Setting {
        key: "log.level",
        flag: "log-level",
        value_name: "LEVEL",
        default: "info",
        help: "What the server says about itself: error, warn, info, debug, trace, or directives such as \
               `info,throughline_server=debug`",
        audience: Audience::Server,
    },
    Setting {
        key: "log.format",
        flag: "log-format",
        value_name: "FORMAT",
        default: "human",
        help: "How it says it: `human` or `json` (one object per line)",
        audience: Audience::Server,
    },
    Setting {
        key: "client.server",
        flag: "server",
        value_name: "URL",
        default: "http://127.0.0.1:4318",
        help: "The running server to talk to",
        audience: Audience::Client,
    },
];
