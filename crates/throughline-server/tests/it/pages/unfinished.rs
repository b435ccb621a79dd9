//! Traces that have begun and not ended, on the pages.

use throughline_server::domain::arrival::{Batch, BatchContent};

use super::page;
use crate::conformance::requests::{generation, request, start_in};
use crate::support::{Engine, TestServer};

#[tokio::test]
async fn a_trace_that_goes_on_is_marked_on_every_page_until_it_ends() {
    // By the clock of the one it began a minute ago, by that of the other a day ago.
    let (server, store) = TestServer::on(Engine::Memory).await;
    let soon = TestServer::with_store_at(store.clone(), crate::conformance::requests::at(60_000)).await;
    let append = async |content| {
        let received = crate::conformance::requests::at(0);
        store.append(Batch { project: "default".into(), received, content }).await.unwrap();
    };
    append(BatchContent::Events(vec![start_in(1, 1, "s", "alice")])).await;
    append(BatchContent::Traces(request(&[generation(1, 2, 30, 10).below(1)]))).await;
    let trace = format!("/traces/{:032x}", 1);
    for (server, says) in [(&soon, "live"), (&server, "abandoned")] {
        for path in ["/traces?filter=unfinished:true", "/sessions/s", trace.as_str()] {
            let (_, html) = page(server, path).await;
            assert!(html.contains(&format!("{says}</span>")), "{says} on {path}: {html}");
        }
        let (_, html) = page(server, &trace).await;
        assert!(html.contains("w-row unfinished") && html.contains("15 ms so far"), "{html}");
    }
    append(BatchContent::Traces(request(&[generation(1, 1, 30, 10).in_session("s")]))).await;
    for path in ["/traces", "/sessions/s", trace.as_str()] {
        let (_, html) = page(&soon, path).await;
        assert!(!html.contains("live</span>") || path == "/sessions/s", "{path}");
        assert!(!html.contains("w-row unfinished") && !html.contains("abandoned</span>"), "{path}");
    }
    soon.stop().await;
    server.stop().await;
}
