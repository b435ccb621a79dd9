//! `throughline check`.

use crate::app;
use crate::config::{Audience, Config, Origin, SETTINGS, Values};

use super::failure::Failure;

/// Prints the settings in force as the TOML file that would say the same, each with who said so.
pub(super) fn run(values: &Values) -> Result<(), Failure> {
    let config = Config::from_values(values)?;
    app::prices(&config.prices)?;
    let path = config.store.path.display().to_string();
    let mut section = "";
    for setting in SETTINGS.iter().filter(|setting| setting.audience == Audience::Server) {
        let Some((of, name)) = setting.key.split_once('.') else { continue };
        if of != section {
            println!("{}[{of}]", if section.is_empty() { "" } else { "\n" });
            section = of;
        }
        let (value, origin) = values.given(setting.key);
        let value = if setting.key == "store.path" { path.as_str() } else { value };
        let origin = match origin {
            Origin::Default(_) => "default".to_owned(),
            origin => origin.to_string(),
        };
        println!("{:<44} # {origin}", format!("{name} = {}", toml::Value::from(value)));
    }
    Ok(())
}
