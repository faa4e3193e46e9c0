//! The value of `x-conclave-instance`.

use http::HeaderValue;

use crate::error::Error;
use crate::reason::Reason;

/// Bytes of an id or a name of an instance; a node refuses what is longer.
const MOST_BYTES: usize = 64;

/// The header that names an instance. Only what no header can carry, or no instance can be called,
/// is refused here; whether there is such an instance, the node says.
pub(crate) fn instance_header(instance: &str) -> Result<HeaderValue, Error> {
    let wrong = |what: &str| {
        Error::new(
            Reason::InvalidArgument,
            format!("the instance {instance:?} {what}: a name of a-z 0-9 - or an id is expected"),
            "see `conclave instance list`, then --instance or CONCLAVE_INSTANCE",
        )
    };
    if instance.is_empty() {
        return Err(wrong("is empty"));
    }
    if instance.len() > MOST_BYTES {
        return Err(wrong(&format!("has more than {MOST_BYTES} characters")));
    }
    if !instance.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("has characters that do not fit into a header"));
    }
    HeaderValue::from_str(instance)
        .map_err(|_| wrong("has characters that do not fit into a header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_fit_and_nothing_else() {
        let long = "a".repeat(MOST_BYTES);
        for good in ["default", "0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10", "Wrong_but_sendable", &long]
        {
            assert_eq!(instance_header(good).unwrap(), good, "{good}");
        }
        let longer = format!("{long}a");
        for bad in ["", " ", "two words", "line\nbreak", "caf\u{e9}", "\u{7f}", &longer] {
            let error = instance_header(bad).unwrap_err();
            assert_eq!(error.reason, Reason::InvalidArgument, "{bad}");
            assert!(error.message.contains("is expected"), "{}", error.message);
        }
    }
}
