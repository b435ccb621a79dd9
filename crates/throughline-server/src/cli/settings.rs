//! The registry of settings as flags.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{Audience, SETTINGS, Setting};

/// Flags of commands that run a server: value by key, only those given.
#[derive(Debug, Clone, Default)]
pub(super) struct ForServer(pub(super) BTreeMap<&'static str, String>);

/// Flags of commands that talk to a running server.
#[derive(Debug, Clone, Default)]
pub(super) struct ForClient(pub(super) BTreeMap<&'static str, String>);

fn settings(audience: Audience) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.audience == audience)
}

fn add_flags(command: Command, audience: Audience) -> Command {
    let heading = match audience {
        Audience::Server => "Settings",
        Audience::Client => "Connection",
    };
    command.args(settings(audience).map(|setting| {
        let default = match setting.default {
            "" => String::new(),
            default => format!("default: {default}; "),
        };
        Arg::new(setting.key)
            .long(setting.flag)
            .value_name(setting.value_name)
            .help(format!("{} [{default}env: {}]", setting.help, setting.variable()))
            .help_heading(heading)
            .global(audience == Audience::Client)
    }))
}

fn given(matches: &ArgMatches, audience: Audience) -> BTreeMap<&'static str, String> {
    settings(audience)
        .filter_map(|setting| Some((setting.key, matches.get_one::<String>(setting.key)?.clone())))
        .collect()
}

macro_rules! flags_for {
    ($name:ident, $audience:expr) => {
        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(given(matches, $audience)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0.extend(given(matches, $audience));
                Ok(())
            }
        }

        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                add_flags(command, $audience)
            }

            fn augment_args_for_update(command: Command) -> Command {
                add_flags(command, $audience)
            }
        }
    };
}

flags_for!(ForServer, Audience::Server);
flags_for!(ForClient, Audience::Client);
