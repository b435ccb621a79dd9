//! Lists of sessions, traces, events and users.

use rustc_hash::FxHashMap;
use tantivy::columnar::Column;
use tantivy::query::Query;
use tantivy::schema::Field as IndexField;
use tantivy::{DocId, SegmentReader, TantivyError, Term};
use throughline_model::{Event, Money, Session, SessionId, Timestamp, Trace};

use super::columns::{BATCH, values};
use super::conditions::{all_of, between, term};
use super::filter::{FEW, Translator};
use super::newest::newest;
use super::top::{Order, Row};
use super::{Reading, Times};
use crate::domain::filter::{Filter, Target};
use crate::domain::query::{Cursor, ListQuery, Page, SortField, User};
use crate::domain::session_summary::SessionSummary;
use crate::domain::trace_summary::TraceSummary;
use crate::store::embedded::derived_index::kind;
use crate::store::embedded::key::{id_of, text_key};
use crate::store::embedded::snapshot::{IndexError, StoredRecord};

impl Reading {
    pub(super) fn translator(&self, target: Target, now: Timestamp) -> Translator<'_> {
        let Self { snapshot, project, boundary, abandoned_after, executor } = self;
        let (boundary, abandoned_after) = (*boundary, *abandoned_after);
        Translator { snapshot, project, boundary, abandoned_after, executor, target, now }
    }

    pub(crate) fn sessions(&self, query: &ListQuery) -> Result<Page<Session>, IndexError> {
        self.derived_page(Target::Session, query, |stored| {
            Ok(serde_json::from_slice::<SessionSummary>(stored)?.session(query.now, self.boundary))
        })
    }

    pub(crate) fn traces(&self, query: &ListQuery) -> Result<Page<Trace>, IndexError> {
        self.derived_page(Target::Trace, query, |stored| {
            Ok(serde_json::from_slice::<TraceSummary>(stored)?.trace)
        })
    }

    pub(crate) fn session(&self, id: &SessionId, now: Timestamp) -> Result<Option<Session>, IndexError> {
        let summary = self.snapshot.session(&self.project, id.as_str())?;
        Ok(summary.filter(|summary| !summary.is_empty()).map(|summary| summary.session(now, self.boundary)))
    }

    /// The traces of a session in order of start time.
    pub(crate) fn session_traces(
        &self,
        id: &SessionId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Trace>, IndexError> {
        let order =
            Order { value: "start", id: "id", descending: false, after: place(after), limit: limit + 1 };
        let rows = order.search(&self.snapshot.derived, &*self.traces_of(id))?;
        self.page(rows, limit, |stored| Ok(serde_json::from_slice::<TraceSummary>(stored)?.trace))
    }

    /// The query for the traces of a session.
    pub(super) fn traces_of(&self, id: &SessionId) -> Box<dyn Query> {
        let fields = &self.snapshot.fields.derived;
        all_of(vec![
            term(fields.session, &text_key(&self.project, id.as_str())),
            term(fields.kind, &text_key(&self.project, kind::TRACE)),
        ])
    }

    /// The sessions or traces that match.
    pub(super) fn derived(
        &self,
        target: Target,
        filter: &Filter,
        times: Times,
        now: Timestamp,
    ) -> Result<Box<dyn Query>, IndexError> {
        self.translator(target, now).list(filter, self.in_range(times), None)
    }

    /// What was going on in the time asked for.
    fn in_range(&self, times: Times) -> Vec<Box<dyn Query>> {
        let fields = &self.snapshot.fields.derived;
        in_range(times, fields.start, |from| between(fields.end, (from, i64::MAX)))
    }

    fn derived_page<T>(
        &self,
        target: Target,
        query: &ListQuery,
        read: impl Fn(&[u8]) -> Result<T, IndexError>,
    ) -> Result<Page<T>, IndexError> {
        let order = Order {
            value: column(query.sort.by),
            id: "id",
            descending: query.sort.descending,
            after: place(query.after.as_ref()),
            limit: query.limit + 1,
        };
        let found = |since| {
            let mut conditions = self.in_range((query.from, query.to));
            let fields = &self.snapshot.fields.derived;
            let (column, began) = match query.sort.by {
                SortField::StartTime => (fields.start, since),
                _ => (fields.end, None),
            };
            conditions.extend(since.map(|since| between(column, (since, i64::MAX))));
            self.translator(target, query.now).list(&query.filter, conditions, began)
        };
        for since in self.newest(target, query)? {
            let rows = order.search(&self.snapshot.derived, &*found(Some(since))?)?;
            if rows.len() == order.limit {
                return self.page(rows, query.limit, read);
            }
        }
        self.page(order.search(&self.snapshot.derived, &*found(None)?)?, query.limit, read)
    }

    /// Where it pays to look among the newest sessions or traces first: from when on, in turn.
    fn newest(&self, target: Target, query: &ListQuery) -> Result<Vec<i64>, IndexError> {
        let is_by_time = matches!(query.sort.by, SortField::StartTime | SortField::EndTime);
        if !is_by_time
            || !query.sort.descending
            || !self.translator(target, query.now).is_by_records(&query.filter)
        {
            return Ok(Vec::new());
        }
        let searcher = &self.snapshot.derived;
        let kind = text_key(&self.project, if target == Target::Trace { kind::TRACE } else { kind::SESSION });
        let all = searcher.doc_freq(&Term::from_field_text(self.snapshot.fields.derived.kind, &kind))? as f64;
        let until = query.after.as_ref().map(|after| after.value);
        // What began lately has only late records. What ended lately is looked up one by one, while it is few.
        let counts = match query.sort.by {
            SortField::StartTime => vec![all / 64.0, all / 8.0],
            _ => vec![(all / 8.0).min(FEW as f64 / 2.0)],
        };
        let mut places = Vec::new();
        for count in counts {
            let documents = count * searcher.num_docs() as f64 / all.max(1.0);
            places.extend(newest(searcher, column(query.sort.by), documents, until)?);
        }
        Ok(places)
    }

    fn page<T>(
        &self,
        mut rows: Vec<Row>,
        limit: usize,
        read: impl Fn(&[u8]) -> Result<T, IndexError>,
    ) -> Result<Page<T>, IndexError> {
        let next = next(&mut rows, limit);
        let fields = &self.snapshot.fields.derived;
        let read = |row: &Row| read(&fields.summary.read(&self.snapshot.derived, row.address)?);
        Ok(Page { rows: rows.iter().map(read).collect::<Result<_, _>>()?, next })
    }

    pub(crate) fn events(&self, query: &ListQuery) -> Result<Page<Event>, IndexError> {
        let fields = &self.snapshot.fields.span;
        let times = (query.from, query.to);
        let conditions = in_range(times, fields.start, |from| between(fields.start, (from, i64::MAX)));
        let found = self.translator(Target::Event, query.now).list(&query.filter, conditions, None)?;
        let after = query.after.as_ref().map(|after| (after.value, text_key(&self.project, &after.id)));
        let order = Order {
            value: "start",
            id: "event",
            descending: query.sort.descending,
            after: after.as_ref().map(|(value, id)| (*value, id.as_str())),
            limit: query.limit + 1,
        };
        let mut rows = order.search(&self.snapshot.spans, &*found)?;
        rows.iter_mut().for_each(|row| row.id = id_of(&row.id).to_owned());
        let next = next(&mut rows, query.limit);
        let addresses: Vec<_> = rows.iter().map(|row| row.address).collect();
        let mut events = Vec::with_capacity(rows.len());
        self.snapshot.records(&addresses, |record| {
            if let StoredRecord::Event(event) = record {
                events.push(*event);
            }
            Ok::<_, IndexError>(())
        })?;
        self.place_events(&mut events)?;
        Ok(Page { rows: events, next })
    }

    /// Users with what their sessions say, among the sessions that match.
    pub(crate) fn users(&self, query: &ListQuery) -> Result<Page<User>, IndexError> {
        let found = self.derived(Target::Session, &query.filter, (query.from, query.to), query.now)?;
        let mut users: Vec<(Cursor, User)> = self
            .sum_users(&*found)?
            .into_values()
            .map(|user| (query.sort.place_of_user(&user), user))
            .collect();
        let turn = |ordering: std::cmp::Ordering| {
            if query.sort.descending { ordering.reverse() } else { ordering }
        };
        if let Some(after) = &query.after {
            users.retain(|(place, _)| turn(place.cmp(after)).is_gt());
        }
        users.sort_by(|(a, _), (b, _)| turn(a.cmp(b)));
        let has_more = users.len() > query.limit;
        users.truncate(query.limit);
        let next = users.last().filter(|_| has_more).map(|(place, _)| place.clone());
        Ok(Page { rows: users.into_iter().map(|(_, user)| user).collect(), next })
    }

    fn sum_users(&self, found: &dyn Query) -> Result<FxHashMap<String, User>, IndexError> {
        let of_segments = self.fold(&self.snapshot.derived, found, users_of)?;
        let mut users: FxHashMap<String, User> = FxHashMap::default();
        for user in of_segments.into_iter().flatten() {
            match users.get_mut(&user.id) {
                Some(known) => add_user(known, &user),
                None => drop(users.insert(user.id.clone(), user)),
            }
        }
        Ok(users)
    }
}

