//! The journal as it grows, for any number of readers, each from the beginning.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{Stream, stream};
use tokio::sync::watch;

/// A handle to the lines so far; cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lines: Mutex<Vec<String>>,
    grown: watch::Sender<Grown>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grown {
    lines: usize,
    closed: bool,
}

impl Default for Feed {
    fn default() -> Self {
        let (grown, _) = watch::channel(Grown {
            lines: 0,
            closed: false,
        });
        Self(Arc::new(Inner {
            lines: Mutex::default(),
            grown,
        }))
    }
}

impl Feed {
    /// Adds a line, which ends with a newline.
    pub fn push(&self, line: String) {
        let lines = {
            let mut lines = self.lines();
            lines.push(line);
            lines.len()
        };
        self.0.grown.send_modify(|grown| grown.lines = lines);
    }

    /// No line will follow: readers end.
    pub fn close(&self) {
        self.0.grown.send_modify(|grown| grown.closed = true);
    }

    /// Every line from the first, in chunks as they come.
    pub fn read(&self) -> impl Stream<Item = Result<String, Infallible>> + Send + use<> {
        let start = (self.clone(), self.0.grown.subscribe(), 0);
        stream::unfold(start, |(feed, mut grown, from)| async move {
            let now = *grown
                .wait_for(|now| now.lines > from || now.closed)
                .await
                .ok()?;
            if now.lines <= from {
                return None;
            }
            let text = feed.lines().get(from..now.lines)?.concat();
            Some((Ok(text), (feed, grown, now.lines)))
        })
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        // Lines are pushed whole, so a panicking reader leaves nothing half done.
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn late_readers_get_everything_and_an_end() {
        let feed = Feed::default();
        feed.push("a\n".to_owned());
        let mut early = Box::pin(feed.read());
        assert_eq!(early.next().await, Some(Ok("a\n".to_owned())));
        feed.push("b\n".to_owned());
        feed.close();
        assert_eq!(early.next().await, Some(Ok("b\n".to_owned())));
        assert_eq!(early.next().await, None);
        let late: Vec<_> = feed.read().collect().await;
        assert_eq!(late, [Ok("a\nb\n".to_owned())]);
    }
}
