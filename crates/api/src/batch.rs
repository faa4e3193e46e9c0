//! Something that several calls of one runtime wait for together.

use crate::lock::lock;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// What will be known to all who wait at once.
pub(crate) struct Batch<T>(Mutex<Progress<T>>);

enum Progress<T> {
    /// Who waits; a place stays empty once its owner has gone.
    Waiting(Vec<Option<Waker>>),
    Ended(T),
}

impl<T> Default for Batch<T> {
    fn default() -> Batch<T> {
        Batch(Mutex::new(Progress::Waiting(Vec::new())))
    }
}

impl<T: Clone> Batch<T> {
    /// Tells everybody.
    pub(crate) fn end(&self, result: T) {
        let before = std::mem::replace(&mut *lock(&self.0), Progress::Ended(result));
        if let Progress::Waiting(wakers) = before {
            wakers.into_iter().flatten().for_each(Waker::wake);
        }
    }

    /// Resolves when the batch has ended.
    pub(crate) fn ended(self: Arc<Self>) -> Ended<T> {
        Ended { batch: self, place: None }
    }
}

/// See [`Batch::ended`].
pub(crate) struct Ended<T> {
    batch: Arc<Batch<T>>,
    place: Option<usize>,
}

impl<T: Clone> Future for Ended<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<T> {
        let me = &mut *self;
        match &mut *lock(&me.batch.0) {
            Progress::Ended(result) => Poll::Ready(result.clone()),
            Progress::Waiting(wakers) => {
                let place = *me.place.get_or_insert_with(|| {
                    wakers.push(None);
                    wakers.len() - 1
                });
                match &mut wakers[place] {
                    Some(waker) => waker.clone_from(task.waker()),
                    none => *none = Some(task.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        if let Some(place) = self.place
            && let Progress::Waiting(wakers) = &mut *lock(&self.batch.0)
        {
            wakers[place] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn all_who_wait_are_told_and_who_comes_later_too() {
        let batch: Arc<Batch<u32>> = Arc::default();
        let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(batch.clone().ended())).collect();
        let mut gone = batch.clone().ended();
        assert!((&mut gone).now_or_never().is_none());
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        tokio::task::yield_now().await;
        batch.end(7);
        for told in waiting {
            assert_eq!(told.await.unwrap(), 7);
        }
        assert_eq!(batch.ended().await, 7);
    }
}
