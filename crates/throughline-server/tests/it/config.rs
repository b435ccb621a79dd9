//! Settings: who wins, and what is said about wrong ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use throughline_server::config::{Config, ConfigError, Environment, SETTINGS, Values};

fn load(
    flags: &[(&'static str, &str)],
    environment: Environment,
    file: Option<&str>,
) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = file.map(|text| {
        let path = directory.path().join("t.toml");
        std::fs::write(&path, text).unwrap();
        path
    });
    let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect::<BTreeMap<_, _>>();
    Config::from_values(&Values::gather(&flags, environment, path)?)
}

fn message(flags: &[(&'static str, &str)], environment: Environment, file: Option<&str>) -> String {
    load(flags, environment, file).unwrap_err().to_string()
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file =
        "[listen]\nhttp = \"127.0.0.1:3\"\ngrpc = \"127.0.0.1:3\"\ndrain = \"3s\"\n[limits]\nbody = 300";
    let environment = Environment::from([
        ("THROUGHLINE_LISTEN_HTTP", "127.0.0.1:2"),
        ("THROUGHLINE_LISTEN_GRPC", "127.0.0.1:2"),
    ]);
    let config = load(&[("listen.http", "127.0.0.1:1")], environment, Some(file)).unwrap();
    assert_eq!(config.listen.http.port(), 1);
    assert_eq!(config.listen.grpc.unwrap().port(), 2);
    assert_eq!((config.listen.drain.as_secs(), config.limits.body), (3, 300));
    assert_eq!(config.limits.unpacked, 64 << 20);
    let defaults = load(&[], Environment::default(), Some("")).unwrap();
    assert_eq!(defaults.listen.http.to_string(), "127.0.0.1:4318");
}

#[test]
fn every_setting_has_a_flag_a_variable_and_a_sound_default() {
    let names = |name: fn(&throughline_server::config::Setting) -> String| {
        SETTINGS.iter().map(name).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(names(|setting| setting.flag.to_owned()), SETTINGS.len());
    assert_eq!(names(throughline_server::config::Setting::variable), SETTINGS.len());
    load(&[], Environment::default(), Some("")).unwrap();
}

#[test]
fn what_does_not_exist_is_named_with_what_was_meant() {
    let none = Environment::default;
    let unknown = message(&[], none(), Some("[listen]\nhtpp = \"127.0.0.1:1\""));
    assert!(
        unknown.starts_with("listen.htpp in ") && unknown.ends_with("did you mean listen.http?"),
        "{unknown}"
    );
    let unknown = message(&[], none(), Some("[lisen]\nhttp = \"127.0.0.1:1\""));
    assert!(unknown.starts_with("lisen in "), "{unknown}");
    let slip = message(&[], Environment::from([("THROUGHLINE_LOG_LEVLE", "info")]), Some(""));
    assert_eq!(slip, "THROUGHLINE_LOG_LEVLE: there is no such setting; did you mean THROUGHLINE_LOG_LEVEL?");
    // What an orchestrator injects for a service of this name.
    let injected =
        [("THROUGHLINE_SERVICE_HOST", "10.0.0.1"), ("THROUGHLINE_PORT_4318_TCP", "tcp://10.0.0.1:4318")];
    load(&[], Environment::from(injected), Some("")).unwrap();
}

#[test]
fn a_wrong_value_is_named_with_who_gave_it() {
    let none = Environment::default;
    let flag = message(&[("limits.body", "much")], none(), Some(""));
    assert!(flag.starts_with("--limits-body: \"much\""), "{flag}");
    let variable = message(&[], Environment::from([("THROUGHLINE_STORE_ENGINE", "tape")]), Some(""));
    assert!(variable.starts_with("THROUGHLINE_STORE_ENGINE: \"tape\""), "{variable}");
    let file = message(&[], none(), Some("[log]\nformat = \"xml\""));
    assert!(file.starts_with("log.format in ") && file.contains("`human` or `json`"), "{file}");
    let syntax = message(&[], none(), Some("[listen"));
    assert!(syntax.starts_with("cannot read "), "{syntax}");
    let missing = Values::gather(&BTreeMap::new(), none(), Some(PathBuf::from("/does/not/exist.toml")));
    assert!(missing.unwrap_err().to_string().contains("/does/not/exist.toml"));
    let small = message(&[("limits.in_flight", "1MiB")], none(), Some(""));
    assert!(small.contains("limits.body + limits.unpacked"), "{small}");
}

#[test]
fn listening_where_others_could_reach_it_is_refused() {
    for address in ["0.0.0.0:4318", "192.168.0.1:4318", "[::]:4318"] {
        let refused = message(&[("listen.http", address)], Environment::default(), Some(""));
        assert!(refused.contains("other machines could reach it"), "{refused}");
    }
    for address in ["127.0.0.1:0", "127.1.2.3:1", "[::1]:4318", "localhost:4318"] {
        load(&[("listen.http", address)], Environment::default(), Some("")).unwrap();
    }
    assert_eq!(load(&[("listen.grpc", "off")], Environment::default(), Some("")).unwrap().listen.grpc, None);
}

#[test]
fn data_lies_where_the_user_keeps_data() {
    let path = |environment| load(&[], environment, Some("")).unwrap().store.path;
    let home = ("HOME", "/home/u");
    assert_eq!(path(Environment::from([home])), PathBuf::from("/home/u/.local/share/throughline"));
    assert_eq!(path(Environment::from([home, ("XDG_DATA_HOME", "/d")])), PathBuf::from("/d/throughline"));
    assert_eq!(path(Environment::default()), PathBuf::from("throughline-data"));
}

#[test]
fn sessions_are_split_per_project_where_somebody_says_so() {
    let split =
        |text| load(&[("sessions.split", text)], Environment::default(), Some("")).map(|c| c.sessions.split);
    let minutes = |minutes: u64| Some(std::time::Duration::from_secs(minutes * 60));
    let off = load(&[], Environment::default(), Some("")).unwrap().sessions.split;
    assert_eq!((off.usually, off.projects.len()), (None, 0));
    assert_eq!(split("on").unwrap().usually, minutes(30));
    let several = split("45m; shop = 2h;\ntest=off").unwrap();
    assert_eq!(several.usually, minutes(45));
    assert_eq!(several.projects, BTreeMap::from([("shop".into(), minutes(120)), ("test".into(), None)]));
    for wrong in ["soon", "1m; 2m", "shop = 1m; shop = 2m", "= 1m", "0s", "shop = 500ms", "shop ="] {
        let error = split(wrong).unwrap_err().to_string();
        assert!(error.starts_with("--sessions-split: "), "{wrong}: {error}");
    }
}

/// The page of settings, from the registry.
fn page() -> String {
    let mut page = "# Configuration\n\nEvery setting can be given as a flag, as an environment variable or in a TOML file \
        (`--config FILE`, `THROUGHLINE_CONFIG`, or\n`throughline.toml` in the working directory), the first of these \
        winning. `throughline check` shows what is in force and who said\nso. A name that does not exist is an error. \
        This page is made from the program's own list of settings; a test holds it.\n"
        .to_owned();
    let mut section = "";
    for setting in SETTINGS {
        let (of, name) = setting.key.split_once('.').unwrap();
        if of != section {
            page += &format!("\n## [{of}]\n\n| key | flag | variable | default | |\n|---|---|---|---|---|\n");
            section = of;
        }
        let default = if setting.default.is_empty() {
            "see there".to_owned()
        } else {
            format!("`{}`", setting.default)
        };
        page += &format!(
            "| `{name}` | `--{}` | `{}` | {default} | {} |\n",
            setting.flag,
            setting.variable(),
            setting.help.split_whitespace().collect::<Vec<_>>().join(" ")
        );
    }
    page
}

#[test]
fn the_documentation_is_that_of_the_registry() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if written != page() {
        let new = path.with_extension("md.new");
        std::fs::write(&new, page()).unwrap();
        panic!("docs/configuration.md is out of date: move {} over it", new.display());
    }
}
