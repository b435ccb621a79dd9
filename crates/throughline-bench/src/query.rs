//! Latencies of what people do: the list of sessions, one session, a search, usage by model.

use std::time::Instant;

use crate::load::{Load, SPANS_PER_REQUEST, SPANS_PER_TRACE, Words};
use crate::process::Latencies;
use crate::server::Server;

/// A question, and how long its answers took.
pub(crate) struct Asked {
    pub(crate) question: &'static str,
    pub(crate) latencies: Latencies,
}

/// Asks every question over HTTP, `times` times each with other values, after a few to warm up.
pub(crate) fn over_http(
    server: &Server,
    requests: usize,
    words: &Words,
    times: usize,
) -> anyhow::Result<Vec<Asked>> {
    let traces = requests * SPANS_PER_REQUEST / SPANS_PER_TRACE;
    let mut rng = fastrand::Rng::with_seed(11);
    let questions: [(&'static str, Question<'_>); 6] = [
        (
            "session by id",
            Box::new(|rng| format!("/api/v1/sessions/{}", Load::session_of(rng.usize(..traces.min(20_000))))),
        ),
        (
            "timeline of a session",
            Box::new(|rng| {
                format!("/api/v1/sessions/{}/timeline", Load::session_of(rng.usize(..traces.min(20_000))))
            }),
        ),
        ("list, newest 50", Box::new(|_| "/api/v1/sessions?limit=50&sort=-endTime".to_owned())),
        (
            "list, errors of one user",
            Box::new(|rng| {
                format!("/api/v1/sessions?limit=50&filter=user:user-{}%20error:true", rng.usize(..5003))
            }),
        ),
        (
            "search, two words and a model",
            Box::new(|rng| {
                let (one, other) = (words.word(rng.usize(20..200)), words.word(rng.usize(20..200)));
                format!("/api/v1/traces?limit=20&filter={one}%20{other}%20model:gpt-4o")
            }),
        ),
        ("usage by model", Box::new(|_| "/api/v1/analytics/usage?group=model".to_owned())),
    ];
    questions.into_iter().map(|(question, path)| ask(server, question, &path, times, &mut rng)).collect()
}

type Question<'a> = Box<dyn Fn(&mut fastrand::Rng) -> String + 'a>;

fn ask(
    server: &Server,
    question: &'static str,
    path: &dyn Fn(&mut fastrand::Rng) -> String,
    times: usize,
    rng: &mut fastrand::Rng,
) -> anyhow::Result<Asked> {
    const WARM_UP: usize = 5;
    let mut latencies = Latencies::default();
    for number in 0..times + WARM_UP {
        let path = path(rng);
        let begin = Instant::now();
        let (status, body) = server.get(&path)?;
        anyhow::ensure!(status == 200, "GET {path} answered {status}: {body}");
        if number >= WARM_UP {
            latencies.push(begin.elapsed());
        }
    }
    Ok(Asked { question, latencies })
}
