//! The threads that write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use super::super::error::{Error, Result};
use super::attributes::Policy;
use super::write::{Bench, Job};

/// How many jobs may wait for one writer; each holds a folder open.
const QUEUE: usize = 128;

/// More than two do not help: the kernel's own locks and the inflating thread set the pace.
const MOST: usize = 2;

/// The parser's end of the queues.
pub struct Writers {
    queues: Vec<SyncSender<Job>>,
    failed: Arc<AtomicBool>,
}

impl Writers {
    /// Returns how many threads there are.
    pub fn count(&self) -> usize {
        self.queues.len()
    }

    /// Gives a job to one of them.
    pub fn send(&self, writer: usize, job: Job) -> Result<()> {
        self.check()?;
        self.queues[writer % self.queues.len()].send(job).or_else(|_| stopped())
    }

    /// Waits until all of them are idle.
    pub fn flush(&self) -> Result<()> {
        let (done, answers) = channel();
        for queue in &self.queues {
            queue.send(Job::Answer(done.clone())).or_else(|_| stopped())?;
        }
        drop(done);
        answers.iter().for_each(drop);
        self.check()
    }

    fn check(&self) -> Result<()> {
        if self.failed.load(Ordering::Acquire) { stopped() } else { Ok(()) }
    }
}

/// What the parser gets when a writer has failed; [`with_writers`] puts the writer's own error in its place.
fn stopped<T>() -> Result<T> {
    Err(Error::System { errno: 0, detail: "a writer stopped".into() })
}

/// Runs `parse` beside the writers. A writer's error is of an earlier entry, so it comes first.
pub fn with_writers<T>(policy: Policy, parse: impl FnOnce(&mut Writers) -> Result<T>) -> Result<T> {
    let count = thread::available_parallelism().map_or(1, usize::from).min(MOST);
    let failed = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| {
        let mut writers = Writers { queues: Vec::new(), failed: failed.clone() };
        let mut threads = Vec::new();
        for _ in 0..count {
            let (queue, jobs) = sync_channel(QUEUE);
            let failed = failed.clone();
            writers.queues.push(queue);
            threads.push(scope.spawn(move || work(policy, &jobs, &failed)));
        }
        let parsed = parse(&mut writers);
        drop(writers);
        for thread in threads {
            thread.join().unwrap_or_else(|_| stopped())?;
        }
        parsed
    })
}

/// Does the jobs until there are no more. After an error it only empties the queue, so that nobody waits for it.
fn work(policy: Policy, jobs: &Receiver<Job>, failed: &AtomicBool) -> Result<()> {
    let mut bench = Bench::new(policy);
    let mut result = Ok(());
    for job in jobs {
        match job {
            Job::Answer(done) => drop(done),
            Job::Write { .. } if result.is_err() => {}
            Job::Write { node, pieces, last } => {
                result = bench.write(node, &pieces, last);
                if result.is_err() {
                    failed.store(true, Ordering::Release);
                }
            }
        }
    }
    result
}
