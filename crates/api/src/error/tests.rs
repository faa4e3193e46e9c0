use super::*;
use conclave_core::lifecycle::KeyAction;

#[test]
fn every_reason_has_its_code() {
    let mut table = String::new();
    for reason in Reason::ALL {
        let status = Status::from(ApiError::new(*reason, "message", "do this").with("fact", "1"));
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(info.reason, reason.as_str());
        assert_eq!(info.domain, "conclave");
        assert_eq!(info.metadata["next"], "do this");
        assert_eq!(info.metadata["fact"], "1");
        let retry = details.retry_info().map_or("", |_| " retry");
        table.push_str(&format!("{reason} {:?}{retry}\n", status.code()));
    }
    insta::assert_snapshot!(table, @r#"
    NOT_FOUND NotFound
    ALREADY_EXISTS AlreadyExists
    KEY_STATE FailedPrecondition
    VERSION_STATE FailedPrecondition
    VERSION_LIMIT FailedPrecondition
    TOO_EARLY FailedPrecondition
    WINDOW_OVER FailedPrecondition
    EXPIRED FailedPrecondition
    RETENTION FailedPrecondition
    REGISTERED FailedPrecondition
    NOT_EMPTY FailedPrecondition
    POLICY_INVALID InvalidArgument
    PERMISSION_DENIED PermissionDenied
    SAME_PRINCIPAL PermissionDenied
    UNAUTHENTICATED Unauthenticated
    TOKEN_EXPIRED Unauthenticated
    SEALED Unavailable
    NOT_INITIALIZED Unavailable
    ALREADY_INITIALIZED FailedPrecondition
    NO_QUORUM Unavailable retry
    OUTCOME_UNKNOWN DeadlineExceeded retry
    REQUEST_ID_REUSED FailedPrecondition
    REQUEST_TOO_OLD FailedPrecondition
    CIPHERTEXT_INVALID InvalidArgument
    CIPHERTEXT_WRONG_KEY InvalidArgument
    SHARE_DAMAGED InvalidArgument
    SHARE_WRONG InvalidArgument
    SHARE_REPEATED AlreadyExists
    SHARE_OLD_EPOCH FailedPrecondition
    SHARE_OTHER_KEYSPACE InvalidArgument
    CEREMONY_EXPIRED FailedPrecondition
    TOO_LARGE InvalidArgument
    INVALID_ARGUMENT InvalidArgument
    RATE_LIMITED ResourceExhausted
    AUDIT_BLOCKED Unavailable
    "#);
}

#[test]
fn a_refusal_keeps_its_facts() {
    let refusal = Refusal::ShareRepeated { index: 2, accepted: [1, 2].into(), needed: 3 };
    let error = ApiError::from(refusal);
    assert_eq!(error.reason(), Some(Reason::ShareRepeated));
    assert_eq!(error.metadata()["have"], "2");
    assert_eq!(error.next(), "give the share of another custodian");
}

/// The state machine counts in milliseconds; callers read times as everywhere.
#[test]
fn a_time_among_the_facts_is_written_as_one() {
    let early = Refusal::TooEarly { action: KeyAction::Purge, from_ms: 1_798_761_600_001 };
    let error = ApiError::from(early);
    assert_eq!(error.metadata()["not_before"], "2027-01-01T00:00:00.001Z");
    let over = ApiError::from(Refusal::WindowOver { over_ms: 0 });
    assert_eq!(over.metadata()["over"], "1970-01-01T00:00:00Z");
    assert!(!error.metadata().keys().chain(over.metadata().keys()).any(|k| k.ends_with("_ms")));
    // What no calendar has stays a number, under its own name.
    let never = ApiError::from(Refusal::WindowOver { over_ms: u64::MAX });
    assert_eq!(never.metadata()["over_ms"], u64::MAX.to_string());
}

#[test]
fn an_alarm_is_internal_and_says_where_to_look() {
    let status = Status::from(ApiError::alarm("broken"));
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(status.get_details_error_info().unwrap().reason, "INTERNAL");
}

#[test]
fn a_proposal_without_an_answer_is_unknown_and_one_that_never_left_is_not() {
    let unknown = ApiError::from(ProposeError::Unknown);
    assert_eq!(unknown.reason(), Some(Reason::OutcomeUnknown));
    for unavailable in [
        Unavailable::NoQuorum,
        Unavailable::Stopping,
        Unavailable::Unreachable("node 2".to_owned()),
    ] {
        let error = ApiError::from(ProposeError::from(unavailable));
        assert_eq!(error.reason(), Some(Reason::NoQuorum));
    }
}
