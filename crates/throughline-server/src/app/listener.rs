//! One listening port.

use std::io::ErrorKind;
use std::net::SocketAddr;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::SETTINGS;
use crate::http::Closer;

use super::StartError;

/// A port that is ours.
pub(super) struct Bound {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

/// Binds the address that the setting `key` asks for.
pub(super) async fn bind(address: SocketAddr, key: &'static str) -> Result<Bound, StartError> {
    let listen = |source: std::io::Error| match source.kind() {
        ErrorKind::AddrInUse => StartError::PortTaken { address, key, flag: flag(key) },
        _ => StartError::Listen { address, key, source },
    };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    Ok(Bound { listener, address })
}

fn flag(key: &str) -> &'static str {
    SETTINGS.iter().find(|setting| setting.key == key).map_or("", |setting| setting.flag)
}

/// Serves until `closer` closes and the requests under way are answered.
pub(super) fn serve(bound: Bound, router: Router, closer: &Closer) -> JoinHandle<()> {
    let closing = closer.subscribe();
    // Answers are written whole, so waiting for more to send along only costs time.
    let listener = bound.listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!("a connection keeps its delay: {error}");
        }
    });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(closing.wait()).await {
            tracing::error!("stopped listening: {error}");
        }
    })
}
