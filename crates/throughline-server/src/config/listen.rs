//! Where the server listens.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::values::{self, ConfigError, Values};

/// Where the server listens, and how it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenConfig {
    pub http: SocketAddr,
    /// `None` if gRPC is switched off.
    pub grpc: Option<SocketAddr>,
    pub drain: Duration,
}

impl ListenConfig {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let grpc = |text: &str| match text {
            "off" => Ok(None),
            _ => address(text).map(Some),
        };
        Ok(Self {
            http: values.read("listen.http", address)?,
            grpc: values.read("listen.grpc", grpc)?,
            drain: values.read("listen.drain", values::duration)?,
        })
    }
}

/// Loopback only: without keys, whoever reaches the port can read and delete everything.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST),
        None => text.to_owned(),
    };
    let address: SocketAddr =
        numeric.parse().map_err(|_| "expected an address such as 127.0.0.1:4318".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("other machines could reach it, and nobody has to prove who they are; listen on 127.0.0.1 and let a proxy \
         that asks for credentials, or an SSH tunnel, stand in front"
        .to_owned())
}
