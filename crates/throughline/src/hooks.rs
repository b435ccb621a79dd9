//! Tasks that inherit the session by themselves, through the hooks of tokio's runtime.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex};

use throughline_channel::{Context, Entered};
use tokio::runtime::Builder;
use tokio::task::Id;

use crate::pipeline::lock;

/// Tasks that a runtime of this builder is given (`tokio::spawn`, `JoinSet`, and what libraries spawn) go on in the
/// session and span that were current where they were spawned.
///
/// Needs `--cfg tokio_unstable`. It sets the builder's `on_task_spawn`, `on_before_task_poll`, `on_after_task_poll` and
/// `on_task_terminate`; setting one of them again afterwards turns it off or leaves it half done. Each poll of a task
/// costs a look into a table. What runs outside of polls inherits nothing: `spawn_blocking` (see
/// [`task::spawn_blocking`](crate::task::spawn_blocking)), and the drop of a task that was aborted.
///
/// ```
/// use throughline::{Telemetry, current_session, inherit_sessions};
///
/// let telemetry = Telemetry::builder("shop").environment("test").build()?;
/// let runtime = inherit_sessions(&mut tokio::runtime::Builder::new_current_thread()).build().unwrap();
/// runtime.block_on(telemetry.session().id("sess_1").run(async {
///     let task = tokio::spawn(async { current_session().unwrap().session_id });
///     assert_eq!(task.await.unwrap().as_str(), "sess_1");
/// }));
/// # Ok::<(), throughline::Error>(())
/// ```
pub fn inherit_sessions(builder: &mut Builder) -> &mut Builder {
    let tasks = Arc::new(Tasks::default());
    let (spawned, polled, gone) = (tasks.clone(), tasks.clone(), tasks);
    builder
        .on_task_spawn(move |task| spawned.add(task.id()))
        .on_before_task_poll(move |task| before_poll(task.id(), polled.context(task.id())))
        .on_after_task_poll(|task| after_poll(task.id()))
        .on_task_terminate(move |task| gone.remove(task.id()))
}

/// So many locks that threads seldom find one taken.
const SHARDS: usize = 32;

/// The contexts that a runtime's tasks were spawned in, without the empty ones.
#[derive(Default)]
struct Tasks([Mutex<HashMap<Id, Arc<Context>>>; SHARDS]);

impl Tasks {
    fn shard(&self, task: Id) -> &Mutex<HashMap<Id, Arc<Context>>> {
        &self.0[BuildHasherDefault::<DefaultHasher>::default().hash_one(task) as usize % SHARDS]
    }

    fn add(&self, task: Id) {
        let context = Context::current();
        if !context.is_empty() {
            lock(self.shard(task)).insert(task, Arc::new(context));
        }
    }

    fn context(&self, task: Id) -> Option<Arc<Context>> {
        lock(self.shard(task)).get(&task).cloned()
    }

    fn remove(&self, task: Id) {
        // Not under the lock: it may be the last of a session.
        let context = lock(self.shard(task)).remove(&task);
        drop(context);
    }
}

thread_local! {
    /// The tasks that this thread is polling, one inside the other.
    static POLLING: RefCell<Vec<(Id, Entered)>> = const { RefCell::new(Vec::new()) };
    static NOTHING: Arc<Context> = Arc::new(Context::new());
}

#[expect(unsafe_code, reason = "the promise of `Entered`; see below")]
fn before_poll(task: Id, context: Option<Arc<Context>>) {
    let Ok(context) = context.map_or_else(|| NOTHING.try_with(Arc::clone), Ok) else { return };
    // SAFETY: tokio calls this hook right before it polls a task, and the one below right after, on the same thread and
    // from the same function. Whatever the poll enters it has left by then, other tasks that it polls included; and what
    // was entered before is left only after that function has returned. `POLLING` is reached by these two alone.
    let entered = unsafe { Entered::new(context) };
    POLLING.try_with(|polling| polling.borrow_mut().push((task, entered))).ok();
}

fn after_poll(task: Id) {
    // A runtime whose first hook was replaced comes here for tasks that never were entered.
    let is_last = |polling: &mut Vec<(Id, Entered)>| polling.pop_if(|(last, _)| *last == task);
    drop(POLLING.try_with(|polling| is_last(&mut polling.borrow_mut())));
}
