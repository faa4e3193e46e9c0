//! What is shown before a verb disables or destroys a key.

use conclave_client::{Error, v1};

use super::registration::{registrations_count, registrations_text};
use super::text::state;
use crate::values::{counted, seconds_text, time_text};

/// So many registrations are shown before the question; a longer list hides it.
const SHOWN_REGISTRATIONS: usize = 10;

pub(super) fn disable(key: &v1::Key, impact: &v1::ImpactAnswer) -> String {
    format!(
        "{}.\n{}Disabled, no node encrypts or decrypts with it, until it is enabled again. Data keys \
         handed out before go on working where they are kept.",
        present(key),
        registrations(impact),
    )
}

pub(super) fn delete(key: &v1::Key, impact: &v1::ImpactAnswer, force: bool) -> String {
    let destroyed = match time_text(impact.destroys_at.as_ref()) {
        Some(time) if policy(key).grace_s > 0 => format!(
            "it is destroyed at {time}, unless `conclave key cancel-deletion` takes the request \
             back before"
        ),
        _ => "it is destroyed at once".to_owned(),
    };
    let purged = time_text(impact.purge_at.as_ref()).map(|time| format!("at {time}"));
    let obstacles = impact.blocked_by.iter().map(|obstacle| match obstacle.as_str() {
        "registrations" if force => "registrations (--force passes them)",
        other => other,
    });
    format!(
        "{}.\n{}{}From now on no node encrypts or decrypts with it; {destroyed}. {}",
        present(key),
        registrations(impact),
        in_the_way(obstacles),
        after_destruction(key, purged),
    )
}

pub(super) fn delete_now(key: &v1::Key, impact: &v1::ImpactAnswer) -> String {
    let rest = match time_text(impact.destroys_at.as_ref()) {
        Some(time) => format!(" The rest of the grace period, until {time}, is skipped."),
        None => String::new(),
    };
    // The request under way has passed the state and, by force, registrations; of what stands in the
    // way of a new one, only what prevents any deletion is looked at again.
    let pending = key.state() == v1::KeyState::PendingDeletion;
    let obstacles = impact.blocked_by.iter().map(String::as_str);
    let obstacles = obstacles.filter(|obstacle| !pending || *obstacle == "retention");
    format!(
        "{}.\n{}{}It is destroyed now.{rest} {}",
        present(key),
        registrations(impact),
        in_the_way(obstacles),
        after_destruction(key, None),
    )
}

pub(super) fn purge(key: &v1::Key, impact: &v1::ImpactAnswer) -> String {
    let otherwise = match time_text(impact.purge_at.as_ref()) {
        Some(time) => format!(" By itself that happens at {time}."),
        None => String::new(),
    };
    format!(
        "{}.\n{}All of it but a tombstone is removed now, for good: what was encrypted with it can \
         never be decrypted again.{otherwise}",
        present(key),
        registrations(impact),
    )
}

/// In place of the above, if the caller may not look at the key.
pub(super) fn unseen(command: &str, key: &str, why: &Error) -> String {
    format!("Key {key} cannot be shown to you: {}.\n`{command}` is done to it unseen.", why.message)
}

/// `Key orders (0b0e…) with 2 versions is Enabled now, 1 registration`.
fn present(key: &v1::Key) -> String {
    let name = match key.aliases.first() {
        Some(alias) => format!("{alias} ({})", key.id),
        None => key.id.clone(),
    };
    let registrations = match registrations_count(&key.registrations) {
        none if none.is_empty() => none,
        some => format!(", {some}"),
    };
    let versions = counted(key.versions.len() as u64, "version");
    format!("Key {name} with {versions} is {} now{registrations}", state(key))
}

/// The resources that are registered, the first ones of many.
fn registrations(impact: &v1::ImpactAnswer) -> String {
    if impact.registrations.is_empty() {
        return String::new();
    }
    let shown = &impact.registrations[..impact.registrations.len().min(SHOWN_REGISTRATIONS)];
    let mut text = registrations_text(shown);
    let more = impact.registrations.len() - shown.len();
    if more > 0 {
        text.push_str(&format!("and {more} more: conclave key impact {}\n", impact.key_id));
    }
    text
}

fn in_the_way<'a>(obstacles: impl Iterator<Item = &'a str>) -> String {
    match obstacles.collect::<Vec<_>>() {
        none if none.is_empty() => String::new(),
        some => format!("In the way now: {}.\n", some.join(", ")),
    }
}

