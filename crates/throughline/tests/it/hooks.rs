//! Tasks that inherit the session by themselves. Built with `--cfg tokio_unstable` and the feature `tokio-hooks` only.

use std::time::Duration;

use throughline::{current_session, emit, inherit_sessions};
use tokio::runtime::{Builder, Handle};

use crate::{events, telemetry};

fn here() -> Option<String> {
    current_session().map(|session| session.session_id.to_string())
}

async fn later() -> Option<String> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    tokio::task::yield_now().await;
    here()
}

#[test]
fn tasks_of_tasks_go_on_in_the_session_that_they_were_spawned_in() {
    let (telemetry, memory) = telemetry();
    for builder in [&mut Builder::new_current_thread(), Builder::new_multi_thread().worker_threads(3)] {
        memory.clear();
        let runtime = inherit_sessions(builder.enable_time()).build().unwrap();
        let all = runtime.block_on(async {
            let tasks: Vec<_> = (0..200)
                .map(|n| {
                    let emitted = telemetry.clone();
                    telemetry.session().id(format!("sess_{n}")).run_sync(|| {
                        tokio::spawn(async move {
                            let inner = tokio::spawn(async move {
                                emit!(emitted, "step.done");
                                later().await
                            });
                            (inner.await.unwrap(), later().await)
                        })
                    })
                })
                .collect();
            let outside = tokio::spawn(later());
            let mut all = Vec::new();
            for task in tasks {
                all.push(task.await.unwrap());
            }
            assert_eq!(outside.await.unwrap(), None);
            all
        });
        for (n, found) in all.into_iter().enumerate() {
            let own = Some(format!("sess_{n}"));
            assert_eq!(found, (own.clone(), own));
        }
        assert_eq!(events(&telemetry, &memory).len(), 200);
        assert!((0..200).all(|n| memory.in_session(&format!("sess_{n}")).len() == 1));
        assert_eq!(here(), None);
    }
}

#[test]
fn a_panic_an_abort_and_a_nested_runtime_leave_nothing_behind() {
    let (telemetry, _memory) = telemetry();
    let runtime =
        inherit_sessions(Builder::new_multi_thread().worker_threads(1).enable_time()).build().unwrap();
    runtime.block_on(async {
        let (panics, aborted, nested) = telemetry.session().id("sess_1").run_sync(|| {
            let panics = tokio::spawn(async { assert_eq!(here(), None, "on purpose") });
            let aborted = tokio::spawn(std::future::pending::<()>());
            let nested = tokio::spawn(async {
                let inside =
                    tokio::task::block_in_place(|| Handle::current().block_on(tokio::spawn(later())));
                (inside.unwrap(), here())
            });
            (panics, aborted, nested)
        });
        aborted.abort();
        assert!(panics.await.unwrap_err().is_panic() && aborted.await.unwrap_err().is_cancelled());
        let own = Some("sess_1".to_owned());
        assert_eq!(nested.await.unwrap(), (own.clone(), own));
        assert_eq!(tokio::spawn(later()).await.unwrap(), None);
    });
    // A runtime inside a session, whose tasks were spawned outside any.
    let inner = inherit_sessions(&mut Builder::new_current_thread()).build().unwrap();
    let task = inner.spawn(async { here() });
    telemetry.session().id("sess_2").run_sync(|| {
        assert_eq!(inner.block_on(task).unwrap(), None);
        assert_eq!(here().as_deref(), Some("sess_2"));
    });
}