/// The users of one segment's sessions.
fn users_of(segment: &SegmentReader, docs: &[DocId]) -> Result<Vec<User>, TantivyError> {
    let columns = segment.fast_fields();
    let Some(names) = columns.str("user")? else { return Ok(Vec::new()) };
    let numbers = ["start", "end", "traces", "errors", "tokens", "cost"];
    let mut opened: Vec<Option<Column<i64>>> = Vec::with_capacity(numbers.len());
    for name in numbers {
        opened.push(columns.column_opt(name)?);
    }
    let mut users: Vec<Option<User>> = vec![None; names.dictionary().num_terms()];
    for docs in docs.chunks(BATCH) {
        let ords = values(Some(names.ords()), docs, u64::MAX);
        let numbers: Vec<Vec<i64>> = opened.iter().map(|column| values(column.as_ref(), docs, 0)).collect();
        for (at, ord) in ords.into_iter().enumerate() {
            let Some(user) = users.get_mut(ord as usize) else { continue };
            let [start, end, traces, errors, tokens, cost] = [0, 1, 2, 3, 4, 5].map(|n| numbers[n][at]);
            let cost = Some(cost).filter(|cost| *cost != -1);
            let more = User {
                id: String::new(),
                session_count: 1,
                trace_count: traces as u64,
                error_count: errors as u64,
                total_tokens: tokens as u64,
                total_cost: cost.map(|cost| Money::from_picodollars(cost.into())),
                first_seen: Timestamp::from_nanos(start),
                last_seen: Timestamp::from_nanos(end),
            };
            match user {
                Some(user) => add_user(user, &more),
                None => *user = Some(more),
            }
        }
    }
    let used: Vec<u64> = (0..).zip(&users).filter(|(_, user)| user.is_some()).map(|(ord, _)| ord).collect();
    let mut users: Vec<User> = users.into_iter().flatten().collect();
    let mut unnamed = users.iter_mut();
    names.dictionary().sorted_ords_to_term_cb(&used, |name| {
        if let Some(user) = unnamed.next() {
            user.id = String::from_utf8_lossy(name).into_owned();
        }
    })?;
    Ok(users)
}

