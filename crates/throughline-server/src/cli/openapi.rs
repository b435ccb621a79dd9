//! `throughline openapi`.

use std::io::{self, Write};

use crate::api;

use super::failure::Failure;
use super::sessions::closed_pipe;

pub(super) fn run() -> Result<(), Failure> {
    let document = api::openapi().to_pretty_json().map_err(|error| Failure::new(error.to_string()))?;
    writeln!(io::stdout(), "{document}").or_else(closed_pipe)?;
    Ok(())
}