/// How long a destroyed key can be brought back, and when nothing is left of it: at a time that is
/// known, or so long after its destruction.
fn after_destruction(key: &v1::Key, purged: Option<String>) -> String {
    let policy = policy(key);
    if policy.auto_purge_s == 0 {
        return "Destroyed, it is purged at once: what was encrypted with it can never be \
                decrypted again."
            .to_owned();
    }
    let when = purged.unwrap_or_else(|| format!("{} later", seconds_text(policy.auto_purge_s)));
    let restorable = match policy.restore_window_s {
        0 => "Destroyed, it cannot be restored".to_owned(),
        seconds => format!("Destroyed, it can be restored for {}", seconds_text(seconds)),
    };
    format!("{restorable}; it is purged {when}: nothing is left of it then.")
}

fn policy(key: &v1::Key) -> v1::DeletionPolicy {
    key.deletion_policy.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use conclave_client::Reason;

    use super::*;
    use crate::key::example::{example, full, impact};

    #[test]
    fn disable_names_key_and_state() {
        let text = disable(&example(), &v1::ImpactAnswer::default());
        assert!(text.starts_with("Key orders (0b0e1f3c-"), "{text}");
        assert!(text.contains("2 versions is Disabled now.\n"), "{text}");
        assert_eq!(text.lines().count(), 2);
        let text = disable(&full(), &impact());
        assert!(
            text.contains("is PendingDeletion now, 2 registrations, 1 of them prevents deletion.")
        );
        assert!(text.contains("\narn:disk/2  no "), "{text}");
    }

    #[test]
    fn delete_shows_registrations_obstacles_and_dates() {
        let mut impact = impact();
        impact.blocked_by = vec!["retention".to_owned(), "registrations".to_owned()];
        let text = delete(&full(), &impact, false);
        assert!(text.contains("\narn:disk/1  yes "), "{text}");
        assert!(text.contains("\nIn the way now: retention, registrations.\n"), "{text}");
        assert!(text.contains("destroyed at 2026-11-24T10:00:00Z, unless"), "{text}");
        assert!(text.contains("can be restored for 30d; it is purged at 2027-02-22T10:00:00Z:"));
        let forced = delete(&full(), &impact, true);
        assert!(forced.contains("retention, registrations (--force passes them).\n"), "{forced}");
    }

    #[test]
    fn a_policy_without_delays_is_said() {
        let none = v1::ImpactAnswer::default();
        // A node gives the present moment, which is of no use to a reader.
        let now = v1::ImpactAnswer { registrations: Vec::new(), ..impact() };
        for (impact, lines) in [(&none, 2), (&now, 3)] {
            let text = delete(&example(), impact, false);
            assert_eq!(text.lines().count(), lines);
            assert!(text.contains("destroyed at once. Destroyed, it is purged at once"), "{text}");
        }
        let text = delete_now(&example(), &none);
        assert!(text.contains("\nIt is destroyed now. Destroyed, it is purged at once"), "{text}");
    }

    #[test]
    fn delete_now_shows_what_is_skipped_and_what_is_left() {
        let mut impact = impact();
        let obstacles = ["state", "registrations"].map(str::to_owned);
        impact.blocked_by = obstacles.to_vec();
        let text = delete_now(&full(), &impact);
        assert!(!text.contains("In the way"), "{text}");
        assert!(text.contains("grace period, until 2026-11-24T10:00:00Z, is skipped."), "{text}");
        assert!(text.contains("can be restored for 30d; it is purged 90d later:"), "{text}");
        impact.blocked_by.push("retention".to_owned());
        assert!(delete_now(&full(), &impact).contains("\nIn the way now: retention.\n"));
        let text = delete_now(&example(), &impact);
        assert!(text.contains("\nIn the way now: state, registrations, retention.\n"), "{text}");
    }

    #[test]
    fn purge_says_that_it_is_for_good() {
        let text = purge(&full(), &impact());
        assert!(text.contains("can never be decrypted again. By itself that happens at 2027-02"));
    }

    #[test]
    fn who_may_not_look_is_told_so() {
        let why = Error::new(Reason::PermissionDenied, "no role of the caller permits GetKey", "");
        assert_eq!(
            unseen("key purge", "orders", &why),
            "Key orders cannot be shown to you: no role of the caller permits GetKey.\n\
             `key purge` is done to it unseen."
        );
    }

    #[test]
    fn many_registrations_do_not_hide_the_question() {
        let mut impact = impact();
        impact.registrations = vec![impact.registrations[0].clone(); 13];
        let text = purge(&full(), &impact);
        assert_eq!(text.matches("arn:disk/1").count(), 10);
        assert!(text.contains("\nand 3 more: conclave key impact 0b0e1f3c-"), "{text}");
    }
}