fn add_user(user: &mut User, more: &User) {
    user.session_count += more.session_count;
    user.trace_count += more.trace_count;
    user.error_count += more.error_count;
    user.total_tokens = user.total_tokens.saturating_add(more.total_tokens);
    user.total_cost = match (user.total_cost, more.total_cost) {
        (Some(sum), Some(part)) => Some(sum + part),
        (sum, part) => sum.or(part),
    };
    user.first_seen = user.first_seen.min(more.first_seen);
    user.last_seen = user.last_seen.max(more.last_seen);
}

/// What was going on in the time asked for: began before its end, and (as `ends_from` says) did not end before it.
fn in_range(
    (from, to): Times,
    start: IndexField,
    ends_from: impl Fn(i64) -> Box<dyn Query>,
) -> Vec<Box<dyn Query>> {
    let began = to.map(|to| match to.as_nanos().checked_sub(1) {
        Some(last) => between(start, (i64::MIN, last)),
        None => between(start, (1, 0)),
    });
    let not_over = from.map(|from| ends_from(from.as_nanos()));
    began.into_iter().chain(not_over).collect()
}

fn column(field: SortField) -> &'static str {
    match field {
        SortField::StartTime => "start",
        SortField::EndTime => "end",
        SortField::Duration => "duration",
        SortField::TotalTokens => "tokens",
        SortField::TotalCost => "cost",
        SortField::ErrorCount => "errors",
        SortField::TraceCount => "traces",
    }
}

fn place(cursor: Option<&Cursor>) -> Option<(i64, &str)> {
    cursor.map(|cursor| (cursor.value, cursor.id.as_str()))
}

/// Takes off the row too many that was asked for, and says where the next page begins.
fn next(rows: &mut Vec<Row>, limit: usize) -> Option<Cursor> {
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| has_more).map(|row| Cursor { value: row.value, id: row.id.clone() })
}
