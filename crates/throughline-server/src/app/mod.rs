//! Puts the rooms together: opens the store, binds the listeners, serves until told to stop.

mod clock;
mod listener;
mod prices;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use throughline_model::Timestamp;
use tokio::task::JoinHandle;

use crate::api;
use crate::config::{AnalyticsConfig, Config};
use crate::dashboard;
use crate::domain::analytics::{Goal, InvalidGoal};
use crate::http::{Clock, Closer, Guard, Limits, Metrics, Outside, State, finish};
use crate::ingest::{self, Room};
use crate::store::Store;

pub use clock::system_clock;
pub use prices::{PricesError, price_table, prices};

/// Why the server cannot start. Messages say what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "cannot listen on {address} ({key}): another program has this port; another Throughline perhaps, or an \
         OpenTelemetry Collector, whose ports these are too. Stop it, or choose another port with --{flag}"
    )]
    PortTaken { address: SocketAddr, key: &'static str, flag: &'static str },
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen { address: SocketAddr, key: &'static str, source: std::io::Error },
    #[error("analytics.goals: {0}")]
    Goal(#[from] InvalidGoal),
    #[error(transparent)]
    Prices(#[from] PricesError),
    #[error("cannot open the store in {path}: {reason}")]
    Store { path: String, reason: String },
}

/// Where a running server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub http: SocketAddr,
    pub grpc: Option<SocketAddr>,
}

/// A running server. Dropping it leaves the server running; [`Running::stop`] ends it.
#[must_use = "call `stop` to end the server with nothing lost"]
pub struct Running {
    pub addresses: Addresses,
    store: Arc<dyn Store>,
    closer: Closer,
    servers: Vec<JoinHandle<()>>,
    drain: Duration,
}

/// Opens the store that the configuration names and serves what it keeps.
pub async fn start(config: &Config) -> Result<Running, StartError> {
    start_with(config, open_store(config)?, system_clock()).await
}

/// Opens the store that the configuration names.
pub fn open_store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    store::open(&config.store, store::lifecycle(config), prices(&config.prices)?)
}

/// Serves what `store` keeps.
pub async fn start_with(config: &Config, store: Arc<dyn Store>, clock: Clock) -> Result<Running, StartError> {
    let goals = goals(&config.analytics, clock.now())?;
    let closer = Closer::new();
    let state = State {
        store: store.clone(),
        clock,
        metrics: Arc::new(Metrics::default()),
        limits: limits(config),
        closing: closer.subscribe(),
        goals,
        prices: Arc::new(prices(&config.prices)?),
        lifecycle: Arc::new(store::lifecycle(config)),
    };
    let listen = &config.listen;
    // Both ports first: a server that has only one of them would look as if it worked.
    let http = listener::bind(listen.http, "listen.http").await?;
    let grpc = match listen.grpc {
        Some(address) => Some(listener::bind(address, "listen.grpc").await?),
        None => None,
    };
    let address = |listener: &listener::Bound| listener.address;
    let addresses = Addresses { http: address(&http), grpc: grpc.as_ref().map(address) };

    let room = Room::new(config.limits.in_flight);
    let outside = Outside { guard: Some(Guard::LocalOnly), error_page: Some(dashboard::error_page) };
    let mut servers =
        vec![listener::serve(http, finish(pages_and_api(&room), state.clone(), outside), &closer)];
    if let Some(grpc) = grpc {
        let doors = finish(doors(&room), state, Outside { error_page: None, ..outside });
        servers.push(listener::serve(grpc, doors, &closer));
    }
    Ok(Running { addresses, store, closer, servers, drain: listen.drain })
}

/// The doors are open on both ports: whether a client speaks gRPC or HTTP, either will do.
fn doors(room: &Room) -> Router<State> {
    ingest::routes(room.clone()).merge(ingest::grpc_routes(room.clone()))
}

fn pages_and_api(room: &Room) -> Router<State> {
    doors(room).merge(dashboard::routes()).merge(api::routes())
}

fn goals(config: &AnalyticsConfig, now: Timestamp) -> Result<Arc<[Goal]>, StartError> {
    Ok(config
        .goals
        .iter()
        .map(|goal| Goal::parse(&goal.name, &goal.filter, now))
        .collect::<Result<_, _>>()?)
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits { body_bytes: limits.body, unpacked_bytes: limits.unpacked, event_bytes: limits.event }
}

impl Running {
    /// Lets requests under way finish, then commits and closes the store.
    pub async fn stop(self) {
        self.closer.close();
        let deadline = tokio::time::Instant::now() + self.drain;
        for mut server in self.servers {
            if tokio::time::timeout_at(deadline, &mut server).await.is_err() {
                tracing::warn!("requests were still under way after {:?}; they were cut off", self.drain);
                server.abort();
            }
        }
        self.store.shutdown().await;
    }
}
