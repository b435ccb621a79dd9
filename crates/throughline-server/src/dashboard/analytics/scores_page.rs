//! `/analytics/scores`: what is thought of sessions, over time, and which sessions that is about.

use askama::Template;
use axum::extract::State as Extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::chart::{BarValues, COLOURS, Chart};
use super::time_chart::{Stretch, stretches};
use super::{Asked, Parameters, SESSIONS, Tab, share};
use crate::dashboard::finder::{Finder, exactly};
use crate::dashboard::frame::{self, Frame, Section, Visit, html};
use crate::dashboard::notation;
use crate::domain::analytics::{NumberBar, NumberSpread, ScorePoint, ScoreStatistics};
use crate::domain::filter::{Comparison, Field, Filter, Literal, Pattern};
use crate::http::{Error, Project, State};

/// Names shown at once; others are shown when they are chosen.
const SHOWN: usize = 6;
/// Names that can be chosen.
const LISTED: usize = 60;

#[derive(Template)]
#[template(path = "analytics/scores.html")]
struct ScoresPage {
    frame: Frame,
    finder: Finder,
    tabs: Vec<Tab>,
    names: Vec<Choice>,
    scores: Vec<ScoreView>,
}

/// A name to choose.
struct Choice {
    name: String,
    href: String,
    chosen: bool,
}

struct ScoreView {
    name: String,
    /// What there is most to say: the mean, or the share of the most frequent label.
    headline: String,
    of_what: String,
    scores: String,
    sessions: String,
    href: String,
    facts: Vec<(&'static str, String)>,
    charts: Vec<Chart>,
}

/// `GET /analytics/scores`
pub(in crate::dashboard) async fn scores(
    Extract(state): Extract<State>,
    Project(project): Project,
    visit: Visit,
    frame::Asked(parameters): frame::Asked<Parameters>,
) -> Result<Response, Error> {
    let mut asked = Asked::read(&parameters, "/analytics/scores", SESSIONS, state.clock.now());
    let mut all = Vec::new();
    while !asked.finder.is_wrong() {
        all = state.store.score_statistics(&project, &asked.selection, asked.interval).await?;
        let first = all.iter().filter_map(|score| Some(score.series.first()?.time)).min();
        if !asked.look_closer(first) {
            break;
        }
    }
    let choice = |name: &str, shown: &str| Choice {
        name: shown.to_owned(),
        href: asked.address.clone().with("name", name).to_string(),
        chosen: *name == parameters.name,
    };
    let mut names = vec![choice("", "All")];
    names.extend(all.iter().take(LISTED).map(|score| choice(&score.name, &notation::line(&score.name, 40))));
    let chosen = |score: &&ScoreStatistics| parameters.name.is_empty() || score.name == parameters.name;
    let view = ScoresPage {
        frame: visit.frame(Section::Analytics, "Scores"),
        scores: all.iter().filter(chosen).take(SHOWN).map(|score| ScoreView::new(&asked, score)).collect(),
        names: if all.len() > 1 { names } else { Vec::new() },
        tabs: asked.tabs,
        finder: asked.finder,
    };
    let status = if view.finder.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok((status, html(&view)?).into_response())
}

impl ScoreView {
    fn new(asked: &Asked, score: &ScoreStatistics) -> Self {
        let (headline, of_what) = match (&score.numbers, score.labels.first()) {
            (Some(numbers), _) => (number(numbers.mean), "on average".to_owned()),
            (None, Some((label, count))) => (share(*count, score.scores), shown(label)),
            (None, None) => (notation::count(score.scores), "in words".to_owned()),
        };
        let charts = [over_time(asked, score), spread(asked, score)];
        Self {
            name: notation::line(&score.name, 80),
            headline,
            of_what,
            scores: notation::plural(score.scores, "score"),
            sessions: notation::plural(score.sessions, "session"),
            href: asked.sessions(any(&score.name)).to_string(),
            facts: score.numbers.as_ref().map(facts).unwrap_or_default(),
            charts: charts.into_iter().flatten().collect(),
        }
    }
}

fn facts(numbers: &NumberSpread) -> Vec<(&'static str, String)> {
    vec![
        ("Lowest", number(numbers.min)),
        ("Half at most", number(numbers.p50)),
        ("p90", number(numbers.p90)),
        ("Highest", number(numbers.max)),
    ]
}

/// At most three places behind the point.
fn number(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A label as it is said of a thumb, or as it is.
fn shown(label: &str) -> String {
    match label {
        "true" => "yes".to_owned(),
        "false" => "no".to_owned(),
        other => notation::line(other, 40),
    }
}

fn any(name: &str) -> Filter {
    let any = Pattern { open_end: true, open_start: true, ..Pattern::default() };
    Filter::field(Field::Score(name.to_owned()), Comparison::Equal, Literal::Text(any))
}

fn over_time(asked: &Asked, score: &ScoreStatistics) -> Option<Chart> {
    let points: Vec<(usize, &ScorePoint)> = score.series.iter().enumerate().collect();
    let stretches = stretches(asked, &points, |(_, point)| point.time);
    let is_all = |numbers: &NumberSpread| numbers.min >= 0.0 && numbers.count == score.scores;
    let means = score.numbers.as_ref().is_some_and(is_all);
    let bars = stretches.iter().map(|stretch| {
        if means { mean_bar(asked, score, stretch) } else { label_bar(asked, score, stretch) }
    });
    let bars = bars.collect();
    if means {
        return Chart::draw("Mean over time", "by when sessions began".to_owned(), bars, number);
    }
    let chart = Chart::draw("Over time", "by when sessions began".to_owned(), bars, |most| {
        notation::compact(most as u64)
    })?;
    let mut legend: Vec<_> =
        score.labels.iter().zip(COLOURS).map(|((label, _), colour)| (shown(label), colour)).collect();
    if score.labels.len() > COLOURS.len() {
        legend.push((format!("{} more", score.labels.len() - COLOURS.len()), "c-rest"));
    }
    Some(chart.with_groups(legend))
}

type Part<'a> = (usize, &'a ScorePoint);

fn mean_bar(asked: &Asked, score: &ScoreStatistics, stretch: &Stretch<Part<'_>>) -> BarValues {
    let scores = stretch.sum(|(_, point)| point.scores);
    let sum: f64 =
        stretch.points.iter().filter_map(|(_, point)| Some(point.mean? * point.scores as f64)).sum();
    let mean = if scores == 0 { 0.0 } else { sum / scores as f64 };
    BarValues {
        title: format!(
            "{}: {} on average, {}",
            stretch.name(asked.interval),
            number(mean),
            notation::plural(scores, "score")
        ),
        label: stretch.label.clone(),
        href: asked.sessions_begun(stretch.from, stretch.to, any(&score.name)).to_string(),
        parts: vec![("c-g1", mean)],
    }
}

fn label_bar(asked: &Asked, score: &ScoreStatistics, stretch: &Stretch<Part<'_>>) -> BarValues {
    let count = |label: usize| stretch.sum(|(_, point)| point.labels.get(label).copied().unwrap_or_default());
    let counts: Vec<u64> = (0..score.labels.len()).map(count).collect();
    let all = stretch.sum(|(_, point)| point.scores);
    let told = score.labels.iter().zip(&counts).filter(|(_, count)| **count > 0).take(COLOURS.len());
    let told: Vec<String> = told.map(|((label, _), count)| format!("{count} {}", shown(label))).collect();
    let apart: u64 = counts.iter().take(COLOURS.len()).sum();
    let mut parts: Vec<(&'static str, f64)> =
        COLOURS.into_iter().zip(&counts).map(|(colour, count)| (colour, *count as f64)).collect();
    parts.push(("c-rest", (all - apart) as f64));
    let said = if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) };
    BarValues {
        title: format!("{}: {}{said}", stretch.name(asked.interval), notation::plural(all, "score")),
        label: stretch.label.clone(),
        href: asked.sessions_begun(stretch.from, stretch.to, any(&score.name)).to_string(),
        parts,
    }
}

