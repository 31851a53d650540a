use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Items 0, 1, ..., `count` - 1, loaded by threads ahead of whoever takes them, in this order.
///
/// What is loaded, or being loaded, without having been asked for is never more than `ahead` items,
/// whatever the size of the set. What an item is may depend on its number only, so that the number of
/// threads changes nothing. An error stands in the place of its item and is the last thing to come;
/// one who stops taking items early stops the threads.
///
/// ```
/// use solvergrad::data::Prefetch;
///
/// let squares = Prefetch::new(5, 2, 4, |item| Ok(item * item))?;
/// let squares: Vec<usize> = squares.collect::<Result<_, _>>()?;
/// assert_eq!(squares, [0, 1, 4, 9, 16]);
/// # Ok::<(), solvergrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Prefetch<T> {
    // Item i comes from worker i modulo their number.
    queues: Vec<Receiver<Result<T>>>,
    workers: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    held: Arc<Held>,
    next: usize,
    count: usize,
}

#[derive(Debug, Default)]
struct Held {
    // Begun minus asked for.
    now: AtomicI64,
    most: AtomicI64,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts `threads` threads, or `ahead` of them where that is less.
    ///
    /// # Errors
    /// [`Error::Parameter`] for 0 threads or nothing ahead, [`Error::Io`] where the system refuses a
    /// thread.
    pub fn new(
        count: usize,
        threads: usize,
        ahead: usize,
        load: impl Fn(usize) -> Result<T> + Send + Sync + 'static,
    ) -> Result<Self> {
        for (what, value) in
            [("the number of loading threads", threads), ("the items to load ahead", ahead)]
        {
            if value == 0 {
                return Err(Error::parameter(what, value, "at least 1"));
            }
        }
        let threads = threads.min(ahead);
        let (load, stop, held) =
            (Arc::new(load), Arc::<AtomicBool>::default(), Arc::<Held>::default());
        let mut all = Self { queues: vec![], workers: vec![], stop, held, next: 0, count };
        for worker in 0..threads {
            // One more is in the worker's hands.
            let (sender, queue) = sync_channel(ahead / threads - 1);
            let (load, stop, held) =
                (Arc::clone(&load), Arc::clone(&all.stop), Arc::clone(&all.held));
            let work = move || {
                for item in (worker..count).step_by(threads) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let now = held.now.fetch_add(1, Ordering::Relaxed) + 1;
                    held.most.fetch_max(now, Ordering::Relaxed);
                    let loaded = load(item);
                    let failed = loaded.is_err();
                    if sender.send(loaded).is_err() || failed {
                        return;
                    }
                }
            };
            let started = std::thread::Builder::new().name(format!("loader {worker}")).spawn(work);
            all.workers.push(started.map_err(Error::io("start", format!("loader {worker}")))?);
            all.queues.push(queue);
        }
        Ok(all)
    }
}

impl<T> Prefetch<T> {
    /// The most items that were loaded, or being loaded, without having been asked for.
    pub fn most_ahead(&self) -> usize {
        usize::try_from(self.held.most.load(Ordering::Relaxed)).unwrap_or_default()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.next = self.count;
        // A worker that waits for room in its queue wakes up when the queue is gone.
        self.queues.clear();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.next >= self.count {
            return None;
        }
        let item = self.next;
        self.next += 1;
        self.held.now.fetch_sub(1, Ordering::Relaxed);
        let queue = item % self.queues.len();
        let loaded = self.queues[queue].recv().unwrap_or_else(|_| {
            let problem = std::io::Error::other("the thread that loads it panicked");
            Err(Error::io("load", format!("item {item}"))(problem))
        });
        if loaded.is_err() {
            self.end();
        }
        Some(loaded)
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// How much of the time of a training goes into waiting for its input.
#[derive(Debug, Default)]
pub struct InputTimes {
    waited_ns: AtomicU64,
    used_ns: AtomicU64,
    most_ahead: AtomicU64,
}

impl InputTimes {
    /// Time for which a step waited for its batch.
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited_ns.load(Ordering::Relaxed))
    }

    /// Time for which batches were used: what the steps took.
    pub fn used(&self) -> Duration {
        Duration::from_nanos(self.used_ns.load(Ordering::Relaxed))
    }

    /// Waiting as a share of all, in \[0, 1\]; lower is better, and 0 where there was no batch.
    pub fn waiting_share(&self) -> f64 {
        let (waited, used) = (self.waited().as_secs_f64(), self.used().as_secs_f64());
        if waited + used > 0.0 { waited / (waited + used) } else { 0.0 }
    }

    /// The most pictures that were in memory ahead of the step.
    pub fn most_ahead(&self) -> usize {
        self.most_ahead.load(Ordering::Relaxed) as usize
    }
}

/// The same iterator, which notes how long it is waited for.
#[derive(Debug)]
pub(super) struct Timed<'a, I> {
    pub inner: I,
    pub times: &'a InputTimes,
    pub handed_over: Option<Instant>,
}

impl<T, I: Iterator<Item = Result<T>> + MostAhead> Iterator for Timed<'_, I> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        let asked = Instant::now();
        if let Some(before) = self.handed_over {
            let used = asked.duration_since(before).as_nanos() as u64;
            self.times.used_ns.fetch_add(used, Ordering::Relaxed);
        }
        let next = self.inner.next();
        let waited = asked.elapsed().as_nanos() as u64;
        self.times.waited_ns.fetch_add(waited, Ordering::Relaxed);
        self.times.most_ahead.fetch_max(self.inner.most_ahead() as u64, Ordering::Relaxed);
        self.handed_over = next.is_some().then(Instant::now);
        next
    }
}

/// The items of a [`Prefetch`] in batches, without those that were left out.
pub(super) struct InBatches<T, B, S> {
    pub items: Prefetch<Option<T>>,
    pub sizes: S,
    pub join: fn(Vec<T>) -> Result<B>,
}

impl<T, B, S: Iterator<Item = usize>> Iterator for InBatches<T, B, S> {
    type Item = Result<B>;

    fn next(&mut self) -> Option<Result<B>> {
        let size = self.sizes.next()?;
        let taken: Result<Vec<Option<T>>> = self.items.by_ref().take(size).collect();
        Some(taken.and_then(|items| (self.join)(items.into_iter().flatten().collect())))
    }
}

impl<T, B, S> MostAhead for InBatches<T, B, S> {
    fn most_ahead(&self) -> usize {
        self.items.most_ahead()
    }
}

/// What knows how far ahead it was.
pub(super) trait MostAhead {
    fn most_ahead(&self) -> usize;
}
