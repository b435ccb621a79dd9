//! Whatever happens, the embedded engine answers every question as the memory engine does.

use proptest::prelude::*;
use tempfile::TempDir;
use throughline_model::ProjectId;
use throughline_server::store::Store;

use super::load::{Happening, happening};
use super::{answers, open};

/// Lets both engines live through the same and compares what they say.
async fn live_through(happenings: &[Happening]) -> Result<(), TestCaseError> {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path());
    let oracle = crate::conformance::memory();
    for happening in happenings {
        match happening {
            Happening::Append(batch) => {
                store.append(batch.clone()).await.unwrap();
                oracle.append(batch.clone()).await.unwrap();
            }
            Happening::Settle => store.settle().await.unwrap(),
            Happening::Crash => {
                drop(store);
                store = open(dir.path());
            }
        }
    }
    store.settle().await.unwrap();
    for project in [ProjectId::default(), ProjectId::from("other")] {
        let (ours, theirs) = (answers::of(&store, &project).await, answers::of(&oracle, &project).await);
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            prop_assert_eq!(ours, theirs);
        }
        prop_assert_eq!(ours.lines().count(), theirs.lines().count());
    }
    let (ours, theirs) = (store.status().await, oracle.status().await);
    prop_assert_eq!((ours.spans_stored, ours.events_stored), (theirs.spans_stored, theirs.events_stored));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engines_agree(happenings in prop::collection::vec(happening(true), 1..24)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(live_through(&happenings))?;
    }
}