/// How often each number or label occurs.
fn spread(asked: &Asked, score: &ScoreStatistics) -> Option<Chart> {
    let field = || Field::Score(score.name.clone());
    let bars = match &score.numbers {
        Some(numbers) if score.labels.is_empty() => {
            let bar = |bar: &NumberBar| {
                let further =
                    super::between(&field(), Literal::Number(bar.from), Some(Literal::Number(bar.to)));
                BarValues {
                    title: format!(
                        "{} to below {}: {}",
                        number(bar.from),
                        number(bar.to),
                        notation::plural(bar.count, "score")
                    ),
                    label: number(bar.from),
                    href: asked.sessions(further).to_string(),
                    parts: vec![("c-g1", bar.count as f64)],
                }
            };
            numbers.histogram.iter().map(bar).collect()
        }
        _ => score
            .labels
            .iter()
            .enumerate()
            .map(|(at, (label, count))| BarValues {
                title: format!("{}: {}", shown(label), notation::plural(*count, "score")),
                label: notation::line(&shown(label), 12),
                href: asked.sessions(exactly(field(), label)).to_string(),
                parts: vec![(COLOURS.get(at).copied().unwrap_or("c-rest"), *count as f64)],
            })
            .collect(),
    };
    let summary = match score.other_labels {
        0 => "how often each is given".to_owned(),
        others => format!("how often each is given; {} say something rarer", notation::count(others)),
    };
    Chart::draw("Spread", summary, bars, |most| notation::compact(most as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_places_as_they_need() {
        for (given, expected) in
            [(0.5, "0.5"), (1.0, "1"), (0.1 + 0.2, "0.3"), (100.0, "100"), (-0.25, "-0.25")]
        {
            assert_eq!(number(given), expected);
        }
    }
}
