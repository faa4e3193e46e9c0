//! Panics of tasks: in a release each of them ends the process, here only its task.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// The panics of this thread, while somebody watches.
    static SEEN: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Collects the panics of this thread instead of printing them.
pub struct Watch(());

impl Watch {
    /// Watches from now on.
    pub fn begin() -> Watch {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let print = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if !keep(info) {
                    print(info);
                }
            }));
        });
        SEEN.set(Some(Vec::new()));
        Watch(())
    }

    /// Ends the watch; gives what was seen, each panic with its place.
    pub fn seen(self) -> Vec<String> {
        SEEN.take().unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        SEEN.set(None);
    }
}

/// False if nobody watches this thread.
fn keep(info: &PanicHookInfo<'_>) -> bool {
    SEEN.with_borrow_mut(|seen| {
        let Some(seen) = seen else { return false };
        let what = info.payload_as_str().unwrap_or("a panic without text");
        seen.push(match info.location() {
            Some(place) => format!("{what} (at {}:{})", place.file(), place.line()),
            None => what.to_owned(),
        });
        true
    })
}
