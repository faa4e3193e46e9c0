//! Encrypting a share to its custodian's age key, so that nobody at the terminal sees it.

use age::x25519::Recipient;
use conclave_formats::share_text::ShareText;

/// Why a share cannot be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareFileError {
    /// Not an X25519 recipient of age.
    #[error(
        "this is not an age recipient that Conclave takes; it begins with `age1` and comes from `age-keygen` (plugin, SSH and passphrase recipients are not taken)"
    )]
    Recipient,
    /// The age library refused.
    #[error("age could not encrypt the share; try again")]
    Encrypt,
}

/// Checks a recipient, so that a typing error is found before the root key is made.
pub fn check_recipient(recipient: &str) -> Result<(), ShareFileError> {
    parse(recipient).map(|_| ())
}

/// Encrypts the text of a share to an `age1…` recipient; gives an armored age file.
pub fn encrypt_share_to(recipient: &str, share: &ShareText) -> Result<String, ShareFileError> {
    age::encrypt_and_armor(&parse(recipient)?, share.encode().as_bytes())
        .map_err(|_| ShareFileError::Encrypt)
}

fn parse(recipient: &str) -> Result<Recipient, ShareFileError> {
    recipient.trim_ascii().parse().map_err(|_| ShareFileError::Recipient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_formats::share_text::ShareHeader;

    fn share() -> ShareText {
        let header =
            ShareHeader { keyspace8: [1, 2, 3, 4], epoch: 1, index: 2, shares: 5, threshold: 3 };
        let mut bytes = [7; 33];
        bytes[0] = 2;
        ShareText::new(header, &bytes).unwrap()
    }

    #[test]
    fn the_custodian_and_nobody_else_reads_the_share() {
        let identity = age::x25519::Identity::generate();
        let file = encrypt_share_to(&identity.to_public().to_string(), &share()).unwrap();
        assert!(file.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
        assert_eq!(age::decrypt(&identity, file.as_bytes()).unwrap(), share().encode().as_bytes());
        let other = age::x25519::Identity::generate();
        assert!(age::decrypt(&other, file.as_bytes()).is_err());
    }

    #[test]
    fn other_recipients_are_refused() {
        let damaged = {
            let mut text = age::x25519::Identity::generate().to_public().to_string();
            let last = text.pop().unwrap();
            text.push(if last == 'q' { 'p' } else { 'q' });
            text
        };
        let ssh =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFgbhKpS2Hv0uJ7VWlNbmSvj3AYhhqfYnDd6bkhzrVbL";
        for recipient in ["", "age1", "age1yubikey1qqqq", ssh, &damaged] {
            assert_eq!(check_recipient(recipient), Err(ShareFileError::Recipient), "{recipient}");
        }
    }
}
